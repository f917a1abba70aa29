import { expect, test } from "vitest";
import { normalizeMessage } from "../../realtime/messages";
import { rowsOf, seenAt } from "./rows";

const said = (seq: number, author: string, at: string, more = {}) => normalizeMessage({ id: `m${seq}`, seq, author, at: `2027-05-0${at}:00.000`, ...more });

const talk = [
  said(1, "ann", "1T10:00"), said(2, "ann", "1T10:02"), said(3, "ann", "1T10:09"), said(4, "bo", "1T10:09"),
  said(5, "bo", "2T10:09"), said(6, "bo", "2T10:10", { reply_to: "m1" }), said(7, "bo", "2T10:10"),
];

test("messages of one author that follow each other closely are one group; a reply and a day begin anew", () => {
  expect(rowsOf(talk, "ann", null).map((row) => [row.id, row.day, row.grouped])).toEqual([
    ["m1", "2027-05-01", false], ["m2", null, true], ["m3", null, false], ["m4", null, false],
    ["m5", "2027-05-02", false], ["m6", null, false], ["m7", null, true],
  ]);
});

test("the line of new messages stands before the first by somebody else, once, and never above all", () => {
  const fresh = (since: number | null, me = "ann", to = 1_000) => rowsOf(talk, me, since === null ? null : { from: since, to }).filter((row) => row.fresh).map((row) => row.id);
  expect(fresh(4)).toEqual(["m5"]);
  // What came while somebody was reading is no news.
  expect(fresh(4, "ann", 4)).toEqual([]);
  expect(fresh(2)).toEqual(["m4"]);
  // All is new, or the end of what was read is further up than what is loaded.
  expect(fresh(0, "cy")).toEqual([]);
  expect(fresh(0)).toEqual([]);
  expect(fresh(7)).toEqual([]);
  expect(fresh(null)).toEqual([]);
});

test("a face stands at the last message that its owner has read", () => {
  expect(seenAt(talk, new Map([["ann", 7], ["bo", 3], ["cy", 90], ["di", 0]]), "ann")).toEqual(new Map([["m3", ["bo"]], ["m7", ["cy"]]]));
});
