/**
 * Proposals and the draft as the board and the map show them: marks on what is there, ghosts of what
 * would come. Pure; worked out once for each change of what waits.
 */
import { type Change, DEFAULTS, type Proposable, type Stop } from "../../protocol.gen";
import { same } from "../../realtime/records";
import { IDEAS, type DraftPiece, type RoomState, type ShownProposal } from "../../store";

/** Names a piece: of a proposal, or of the draft (`proposal` null). */
export interface PieceRef {
  proposal: string | null;
  piece: number;
  /** What its badge says: a number, with a letter before it when several proposals wait. */
  label: string;
}

export interface FieldDiff {
  field: string;
  old: unknown;
  now: unknown;
}

export type What = "added" | "changed" | "moved" | "removed";

/** Something proposed about a record that the board shows. */
export interface Mark {
  ref: PieceRef;
  what: What;
  fields: readonly FieldDiff[];
  /** Where it would go: a day (null: ideas), or for a day the day before it (null: first). */
  to?: string | null;
  /** Of a drafted move, which the board shows as done: the day that it came from. */
  from?: string | null;
}

/** A stop where it would come to stand. */
export interface Ghost {
  ref: PieceRef;
  what: "added" | "moved";
  id: string;
  /** Of an added one. A moved one is looked up in the trip. */
  stop: Stop | null;
}

export interface GhostDay {
  ref: PieceRef;
  id: string;
  title: string;
}

/** Ghosts by the stop that they follow; `""`: at the top. */
export type Slots = ReadonlyMap<string, readonly Ghost[]>;

export interface Suggestions {
  stops: ReadonlyMap<string, readonly Mark[]>;
  days: ReadonlyMap<string, readonly Mark[]>;
  trip: readonly Mark[];
  /** By day id, `IDEAS` for those without a day. */
  ghosts: ReadonlyMap<string, Slots>;
  newDays: readonly GhostDay[];
}

const NOTHING: Suggestions = { stops: new Map(), days: new Map(), trip: [], ghosts: new Map(), newDays: [] };
const SILENT = new Set(["pos", "deleted", "day_id"]);

/** The badge of each piece: `3`, or `B3` when more than one proposal waits. */
export function labelOf(open: readonly ShownProposal[], id: string, piece: number): string {
  const at = open.findIndex((each) => each.id === id);
  const letter = open.length > 1 && at >= 0 ? String.fromCharCode(65 + (at % 26)) : "";
  return `${letter}${piece + 1}`;
}

export function suggestionsOf(
  open: readonly ShownProposal[], draft: readonly DraftPiece[], stopIds: RoomState["stopIds"],
): Suggestions {
  if (open.length === 0 && draft.length === 0) return NOTHING;
  const found = new Collector();
  for (const proposal of open) {
    proposal.pieces.forEach((piece, n) => {
      if (piece.status === "open") found.propose({ proposal: proposal.id, piece: n, label: labelOf(open, proposal.id, n) }, piece.op, piece.changes);
    });
  }
  draft.forEach((piece, n) => {
    if (piece.changes.length > 0) found.draft({ proposal: null, piece: n, label: String(n + 1) }, piece.op, piece.changes);
  });
  return found.done(stopIds);
}

class Collector {
  private readonly stops = new Map<string, Mark[]>();
  private readonly days = new Map<string, Mark[]>();
  private readonly trip: Mark[] = [];
  private readonly newDays: GhostDay[] = [];
  /** In the order of proposing: where each would go. */
  private ghosts: { ghost: Ghost; list: string; after: string | null }[] = [];

  propose(ref: PieceRef, op: Proposable, changes: readonly Change[]): void {
    switch (op.kind) {
      case "stop.add":
        this.place(ref, "added", op.id, op.day ?? null, op.after ?? null, stopIn(op.id, changes));
        break;
      case "stop.restore": {
        const stop = stopIn(op.id, changes);
        if (stop) this.place(ref, "added", op.id, stop.day_id, null, stop);
        break;
      }
      case "stop.set_fields":
        if (!this.patchGhost(op.id, changes)) this.onStop(op.id, { ref, what: "changed", fields: diffs(changes, op.id) });
        break;
      case "stop.move":
        op.ids.forEach((id, n) => {
          const added = this.ghosts.find(({ ghost }) => ghost.id === id && ghost.what === "added");
          this.ghosts = this.ghosts.filter((each) => each !== added);
          if (!added) this.onStop(id, { ref, what: "moved", fields: [], to: op.day ?? null });
          this.place(added?.ghost.ref ?? ref, added ? "added" : "moved", id, op.day ?? null, n === 0 ? (op.after ?? null) : (op.ids[n - 1] as string), added?.ghost.stop ?? null);
        });
        break;
      case "stop.remove":
        if (this.ghosts.some(({ ghost }) => ghost.id === op.id)) this.ghosts = this.ghosts.filter(({ ghost }) => ghost.id !== op.id);
        else this.onStop(op.id, { ref, what: "removed", fields: [] });
        break;
      case "day.add":
        this.newDays.push({ ref, id: op.id, title: op.fields?.title ?? "" });
        break;
      default:
        this.other(ref, op, changes);
    }
  }

