/** On phones: what has no tab of its own. */
import { CalendarRange, ChevronRight, Download, History, Info, ListChecks, Sparkles, SquarePen, Users } from "lucide-react";
import type { ReactNode } from "react";
import { useUser } from "../../app/session";
import { useCanEdit, useIsMember, usePeople, useProposals, useSuggesting } from "../../store";
import { useText } from "./useText";
import { useSuggest } from "../proposals/ModePill";
import { view } from "./view";

export function MorePane() {
  const { t } = useText();
  const member = useIsMember();
  const user = useUser();
  const canEdit = useCanEdit();
  const here = usePeople().length;
  const waiting = useProposals().open.length;
  const suggesting = useSuggesting();
  const suggest = useSuggest();
  return (
    <section className="phone-pane" aria-label={t("room.more")}>
      <h2 className="phone-title">{t("room.more")}</h2>
      <ul className="more-list">
        <Row icon={<Users size={20} />} extra={here > 1 ? t("talk.here", { count: here }) : undefined} onClick={() => view.setTab("people")}>{t("people.title")}</Row>
        {member ? <Row icon={<Sparkles size={20} />} onClick={() => view.setTab("assistant")}>{t("room.assistant")}</Row> : null}
        {member ? <Row icon={<ListChecks size={20} />} extra={waiting > 0 ? String(waiting) : undefined} onClick={() => view.setTab("proposals")}>{t("proposal.title")}</Row> : null}
        {member && !suggesting ? <Row icon={<SquarePen size={20} />} onClick={() => { suggest(true); view.setTab("plan"); }}>{t("proposal.suggestChanges")}</Row> : null}
        {member ? <Row icon={<History size={20} />} onClick={() => view.setTab("history")}>{t("history.title")}</Row> : null}
        {canEdit ? <Row icon={<CalendarRange size={20} />} onClick={() => view.dialog("dates")}>{t("dates.title")}</Row> : null}
        {user ? <Row icon={<Download size={20} />} onClick={() => view.dialog("export")}>{t("export.title")}</Row> : null}
        <Row icon={<Info size={20} />} onClick={() => view.dialog("details")}>{t("room.details")}</Row>
      </ul>
    </section>
  );
}

function Row({ icon, extra, onClick, children }: { icon: ReactNode; extra?: string | undefined; onClick: () => void; children: ReactNode }) {
  return (
    <li>
      <button type="button" className="more-row" onClick={onClick}>
        <span className="more-icon" aria-hidden>{icon}</span>
        <span className="more-text">{children}</span>
        {extra ? <span className="muted num">{extra}</span> : null}
        <ChevronRight size={18} aria-hidden />
      </button>
    </li>
  );
}
