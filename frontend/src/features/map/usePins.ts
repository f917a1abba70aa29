import { useMemo } from "react";
import { useRoomState } from "../../store";
import { dayMarks, hasPlace } from "../room/itinerary";
import { useText } from "../room/useText";
import type { Pin } from "./TripMap";

/** The stops that have a place, in the order of the itinerary. */
export function usePins(): Pin[] {
  const { t, name } = useText();
  const days = useRoomState((s) => s.days);
  const trip = useRoomState((s) => s.trip);
  const stops = useRoomState((s) => s.stops);
  const stopIds = useRoomState((s) => s.stopIds);
  const glow = useRoomState((s) => s.glow);
  const members = useRoomState((s) => s.members);
  return useMemo(() => {
    const marks = dayMarks(days, trip);
    const pins: Pin[] = [];
    for (const list of [...days.map((day) => day.id), null]) {
      (stopIds.get(list ?? "") ?? []).forEach((id, n) => {
        const stop = stops.get(id);
        if (!hasPlace(stop)) return;
        const mark = (list ? marks.get(list) : undefined) ?? { n: 0, color: 0 };
        const title = name(stop);
        const author = glow.get(id)?.author;
        pins.push({
          id, lat: stop.lat, lng: stop.lng, number: list ? String(n + 1) : "", color: mark.color, day: list, title,
          label: list ? t("map.marker", { n: n + 1, name: title, day: mark.n }) : t("map.markerIdea", { name: title }),
          who: author ? (members.get(author)?.color ?? 0) % 8 : null, dim: stop.status === "cancelled",
        });
      });
    }
    return pins;
  }, [days, trip, stops, stopIds, glow, members, t]); // name follows t
}
