/** What can be put in where @ or # stands: members and the assistant, stops and days. */
import { useMemo } from "react";
import { useShallow } from "zustand/react/shallow";
import { ASSISTANT } from "../../protocol.gen";
import { useMe, useRoomState } from "../../store";
import { boardOrder, dayMarks } from "../room/itinerary";
import { useText } from "../room/useText";
import { useMentionables } from "./people";
import type { Ref } from "./records";
import type { Trigger } from "./text";

export interface Suggestion {
  key: string;
  label: string;
  extra: string;
  /** What takes the place of what was typed. */
  insert: string;
  person: string | null;
  record: Ref | null;
}

const MAX_SHOWN = 8;

export function useSuggestions(trigger: Trigger | null): readonly Suggestion[] {
  const { t, name, dayName } = useText();
  const me = useMe();
  const people = useMentionables(false);
  const wanted = trigger?.kind ?? null;
  // Nobody types a mention most of the time: the board's changes then pass by.
  const [days, stops, trip] = useRoomState(useShallow((s) => (wanted === "#" ? [s.days, s.stops, s.trip] as const : [null, null, null] as const)));
  const order = useRoomState((s) => (wanted === "#" ? boardOrder(s).join(" ") : ""));
  const all = useMemo((): readonly Suggestion[] => {
    if (wanted === "@") {
      return people.filter(({ id }) => id !== me.user).map(({ id, names }) => {
        const label = id === ASSISTANT ? t("talk.assistant") : (names[0] ?? "");
        return { key: id, label, extra: id === ASSISTANT ? t("talk.toAssistant") : "", insert: `@${label}`, person: id, record: null };
      });
    }
    if (days === null || stops === null) return [];
    const marks = dayMarks(days, trip);
    const byId = new Map(days.map((day) => [day.id, day]));
    const where = (id: string | null) => dayName(id === null ? null : byId.get(id), marks.get(id ?? "") ?? { n: 0, color: 0 });
    const found: Suggestion[] = days.map((day) => ({ key: day.id, label: where(day.id), extra: "", insert: where(day.id), person: null, record: { t: "day", id: day.id } }));
    for (const id of order.split(" ").filter(Boolean)) {
      const stop = stops.get(id);
      if (stop) found.push({ key: id, label: name(stop), extra: where(stop.day_id), insert: name(stop), person: null, record: { t: "stop", id } });
    }
    return found;
  }, [wanted, people, me.user, days, stops, trip, order, t]); // name and dayName follow t
  if (trigger === null) return [];
  const needle = trigger.query.trim().toLocaleLowerCase();
  if (needle === "") return all.slice(0, MAX_SHOWN);
  const starts = all.filter((each) => each.label.toLocaleLowerCase().startsWith(needle));
  const holds = all.filter((each) => !starts.includes(each) && matches(each, needle, stops));
  return [...starts, ...holds].slice(0, MAX_SHOWN);
}

function matches(each: Suggestion, needle: string, stops: ReadonlyMap<string, { name: string; name_alt: string }> | null): boolean {
  const stop = each.record?.t === "stop" ? stops?.get(each.record.id) : undefined;
  return [each.label, stop?.name, stop?.name_alt].some((text) => text?.toLocaleLowerCase().includes(needle));
}
