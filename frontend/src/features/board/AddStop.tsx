import { Plus, SquarePen } from "lucide-react";
import { useState } from "react";
import type { KeyboardEvent } from "react";
import { useTranslation } from "react-i18next";
import { MAX_LENGTH } from "../../protocol.gen";
import { IDEAS, newId, useCanEdit, useIsMember, useRoom } from "../../store";
import { announce } from "../../ui/announce";
import { useSuggest } from "../proposals/ModePill";
import { IN_IDEAS, view } from "../room/view";

/** One line at the end of a list: type a name, Enter adds it and waits for the next. Viewers suggest it. */
export function AddStop({ list, open }: { list: string; open: boolean }) {
  const { t } = useTranslation();
  const room = useRoom();
  const [name, setName] = useState("");
  const ideas = list === IN_IDEAS;
  const canEdit = useCanEdit();
  const member = useIsMember();
  const suggest = useSuggest();

  function add(): void {
    const text = name.trim();
    if (!text) return;
    const ids = room.store.getState().stopIds.get(ideas ? IDEAS : list) ?? [];
    room.client.submit({
      kind: "stop.add", id: newId(), day: ideas ? null : list, after: ids.at(-1) ?? null,
      fields: { name: text, status: ideas ? "idea" : "planned" },
    });
    announce(t("stop.added", { name: text }));
    setName("");
  }
  function onKeyDown(event: KeyboardEvent): void {
    if (event.nativeEvent.isComposing) return;
    if (event.key === "Enter") add();
    if (event.key === "Escape") {
      event.stopPropagation();
      setName("");
      view.add(null);
    }
  }
  if (!canEdit && !member) return null;
  if (!open || !canEdit) {
    return (
      <button type="button" className={canEdit ? "add-line" : "add-line add-line-suggest"} onClick={() => { if (!canEdit) suggest(true); view.add(list); }}>
        {canEdit ? <Plus size={16} aria-hidden /> : <SquarePen size={15} aria-hidden />}
        {t(canEdit ? (ideas ? "ideas.add" : "day.addStop") : ideas ? "proposal.suggestIdea" : "proposal.suggestStop")}
      </button>
    );
  }
  return (
    <div className="add-line add-line-open">
      <Plus size={16} aria-hidden />
      <input
        autoFocus value={name} maxLength={MAX_LENGTH.stop.name} aria-label={t(ideas ? "ideas.add" : "day.addStop")} placeholder={t("stop.addPlaceholder")}
        onChange={(e) => setName(e.target.value)} onKeyDown={onKeyDown}
        onBlur={() => {
          add();
          view.add(null);
        }}
      />
    </div>
  );
}
