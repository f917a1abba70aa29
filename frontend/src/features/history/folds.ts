/** Many changes of one author at one moment are one act to a reader: making a trip from the sample,
    moving a whole selection, accepting a suggestion. */
import type { RoomEvent } from "../../protocol.gen";

/** So many make a fold; fewer are read as quickly one by one. */
export const FEWEST = 4;
/** Operations that write the sample trip carry ids of their own. */
const SAMPLE = "demo-";

/** Neighbours of the same author and moment together, in the order given; whatever makes no fold stands alone. */
export function folded(events: readonly RoomEvent[]): RoomEvent[][] {
  const runs: RoomEvent[][] = [];
  for (const event of events) {
    const run = runs.at(-1);
    const last = run?.at(-1);
    if (run && last && last.actor === event.actor && last.at === event.at) run.push(event);
    else runs.push([event]);
  }
  return runs.flatMap((run) => (run.length >= FEWEST ? [run] : run.map((event) => [event])));
}

/** What the act was; the last part of a key of the catalogue below `history.fold`. */
export function actOf(fold: readonly RoomEvent[]): "sample" | "create" | "accept" | "many" {
  if (fold.some((event) => event.op_id.startsWith(SAMPLE))) return "sample";
  if (fold.some((event) => event.kind === "trip.create")) return "create";
  if (fold.some((event) => event.kind === "proposal.accept")) return "accept";
  return "many";
}

/** Changes of the plan in it: that a trip came to be, or that a suggestion was accepted, is not one more. */
export const changesIn = (fold: readonly RoomEvent[]): number =>
  fold.filter((event) => event.kind !== "trip.create" && event.kind !== "proposal.accept").length;