  /** The draft lies over the trip already: nothing of it needs a ghost. */
  draft(ref: PieceRef, op: Proposable, changes: readonly Change[]): void {
    switch (op.kind) {
      case "stop.add":
      case "stop.restore":
        this.onStop(op.id, { ref, what: "added", fields: [] });
        break;
      case "stop.set_fields":
        this.onStop(op.id, { ref, what: "changed", fields: diffs(changes, op.id) });
        break;
      case "stop.move":
        for (const id of op.ids) this.onStop(id, { ref, what: "moved", fields: [], from: (changes.find((change) => change.id === id)?.old?.["day_id"] ?? op.day ?? null) as string | null });
        break;
      case "stop.remove":
        this.onStop(op.id, { ref, what: "removed", fields: [] });
        break;
      case "day.add":
        this.onDay(op.id, { ref, what: "added", fields: [] });
        break;
      default:
        this.other(ref, op, changes);
    }
  }

  done(stopIds: RoomState["stopIds"]): Suggestions {
    const ghosts = new Map<string, Map<string, Ghost[]>>();
    const slotOf = new Map<string, { list: string; slot: string }>();
    for (const { ghost, list, after } of this.ghosts) {
      const ids = stopIds.get(list) ?? [];
      const before = after === null ? undefined : slotOf.get(after);
      const slot = after === null ? "" : before?.list === list ? before.slot : ids.includes(after) ? after : (ids.at(-1) ?? "");
      slotOf.set(ghost.id, { list, slot });
      const slots = ghosts.get(list) ?? new Map<string, Ghost[]>();
      const row = slots.get(slot) ?? [];
      const at = before === undefined ? row.length : row.findIndex((each) => each.id === after) + 1;
      row.splice(at, 0, ghost);
      ghosts.set(list, slots.set(slot, row));
    }
    return { stops: this.stops, days: this.days, trip: this.trip, ghosts, newDays: this.newDays };
  }

  private other(ref: PieceRef, op: Proposable, changes: readonly Change[]): void {
    if (op.kind === "day.set_fields") this.onDay(op.id, { ref, what: "changed", fields: diffs(changes, op.id) });
    else if (op.kind === "day.move") this.onDay(op.id, { ref, what: "moved", fields: [], to: op.after ?? null });
    else if (op.kind === "day.remove") this.onDay(op.id, { ref, what: "removed", fields: [] });
    else this.trip.push({ ref, what: "changed", fields: changes.filter((change) => change.t === "trip").flatMap((change) => diffs([change], change.id)) });
  }

  private onStop(id: string, mark: Mark): void {
    this.stops.set(id, [...(this.stops.get(id) ?? []), mark]);
  }

  private onDay(id: string, mark: Mark): void {
    this.days.set(id, [...(this.days.get(id) ?? []), mark]);
  }

  private place(ref: PieceRef, what: Ghost["what"], id: string, day: string | null, after: string | null, stop: Stop | null): void {
    this.ghosts.push({ ghost: { ref, what, id, stop }, list: day ?? IDEAS, after });
  }

  /** A later piece that changes what an earlier one adds changes its ghost. */
  private patchGhost(id: string, changes: readonly Change[]): boolean {
    const at = this.ghosts.findIndex(({ ghost }) => ghost.id === id && ghost.what === "added");
    const entry = this.ghosts[at];
    if (!entry?.ghost.stop) return false;
    const set = changes.find((change) => change.id === id)?.set ?? {};
    this.ghosts[at] = { ...entry, ghost: { ...entry.ghost, stop: { ...entry.ghost.stop, ...set } as Stop } };
    return true;
  }
}

function stopIn(id: string, changes: readonly Change[]): Stop | null {
  const change = changes.find((each) => each.t === "stop" && each.id === id);
  return change ? ({ id, ...DEFAULTS.stop, ...change.set } as Stop) : null;
}

/** What would change in one record, in words that readers know: position and order are not among them. */
export function diffs(changes: readonly Change[], id: string): FieldDiff[] {
  return changes
    .filter((change) => change.id === id && !change.new)
    .flatMap((change) => Object.entries(change.set).filter(([field]) => !SILENT.has(field)).map(([field, now]) => ({ field, old: change.old?.[field] ?? null, now })))
    // New dates name both ends, also one that stays.
    .filter(({ old, now }) => !same(old, now));
}

let last: { open: readonly ShownProposal[]; draft: readonly DraftPiece[]; stopIds: RoomState["stopIds"]; found: Suggestions } | null = null;
const NONE: readonly ShownProposal[] = [];

/** The same object while nothing of it changes; `shown` false leaves only what I am drafting. */
export function suggestionsIn(state: RoomState, shown: boolean): Suggestions {
  const open = shown ? state.proposals.open : NONE;
  const draft = state.draft.pieces;
  if (open.length === 0 && draft.length === 0) return NOTHING;
  if (last?.open !== open || last.draft !== draft || last.stopIds !== state.stopIds) {
    last = { open, draft, stopIds: state.stopIds, found: suggestionsOf(open, draft, state.stopIds) };
  }
  return last.found;
}
