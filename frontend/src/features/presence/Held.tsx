import type { ReactNode } from "react";
import type { RecordType } from "../../protocol.gen";
import { useEditors } from "../../store";
import { useText } from "../room/useText";

/** A field that others may have in hand: their coloured outline, their name, and whether they type. */
export function Held({ t: type, id, field, children }: { t: RecordType; id: string; field: string; children: ReactNode }) {
  const { t } = useText();
  const editors = useEditors(type, id, field);
  const first = editors[0];
  if (!first) return <span className="held-wrap">{children}</span>;
  const names = editors.map((person) => person.name).join(", ");
  const typing = editors.some((person) => person.tabs.some((tab) => tab.typing && tab.editing?.id === id && tab.editing.field === field));
  return (
    <span className="held-wrap held" data-who={first.color % 8} data-testid={`held-${type}-${field}`}>
      {children}
      <span className="held-name" title={t("stop.someoneEdits", { name: names })}>
        {names}
        {typing ? <span className="typing" role="img" aria-label={t("stop.typing", { name: names })}><i /><i /><i /></span> : null}
      </span>
    </span>
  );
}
