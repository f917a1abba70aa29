/** A proposed operation in words: "Add Erhai to day 2, after the old town". */
import { Fragment } from "react";
import type { ReactNode } from "react";
import { formatRange, pickNames } from "../../i18n/format";
import type { Change, Proposable } from "../../protocol.gen";
import { useRoomState, type RoomState } from "../../store";
import { dayMarks } from "../room/itinerary";
import { useText } from "../room/useText";

/** What a sentence is made of; other pieces tell the names of what they add. */
export interface Said {
  op: Proposable;
  changes: readonly Change[];
  /** All operations of the same proposal. */
  among: readonly Proposable[];
}

const OPEN = "\u0001";
const CLOSE = "\u0002";

/** Names stand out in what is shown; `plain` gives the same for labels. */
export const plain = (sentence: string): string => sentence.replaceAll(OPEN, "").replaceAll(CLOSE, "");

export function Rich({ text }: { text: string }): ReactNode {
  return text.split(OPEN).map((part, n) => {
    const [name, rest] = n === 0 ? ["", part] : part.split(CLOSE);
    return <Fragment key={n}>{name ? <b>{name}</b> : null}{rest}</Fragment>;
  });
}

export function useSentence(): (said: Said) => string {
  const text = useText();
  const { t, language } = text;
  const stops = useRoomState((s) => s.stops);
  const days = useRoomState((s) => s.days);
  const trip = useRoomState((s) => s.trip);
  const names = new Names({ stops, days, trip }, text);
  return ({ op, changes, among }) => {
    const stop = (id: string) => `${OPEN}${names.stop(id, among, changes)}${CLOSE}`;
    const day = (id: string | null) => names.day(id, among, changes);
    const subject = (id: string) => `${OPEN}${day(id)}${CLOSE}`;
    const anchor = (id: string | null | undefined) => (id == null ? "" : names.stop(id, among, changes));
    switch (op.kind) {
      case "stop.add":
        return op.day == null ? t("proposal.s.addIdea", { what: stop(op.id) })
          : t(op.after == null ? (names.isEmpty(op.day) ? "proposal.s.addTo" : "proposal.s.addFirst") : "proposal.s.addAfter", { what: stop(op.id), place: day(op.day), after: anchor(op.after) });
      case "stop.move": {
        const what = op.ids.length === 1 ? stop(op.ids[0] as string) : `${OPEN}${t("proposal.s.stops", { count: op.ids.length })}${CLOSE}`;
        return op.day == null ? t("proposal.s.moveIdea", { what })
          : t(op.after == null ? (names.isEmpty(op.day) ? "proposal.s.moveTo" : "proposal.s.moveFirst") : "proposal.s.moveAfter", { what, place: day(op.day), after: anchor(op.after) });
      }
      case "stop.set_fields":
        return t("proposal.s.change", { what: stop(op.id) });
      case "stop.remove":
        return t("proposal.s.remove", { what: stop(op.id) });
      case "stop.restore":
        return t("proposal.s.restore", { what: stop(op.id) });
      case "day.add":
        return op.fields?.title ? t("proposal.s.addDayTitle", { what: `${OPEN}${op.fields.title}${CLOSE}` }) : t("proposal.s.addDay");
      case "day.set_fields":
        return t("proposal.s.change", { what: subject(op.id) });
      case "day.move":
        return op.after == null ? t("proposal.s.moveDayFirst", { what: subject(op.id) }) : t("proposal.s.moveDay", { what: subject(op.id), after: day(op.after) });
      case "day.remove":
        return t("proposal.s.removeDay", { what: subject(op.id) });
      case "trip.set_dates":
        return op.start_date === null || op.end_date === null ? t("proposal.s.noDates") : t("proposal.s.dates", { dates: `${OPEN}${formatRange(op.start_date, op.end_date, language)}${CLOSE}` });
      case "trip.set_fields":
        return t("proposal.s.trip");
    }
  };
}

/** A day by its number, or by what it is called. */
export function useDayWord(): (id: string | null) => string {
  const text = useText();
  const days = useRoomState((s) => s.days);
  const trip = useRoomState((s) => s.trip);
  const names = new Names({ stops: new Map(), days, trip }, text);
  return (id) => names.day(id, [], []);
}

class Names {
  constructor(private readonly state: Pick<RoomState, "stops" | "days" | "trip">, private readonly text: ReturnType<typeof useText>) {}

  isEmpty(day: string): boolean {
    for (const stop of this.state.stops.values()) if (stop.day_id === day) return false;
    return true;
  }

  stop(id: string, among: readonly Proposable[], changes: readonly Change[]): string {
    const stop = this.state.stops.get(id);
    if (stop) return this.text.name(stop);
    const added = among.find((op) => op.kind === "stop.add" && op.id === id);
    if (added?.kind === "stop.add" && added.fields.name) return pickNames(added.fields.name, added.fields.name_alt ?? "", this.text.language).main;
    const change = changes.find((each) => each.id === id);
    const name = change?.old?.["name"] ?? change?.set["name"];
    return typeof name === "string" && name !== "" ? name : this.text.t("stop.unnamed");
  }

  day(id: string | null, among: readonly Proposable[], changes: readonly Change[]): string {
    const { t } = this.text;
    if (id === null) return t("ideas.title");
    const day = this.state.days.find((each) => each.id === id);
    if (day) {
      const n = dayMarks(this.state.days, this.state.trip).get(id)?.n ?? 0;
      return n > 0 ? t("day.number", { n }) : day.title || t("day.unscheduled");
    }
    const added = among.find((op) => op.kind === "day.add" && op.id === id);
    if (added?.kind === "day.add") return added.fields?.title || t("proposal.s.newDay");
    const title = changes.find((each) => each.id === id)?.old?.["title"];
    return typeof title === "string" && title !== "" ? title : t("day.unscheduled");
  }
}
