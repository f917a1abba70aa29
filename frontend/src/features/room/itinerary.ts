/** Things worked out from the itinerary: numbers, colours, distances, sums. Pure, plus small hooks. */
import { useShallow } from "zustand/react/shallow";
import type { Day, Stop, Trip } from "../../protocol.gen";
import { IDEAS, useRoomState, type RoomState } from "../../store";

export interface DayMark {
  /** 1-based number among the trip's days; 0 for an unscheduled day of a dated trip. */
  n: number;
  /** 1..8, or 0 for grey. */
  color: number;
}

const GREY: DayMark = { n: 0, color: 0 };
const NO_MARKS: ReadonlyMap<string, DayMark> = new Map();
const cache = new WeakMap<readonly Day[], { dated: boolean; marks: ReadonlyMap<string, DayMark> }>();

export function dayMarks(days: readonly Day[], trip: Trip | null): ReadonlyMap<string, DayMark> {
  if (days.length === 0) return NO_MARKS;
  const dated = Boolean(trip?.start_date);
  const known = cache.get(days);
  if (known && known.dated === dated) return known.marks;
  const marks = new Map<string, DayMark>();
  let n = 0;
  for (const day of days) {
    if (dated && day.date === null) {
      marks.set(day.id, GREY);
    } else {
      n += 1;
      marks.set(day.id, { n, color: ((n - 1) % 8) + 1 });
    }
  }
  cache.set(days, { dated, marks });
  return marks;
}

export const markOf = (state: RoomState, dayId: string | null): DayMark =>
  (dayId === null ? undefined : dayMarks(state.days, state.trip).get(dayId)) ?? GREY;

export function useDayMark(dayId: string | null): DayMark {
  return useRoomState((state) => markOf(state, dayId));
}

/** Days of the plan and unscheduled days, as ids. */
export function useDayGroups(): { planned: string[]; loose: string[] } {
  const planned = useRoomState(useShallow((s) => s.days.filter((d) => !s.trip?.start_date || d.date !== null).map((d) => d.id)));
  const loose = useRoomState(useShallow((s) => s.days.filter((d) => s.trip?.start_date && d.date === null).map((d) => d.id)));
  return { planned, loose };
}

export const hasPlace = (stop: Stop | null | undefined): stop is Stop & { lat: number; lng: number } =>
  stop != null && stop.lat !== null && stop.lng !== null;

const rad = Math.PI / 180;

/** Great-circle distance in kilometres. */
export function haversine(a: { lat: number; lng: number }, b: { lat: number; lng: number }): number {
  const dLat = (b.lat - a.lat) * rad;
  const dLng = (b.lng - a.lng) * rad;
  const h = Math.sin(dLat / 2) ** 2 + Math.cos(a.lat * rad) * Math.cos(b.lat * rad) * Math.sin(dLng / 2) ** 2;
  return 12_742 * Math.asin(Math.min(1, Math.sqrt(h)));
}

/** Kilometres from the stop before in the same day; null when either has no place. */
export function useLeg(stopId: string): number | null {
  return useRoomState((state) => {
    const stop = state.stops.get(stopId);
    if (!hasPlace(stop) || stop.day_id === null || stop.status === "cancelled") return null;
    const ids = state.stopIds.get(stop.day_id) ?? [];
    for (let n = ids.indexOf(stopId) - 1; n >= 0; n -= 1) {
      const before = state.stops.get(ids[n] ?? "");
      if (hasPlace(before) && before.status !== "cancelled") {
        const km = haversine(before, stop);
        return km < 0.02 ? null : Math.round(km * 1000) / 1000;
      }
    }
    return null;
  });
}

/** All stop ids in the order of the board: planned days, loose days, ideas. */
export function boardOrder(state: RoomState): string[] {
  return [...state.days.map((day) => day.id), IDEAS].flatMap((list) => state.stopIds.get(list) ?? []);
}

/** Costs by currency, in minor units; cancelled stops cost nothing. */
export function sumCosts(stops: Iterable<Stop | undefined>, currency: string): Map<string, number> {
  const sums = new Map<string, number>();
  for (const stop of stops) {
    if (!stop || stop.cost_amount === null || stop.status === "cancelled") continue;
    const code = stop.cost_currency ?? currency;
    sums.set(code, (sums.get(code) ?? 0) + stop.cost_amount);
  }
  return sums;
}
