/** Stops, days and the trip as talk speaks of them: their names, a card that leads there. */
import { CalendarDays, MapPin, X } from "lucide-react";
import type { About } from "../../protocol.gen";
import { useDay, useRoomState, useStop } from "../../store";
import { IconButton } from "../../ui/Button";
import { KindIcon } from "../board/kinds";
import { scrollToDay } from "../board/DayStrip";
import { markOf, useDayMark } from "../room/itinerary";
import { focusStop } from "../room/useRoomKeys";
import { useText } from "../room/useText";
import { view } from "../room/view";

export type Ref = Pick<About, "t" | "id">;

/** Null: it is not in the trip any more. */
export function useRecordName({ t: type, id }: Ref): string | null {
  const { name, dayName } = useText();
  return useRoomState((s) => {
    if (type === "stop") return s.stops.has(id) ? name(s.stops.get(id)) : null;
    if (type === "trip") return s.trip?.title ?? null;
    const day = s.days.find((each) => each.id === id);
    return day ? dayName(day, markOf(s, id)) : null;
  });
}

/** Show it on the board and on the map. On phones the board comes up, with the stop lit. */
export function jumpTo({ t: type, id }: Ref): void {
  if (window.innerWidth < 720) view.setTab("plan");
  if (type === "trip") {
    view.dialog("details");
    return;
  }
  view.hover(type === "stop" ? id : null);
  window.setTimeout(() => {
    if (type === "stop") {
      view.fit("stop", id);
      focusStop(id);
    } else {
      view.setDay(id);
      scrollToDay(id);
    }
  });
}

function useColor({ t: type, id }: Ref): number {
  const stop = useStop(type === "stop" ? id : "");
  return useDayMark(type === "day" ? id : (stop?.day_id ?? null)).color;
}

function RecordIcon({ record, size = 14 }: { record: Ref; size?: number }) {
  const stop = useStop(record.t === "stop" ? record.id : "");
  if (stop) return <KindIcon kind={stop.kind} size={size} />;
  return record.t === "day" ? <CalendarDays size={size} aria-hidden /> : <MapPin size={size} aria-hidden />;
}

function useDetail({ t: type, id }: Ref): string {
  const { dayName } = useText();
  const stop = useStop(type === "stop" ? id : "");
  const day = useDay(stop?.day_id ?? "");
  const mark = useDayMark(stop?.day_id ?? null);
  if (!stop) return "";
  return [dayName(day, mark), stop.start_time].filter(Boolean).join(" · ");
}

/** A stop or day that a message speaks of. */
export function RecordCard({ record }: { record: Ref }) {
  const { t } = useText();
  const name = useRecordName(record);
  const color = useColor(record);
  const detail = useDetail(record);
  if (name === null) return <span className="ref-card ref-gone"><span className="ref-icon"><RecordIcon record={record} /></span><span className="ref-words"><b>{t("talk.cardGone")}</b></span></span>;
  return (
    <button type="button" className="ref-card" data-day={color} aria-label={t("talk.jumpTo", { what: name })} onClick={() => jumpTo(record)}
      onPointerEnter={() => { if (record.t === "stop") view.hover(record.id); }} onPointerLeave={() => view.hover(null)}>
      <span className="ref-icon"><RecordIcon record={record} size={15} /></span>
      <span className="ref-words"><b>{name}</b>{detail ? <small className="num">{detail}</small> : null}</span>
    </button>
  );
}

/** The same, as it hangs on what is being written. */
export function RecordChip({ record, onRemove }: { record: Ref; onRemove: () => void }) {
  const { t } = useText();
  const name = useRecordName(record) ?? t("talk.cardGone");
  const color = useColor(record);
  return (
    <span className="ref-chip" data-day={color}>
      <RecordIcon record={record} />
      <span>{name}</span>
      <IconButton label={t("talk.removeCard", { what: name })} tip={false} onClick={onRemove}><X size={14} aria-hidden /></IconButton>
    </span>
  );
}

/** The head of a thread in a list of many: what it is about; choosing it goes there. */
export function RecordLine({ record }: { record: Ref }) {
  const { t } = useText();
  const name = useRecordName(record);
  const color = useColor(record);
  const body = <><RecordIcon record={record} /><span>{name ?? t("talk.recordGone")}</span></>;
  if (name === null) return <span className="record-line muted" data-day={0}>{body}</span>;
  return <button type="button" className="record-line" data-day={color} aria-label={t("talk.jumpTo", { what: name })} onClick={() => jumpTo(record)}>{body}</button>;
}
