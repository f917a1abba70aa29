import { Sparkles } from "lucide-react";
import { useEffect, useRef } from "react";
import { usePhone } from "../../app/useMedia";
import { useIsMember, useRoomState } from "../../store";
import { formatDate } from "../../i18n/format";
import { useDayMark, useDayGroups } from "../room/itinerary";
import { useText } from "../room/useText";
import { useView, view } from "../room/view";
import { useHasAssistant } from "../talk/people";

export function scrollToDay(id: string): void {
  document.querySelector(`[data-testid="day-${CSS.escape(id)}"]`)?.scrollIntoView({ block: "start", behavior: "smooth" });
}

/** Above the plan, and on phones above the map: its days, and there the assistant, one tap from both. */
export function DayStrip() {
  if (!useHasStrip()) return null;
  return <div className="strip"><Days /><AskOpen /></div>;
}

export const useHasStrip = (): boolean => useDayGroups().planned.length > 1;

/** On phones, for members of a trip with an assistant. */
export function AskOpen() {
  const { t } = useText();
  const phone = usePhone();
  const member = useIsMember();
  const hasAssistant = useHasAssistant();
  if (!phone || !member || !hasAssistant) return null;
  return <button type="button" className="ask-open" aria-label={t("talk.ask")} onClick={() => view.setTab("assistant")}><Sparkles size={16} aria-hidden />{t("room.ask")}</button>;
}

/** Days at a glance: choose one to bring it up on board and map. */
function Days() {
  const { t } = useText();
  const { planned } = useDayGroups();
  const current = useView((s) => s.day);
  const tab = useView((s) => s.tab);
  return (
    <nav className="day-strip" aria-label={t("room.plan")}>
      <button type="button" className="day-chip day-chip-all" aria-pressed={current === null} onClick={() => view.setDay(null)}>{t("common.all")}</button>
      {planned.map((id) => <DayChip key={id} id={id} on={current === id} scroll={tab === "plan"} />)}
    </nav>
  );
}

function DayChip({ id, on, scroll }: { id: string; on: boolean; scroll: boolean }) {
  const { t, language } = useText();
  const mark = useDayMark(id);
  const date = useRoomState((s) => s.days.find((day) => day.id === id)?.date ?? null);
  const chip = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    if (on) chip.current?.scrollIntoView({ block: "nearest", inline: "center" });
  }, [on]);
  return (
    <button
      ref={chip}
      type="button"
      className="day-chip num"
      data-day={mark.color}
      aria-pressed={on}
      title={date ? formatDate(date, language) : undefined}
      aria-label={date ? `${t("room.goToDay", { n: mark.n })}, ${formatDate(date, language)}` : t("room.goToDay", { n: mark.n })}
      onClick={() => {
        view.setDay(on ? null : id);
        if (scroll && !on) scrollToDay(id);
      }}
    >
      <b>{mark.n}</b>
      {date && on ? <span>{formatDate(date, language)}</span> : null}
    </button>
  );
}
