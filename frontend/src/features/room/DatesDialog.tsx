/** New dates for the trip, and what they do to the plan, said before it happens. */
import { useState } from "react";
import type { FormEvent } from "react";
import { addDays, daysBetween, formatDate, sentences } from "../../i18n/format";
import { MAX_DAYS, type Day } from "../../protocol.gen";
import { useDays, useRoomClient, useRoomState, useTrip } from "../../store";
import { Button } from "../../ui/Button";
import { Dialog } from "../../ui/Dialog";
import { TextField } from "../../ui/Field";
import { Notice } from "../../ui/States";
import { dayMarks } from "./itinerary";
import { useText } from "./useText";

type Mode = "shift" | "keep";

/** Days with stops that would fall outside the new dates. */
export function daysOutside(days: readonly Day[], hasStops: (id: string) => boolean, start: string, end: string, mode: Mode): Day[] {
  const length = daysBetween(start, end) + 1;
  return days
    .filter((day) => day.date !== null)
    .filter((day, n) => (mode === "shift" ? n >= length : (day.date as string) < start || (day.date as string) > end))
    .filter((day) => hasStops(day.id));
}

export function DatesDialog({ onClose }: { onClose: () => void }) {
  const { t, language } = useText();
  const trip = useTrip();
  const days = useDays();
  const stopIds = useRoomState((s) => s.stopIds);
  const client = useRoomClient();
  const [start, setStart] = useState(trip?.start_date ?? "");
  const [end, setEnd] = useState(trip?.end_date ?? "");
  const [mode, setMode] = useState<Mode>("shift");
  const marks = dayMarks(days, trip);
  const length = start && end ? daysBetween(start, end) + 1 : 0;
  const error = start && end && (end < start || length > MAX_DAYS) ? t("trips.badDates") : undefined;
  const outside = start && end && !error ? daysOutside(days, (id) => (stopIds.get(id)?.length ?? 0) > 0, start, end, mode) : [];
  const name = (day: Day) => day.title || (day.date && mode === "keep" ? formatDate(day.date, language) : t("day.number", { n: marks.get(day.id)?.n ?? 0 }));

  /** Moving the first day takes the last one along. */
  function changeStart(next: string): void {
    if (next && start && end && !error) setEnd(addDays(next, length - 1));
    else if (!end) setEnd(next);
    setStart(next);
  }

  function apply(event: FormEvent): void {
    event.preventDefault();
    if (!start || !end || error) return;
    client.submit({ kind: "trip.set_dates", start_date: start, end_date: end, mode });
    onClose();
  }

  return (
    <Dialog open onClose={onClose} title={t("dates.title")}>
      <form className="form" onSubmit={apply}>
        <div className="form-row">
          <TextField label={t("dates.start")} type="date" required value={start} onChange={(e) => changeStart(e.target.value)} />
          <TextField label={t("dates.end")} type="date" required min={start || undefined} value={end} onChange={(e) => setEnd(e.target.value)} error={error} />
        </div>
        {trip?.start_date ? (
          <fieldset className="choices">
            <legend>{t("dates.mode")}</legend>
            {(["shift", "keep"] as const).map((value) => (
              <label key={value} className="choice">
                <input type="radio" name="mode" value={value} checked={mode === value} onChange={() => setMode(value)} />
                <span><b>{t(`dates.${value}`)}</b><small>{t(`dates.${value}Hint`)}</small></span>
              </label>
            ))}
          </fieldset>
        ) : null}
        {start && end && !error ? (
          <Notice tone={outside.length > 0 ? "warn" : "plain"}>
            {sentences(t, t("dates.becomes", { count: length }), outside.length > 0 ? t("dates.outside", { count: outside.length, days: outside.map(name).join(language === "zh" ? "、" : ", ") }) : t("dates.nothing"))}
          </Notice>
        ) : null}
        <div className="dialog-actions">
          {trip?.start_date ? (
            <Button variant="ghost" title={t("dates.clearHint")} onClick={() => { client.submit({ kind: "trip.set_dates", start_date: null, end_date: null, mode: "keep" }); onClose(); }}>{t("dates.clear")}</Button>
          ) : <span />}
          <Button type="submit" variant="primary" disabled={!start || !end || Boolean(error)}>{t("dates.apply")}</Button>
        </div>
      </form>
    </Dialog>
  );
}
