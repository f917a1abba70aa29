/** The parts of suggestions on the board, which come as a chunk of their own once there is one to show. */
import { lazy, Suspense } from "react";
import { useDraft } from "../../store";
import { useDayMarks, useGhostDays, useSuggestions, useTripMarks, type Mark } from "./hooks";
import type { Slots } from "./marks";

const StopMarks = lazy(() => import("./BoardMarks").then((all) => ({ default: all.StopMarks })));
const DayMarks = lazy(() => import("./BoardMarks").then((all) => ({ default: all.DayMarks })));
const TripMarks = lazy(() => import("./BoardMarks").then((all) => ({ default: all.TripMarks })));
const Ghosts = lazy(() => import("./BoardMarks").then((all) => ({ default: all.Ghosts })));
const GhostDays = lazy(() => import("./BoardMarks").then((all) => ({ default: all.GhostDays })));
const DraftBar = lazy(() => import("./DraftBar").then((all) => ({ default: all.DraftBar })));

export function StopSuggestions({ id, marks }: { id: string; marks: readonly Mark[] }) {
  if (marks.length === 0) return null;
  return <Suspense fallback={null}><StopMarks id={id} marks={marks} /></Suspense>;
}

export function DaySuggestions({ id }: { id: string }) {
  const some = useDayMarks(id).length > 0;
  return some ? <Suspense fallback={null}><DayMarks id={id} /></Suspense> : null;
}

export function TripSuggestions() {
  const some = useTripMarks().length > 0;
  return some ? <Suspense fallback={null}><TripMarks /></Suspense> : null;
}

/** Stops that would come to stand behind `after`. */
export function Suggested({ slots, after }: { slots: Slots | null; after: string | null }) {
  if (!slots?.has(after ?? "")) return null;
  return <Suspense fallback={null}><Ghosts slots={slots} after={after} /></Suspense>;
}

export function SuggestedDays() {
  const some = useGhostDays().length > 0;
  const ghosts = useSuggestions((found) => found.ghosts);
  return some ? <Suspense fallback={null}><GhostDays slotsOf={(day) => ghosts.get(day) ?? null} /></Suspense> : null;
}

export function DraftFoot() {
  const draft = useDraft();
  return draft.on || draft.pieces.length > 0 ? <Suspense fallback={null}><DraftBar /></Suspense> : null;
}
