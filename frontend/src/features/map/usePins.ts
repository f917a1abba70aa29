import { useMemo } from "react";
import { useRoomState } from "../../store";
import { dayMarks, hasPlace } from "../room/itinerary";
import { useText } from "../room/useText";
import { useSuggestions } from "../proposals/hooks";
import type { Suggestions, What } from "../proposals/marks";
import type { Pin } from "./TripMap";

/** What matters most of what is suggested about one stop. */
const STRONGEST: readonly What[] = ["removed", "moved", "changed", "added"];
const markOfStop = (found: Suggestions, id: string): Pin["mark"] => {
  const marks = found.stops.get(id);
  return marks === undefined ? "" : (STRONGEST.find((what) => marks.some((mark) => mark.what === what)) ?? "");
};

/** The stops that have a place, in the order of the itinerary, and then places that are only suggested. */
export function usePins(): Pin[] {
  const { t, name } = useText();
  const days = useRoomState((s) => s.days);
  const trip = useRoomState((s) => s.trip);
  const stops = useRoomState((s) => s.stops);
  const stopIds = useRoomState((s) => s.stopIds);
  const glow = useRoomState((s) => s.glow);
  const members = useRoomState((s) => s.members);
  const found = useSuggestions((all) => all);
  return useMemo(() => {
    const marks = dayMarks(days, trip);
    const pins: Pin[] = [];
    for (const list of [...days.map((day) => day.id), null]) {
      (stopIds.get(list ?? "") ?? []).forEach((id, n) => {
        const stop = stops.get(id);
        if (!hasPlace(stop)) return;
        const day = (list ? marks.get(list) : undefined) ?? { n: 0, color: 0 };
        const title = name(stop);
        const author = glow.get(id)?.author;
        const mark = markOfStop(found, id);
        const label = list ? t("map.marker", { n: n + 1, name: title, day: day.n }) : t("map.markerIdea", { name: title });
        pins.push({
          id, lat: stop.lat, lng: stop.lng, number: list ? String(n + 1) : "", color: day.color, day: list, title,
          label: mark ? t(`proposal.map.${mark}`, { name: label }) : label, mark, ref: null,
          who: author ? (members.get(author)?.color ?? 0) % 8 : null, dim: stop.status === "cancelled",
        });
      });
    }
    for (const [list, slots] of found.ghosts) {
      for (const ghost of [...slots.values()].flat()) {
        if (!hasPlace(ghost.stop)) continue;
        const title = name(ghost.stop);
        pins.push({
          id: ghost.id, lat: ghost.stop.lat, lng: ghost.stop.lng, number: ghost.ref.label, color: marks.get(list)?.color ?? 0, day: null, title,
          label: t("proposal.map.added", { name: title }), who: null, dim: false, mark: "added", ref: ghost.ref,
        });
      }
    }
    for (const [id, all] of found.stops) {
      const stop = stops.get(id);
      for (const { ref, fields } of all) {
        const [lat, lng] = ["lat", "lng"].map((field) => fields.find((each) => each.field === field)?.now);
        // A drafted place shows already where it would be.
        if (ref.proposal === null || !stop || (typeof lat !== "number" && typeof lng !== "number")) continue;
        const title = name(stop);
        pins.push({
          id: `${id}:${ref.label}`, lat: typeof lat === "number" ? lat : (stop.lat ?? 0), lng: typeof lng === "number" ? lng : (stop.lng ?? 0), number: ref.label,
          color: (stop.day_id ? marks.get(stop.day_id)?.color : 0) ?? 0, day: null, title, label: t("proposal.map.moved", { name: title }), who: null, dim: false, mark: "added", ref,
        });
      }
    }
    return pins;
  }, [days, trip, stops, stopIds, glow, members, found, t]); // name follows t
}
