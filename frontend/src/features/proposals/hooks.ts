/** What components of the board and the map read of suggestions. */
import { useRoomState, type RoomState } from "../../store";
import { suggestionsIn, type Ghost, type GhostDay, type Mark, type Slots, type Suggestions } from "./marks";
import { useReviewUi } from "./ui";

export function useSuggestions<T>(select: (found: Suggestions, state: RoomState) => T): T {
  const shown = useReviewUi((s) => s.shown);
  return useRoomState((state) => select(suggestionsIn(state, shown), state));
}

const NO_MARKS: readonly Mark[] = [];
const NO_DAYS: readonly GhostDay[] = [];

export const useStopMarks = (id: string): readonly Mark[] => useSuggestions((found) => found.stops.get(id) ?? NO_MARKS);
export const useDayMarks = (id: string): readonly Mark[] => useSuggestions((found) => found.days.get(id) ?? NO_MARKS);
export const useTripMarks = (): readonly Mark[] => useSuggestions((found) => found.trip);
/** Ghosts in the list of a day or of the ideas (`IDEAS`); null: none. */
export const useSlots = (list: string): Slots | null => useSuggestions((found) => found.ghosts.get(list) ?? null);
export const useGhostDays = (): readonly GhostDay[] => useSuggestions((found) => (found.newDays.length > 0 ? found.newDays : NO_DAYS));

export type { Ghost, GhostDay, Mark };
