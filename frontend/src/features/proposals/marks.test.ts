import { describe, expect, it } from "vitest";
import type { Change, Piece, Proposable } from "../../protocol.gen";
import { normalize } from "../../realtime/proposals";
import { initialState } from "../../realtime/state";
import type { DraftPiece, ShownProposal } from "../../store";
import { diffs, labelOf, suggestionsIn, suggestionsOf } from "./marks";

const LISTS = new Map([["d1", ["a", "b", "c"]], ["d2", ["x"]], ["", ["i"]]]);
const piece = (op: Proposable, changes: Change[] = [], status: Piece["status"] = "open"): Piece => ({ op, changes, status: status ?? "open" });
const proposal = (id: string, ...pieces: Piece[]): ShownProposal => normalize({ id, pieces });
const add = (id: string, day: string | null, after: string | null, set: Record<string, unknown> = {}): Piece =>
  piece({ kind: "stop.add", id, day, after, fields: { name: id } }, [{ t: "stop", id, new: true, set: { name: id, day_id: day, ...set } }]);
const slotsOf = (found: ReturnType<typeof suggestionsOf>, list: string) =>
  [...(found.ghosts.get(list) ?? new Map())].map(([slot, ghosts]) => [slot, ghosts.map((ghost: { id: string }) => ghost.id).join(" ")]);

describe("what is suggested, on the board", () => {
  it("is nothing, and the same nothing, without suggestions", () => {
    expect(suggestionsOf([], [], LISTS)).toBe(suggestionsOf([], [], new Map()));
  });

  it("puts ghosts behind what they follow, also behind each other", () => {
    const found = suggestionsOf([proposal("p", add("n", "d1", "a"), add("m", "d1", "n"), add("k", "d1", "a"), add("t", "d1", null), add("z", "d1", "gone"), add("e", "d9", null))], [], LISTS);
    expect(slotsOf(found, "d1")).toEqual([["a", "n m k"], ["", "t"], ["c", "z"]]);
    expect(slotsOf(found, "d9")).toEqual([["", "e"]]);
  });

  it("shows moves where they begin and where they end", () => {
    const found = suggestionsOf([proposal("p", piece({ kind: "stop.move", ids: ["a", "b"], day: "d2", after: "x" }), piece({ kind: "stop.move", ids: ["x"], day: null, after: null }))], [], LISTS);
    expect(found.stops.get("a")).toMatchObject([{ what: "moved", to: "d2", ref: { piece: 0, label: "1" } }]);
    expect(slotsOf(found, "d2")).toEqual([["x", "a b"]]);
    expect(found.stops.get("x")).toMatchObject([{ what: "moved", to: null }]);
    expect(slotsOf(found, "")).toEqual([["", "x"]]);
  });

  it("lets later pieces work on what earlier ones add", () => {
    const later: Change = { t: "stop", id: "n", set: { start_time: "18:30" }, old: { start_time: null } };
    const found = suggestionsOf([proposal("p", add("n", "d1", "a"), piece({ kind: "stop.set_fields", id: "n", fields: {} }, [later]), piece({ kind: "stop.move", ids: ["n"], day: "d2", after: null }))], [], LISTS);
    expect(slotsOf(found, "d1")).toEqual([]);
    expect(found.ghosts.get("d2")?.get("")).toMatchObject([{ what: "added", stop: { name: "n", start_time: "18:30" }, ref: { piece: 0 } }]);
    expect(found.stops.has("n")).toBe(false);
    const taken = suggestionsOf([proposal("p", add("n", "d1", "a"), piece({ kind: "stop.remove", id: "n" }))], [], LISTS);
    expect(taken.ghosts.size).toBe(0);
  });

  it("marks fields with old and new, days, the trip, and leaves order out of it", () => {
    const changes: Change[] = [{ t: "stop", id: "a", set: { name: "new", pos: "a5", lat: 1 }, old: { name: "a", pos: "a0", lat: null } }, { t: "stop", id: "b", set: { pos: "a6" }, old: { pos: "a1" } }];
    const found = suggestionsOf([proposal("p",
      piece({ kind: "stop.set_fields", id: "a", fields: {} }, changes), piece({ kind: "stop.remove", id: "b" }), piece({ kind: "day.remove", id: "d2" }),
      piece({ kind: "day.add", id: "d3", fields: { title: "Extra" } }), piece({ kind: "trip.set_dates", start_date: "2027-05-01", end_date: "2027-05-03" }),
    )], [], LISTS);
    expect(found.stops.get("a")?.[0]?.fields).toEqual([{ field: "name", old: "a", now: "new" }, { field: "lat", old: null, now: 1 }]);
    expect(found.stops.get("b")).toMatchObject([{ what: "removed" }]);
    expect(found.days.get("d2")).toMatchObject([{ what: "removed" }]);
    expect(found.newDays).toMatchObject([{ id: "d3", title: "Extra" }]);
    expect(found.trip).toMatchObject([{ what: "changed", fields: [] }]);
    expect(diffs(changes, "b")).toEqual([]);
  });

  it("shows only pieces that wait", () => {
    const found = suggestionsOf([proposal("p", piece({ kind: "stop.remove", id: "a" }, [], "declined"), piece({ kind: "stop.remove", id: "b" }, [], "stale"), piece({ kind: "stop.remove", id: "c" }))], [], LISTS);
    expect([...found.stops.keys()]).toEqual(["c"]);
    expect(found.stops.get("c")?.[0]?.ref.label).toBe("3");
  });

  it("tells pieces of several proposals apart by a letter", () => {
    const both = [proposal("p", piece({ kind: "stop.remove", id: "a" })), proposal("q", piece({ kind: "stop.remove", id: "a" }))];
    expect(suggestionsOf(both, [], LISTS).stops.get("a")?.map((mark) => mark.ref.label)).toEqual(["A1", "B1"]);
    expect(labelOf(both, "decided", 1)).toBe("2");
  });

  it("needs no ghosts for a draft, which lies over the board", () => {
    const drafted = (op: Proposable, changes: Change[]): DraftPiece => ({ id: op.kind, op, changes, sentAs: null, problem: "" });
    const found = suggestionsOf([], [
      drafted({ kind: "stop.add", id: "n", fields: {} }, [{ t: "stop", id: "n", set: {}, new: true }]),
      drafted({ kind: "stop.move", ids: ["a"], day: "d2" }, [{ t: "stop", id: "a", set: { day_id: "d2" }, old: { day_id: "d1" } }]),
      drafted({ kind: "stop.remove", id: "gone" }, []),
    ], LISTS);
    expect(found.ghosts.size).toBe(0);
    expect(found.stops.get("n")).toMatchObject([{ what: "added", ref: { proposal: null } }]);
    expect(found.stops.get("a")).toMatchObject([{ what: "moved", from: "d1" }]);
    expect(found.stops.has("gone")).toBe(false);
  });

  it("is worked out once for one state, and can be hidden", () => {
    const open = [proposal("p", piece({ kind: "stop.remove", id: "a" }))];
    const state = { ...initialState(), stopIds: LISTS, proposals: { open, byId: new Map(), status: "ready" as const } };
    expect(suggestionsIn(state, true)).toBe(suggestionsIn({ ...state, seq: 9 }, true));
    expect(suggestionsIn(state, false).stops.size).toBe(0);
  });
});
