/** The parts of suggestions on the board, which come as a chunk of their own once there is one to show. */
import { Suspense } from "react";
import { useDraft } from "../../store";
import { later } from "../../ui/later";
import { useDayMarks, useGhostDays, useSuggestions, useTripMarks, type Mark } from "./hooks";
import type { Slots } from "./marks";

const marks = () => import("./BoardMarks");
const draftBar = async () => (await import("./DraftBar")).DraftBar;
/** For whoever loads them before they are asked for. */
export const suggestionParts: readonly (() => Promise<unknown>)[] = [marks, draftBar];

const StopMarks = later(async () => (await marks()).StopMarks, () => null);
const DayMarks = later(async () => (await marks()).DayMarks, () => null);
const TripMarks = later(async () => (await marks()).TripMarks, () => null);
const Ghosts = later(async () => (await marks()).Ghosts, () => null);
const GhostDays = later(async () => (await marks()).GhostDays, () => null);
const DraftBar = later(draftBar, () => null);

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
