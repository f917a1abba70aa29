import { expect, test } from "vitest";
import type { RoomEvent } from "../../protocol.gen";
import { actOf, changesIn, folded } from "./folds";

const T1 = "2027-05-01T10:00:00Z";
const T2 = "2027-05-01T10:00:01Z";
const event = (seq: number, at = T1, actor = "ann", kind = "stop.add", op_id = `o${seq}`): RoomEvent => ({ seq, op_id, actor, at, kind, changes: [] });
const seqs = (runs: RoomEvent[][]) => runs.map((run) => run.map(({ seq }) => seq));

test("neighbours of one author and moment are one; another author or moment parts them", () => {
  expect(seqs(folded([event(9, T2), event(8), event(7), event(6), event(5)]))).toEqual([[9], [8, 7, 6, 5]]);
  expect(seqs(folded([event(8), event(7), event(6, T1, "bo"), event(5), event(4), event(3), event(2)]))).toEqual([[8], [7], [6], [5, 4, 3, 2]]);
});

test("a few stand alone", () => {
  expect(seqs(folded([event(3), event(2), event(1)]))).toEqual([[3], [2], [1]]);
  expect(folded([])).toEqual([]);
});

test("the act is named by what it was, and counts what it changed", () => {
  const stops = [event(5), event(4), event(3), event(2)];
  expect([actOf(stops), changesIn(stops)]).toEqual(["many", 4]);
  expect([actOf([...stops, event(1, T1, "ann", "trip.create")]), changesIn([...stops, event(1, T1, "ann", "trip.create")])]).toEqual(["create", 4]);
  expect(actOf([...stops, event(1, T1, "ann", "trip.create", "demo-x-0")])).toBe("sample");
  expect(actOf([event(6, T1, "ann", "proposal.accept"), ...stops])).toBe("accept");
});
