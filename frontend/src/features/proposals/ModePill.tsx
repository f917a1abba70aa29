/** Whether what one does changes the trip, becomes a suggestion, or (viewers) does nothing. */
import { ChevronDown, Eye, PenLine, SquarePen } from "lucide-react";
import type { ReactNode } from "react";
import { useIsEditor, useMe, useRoomClient, useSuggesting } from "../../store";
import { Menu, MenuItem } from "../../ui/Menu";
import { toast } from "../../ui/toast";
import { useText } from "../room/useText";

/** Turn suggest mode on, and say so once. */
export function useSuggest(): (on: boolean) => void {
  const { review } = useRoomClient();
  const { t } = useText();
  return (on) => {
    review.suggest(on);
    if (on) toast(t("proposal.nowSuggesting"));
  };
}

/** Shown to viewers always, to editors while they suggest: nobody works in a mode unawares. */
export function ModePill({ compact }: { compact: boolean }) {
  const { t } = useText();
  const { role } = useMe();
  const editor = useIsEditor();
  const on = useSuggesting();
  const suggest = useSuggest();
  if (role === "spectator") return <span className="pill" title={t("room.viewOnlyHint")}>{t("room.viewOnly")}</span>;
  if (role === null || (editor && !on)) return null;
  const word = on ? t("proposal.suggesting") : t("room.viewOnly");
  return (
    <Menu trigger={
      <button type="button" className={`pill mode-pill ${on ? "mode-on" : ""}`} data-testid="mode" data-mode={on ? "suggesting" : "viewing"} aria-label={`${t("proposal.mode")}: ${word}`}>
        {on ? <SquarePen size={14} aria-hidden /> : <Eye size={14} aria-hidden />}
        <span className={compact && on ? "vh" : undefined}>{word}</span>
        <ChevronDown size={13} aria-hidden />
      </button>
    }>
      <Choice icon={editor ? <PenLine size={16} /> : <Eye size={16} />} on={!on} hint={t(editor ? "proposal.editingHint" : "proposal.viewingHint")} onSelect={() => suggest(false)}>{t(editor ? "proposal.editing" : "proposal.viewing")}</Choice>
      <Choice icon={<SquarePen size={16} />} on={on} hint={t("proposal.suggestingHint")} onSelect={() => suggest(true)}>{t("proposal.suggesting")}</Choice>
    </Menu>
  );
}

function Choice({ icon, on, hint, onSelect, children }: { icon: ReactNode; on: boolean; hint: string; onSelect: () => void; children: ReactNode }) {
  return (
    <MenuItem icon={icon} onSelect={onSelect}>
      <span className="mode-choice"><b>{children}{on ? " ✓" : ""}</b><small>{hint}</small></span>
    </MenuItem>
  );
}
