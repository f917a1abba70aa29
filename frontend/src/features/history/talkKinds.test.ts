import { expect, test } from "vitest";
import type { RoomEvent, TalkChange } from "../../protocol.gen";
import { normalizeMessage } from "../../realtime/messages";
import { isTold, kindKey, subjectOf } from "./talkKinds";

const event = (kind: string, set?: TalkChange["set"]): RoomEvent => ({
  seq: 1, op_id: "o", actor: "ann", at: "", kind, changes: [], ...(set ? { talk: [{ t: "message", id: "m", set }] } : {}),
});
const none = new Map();
const comment = new Map([["m", normalizeMessage({ id: "m", channel: "comment", about: { t: "stop", id: "a" } })]]);

test("chat, reactions, answers and what is hidden are left out; comments and proposals are told", () => {
  for (const kind of ["message.react", "answer.open", "answer.finish", "hidden"]) expect(isTold(event(kind, { channel: "comment" }), comment)).toBe(false);
  expect(isTold(event("message.post", { text: "hi" }), none)).toBe(false);
  expect(isTold(event("message.post", { channel: "comment" }), none)).toBe(true);
  expect(isTold(event("message.delete", { deleted: true }), none)).toBe(false);
  expect(isTold(event("message.delete", { deleted: true }), comment)).toBe(true);
  for (const kind of ["comment.resolve", "proposal.open", "proposal.accept", "stop.add"]) expect(isTold(event(kind), none)).toBe(true);
});

test("a sentence knows what the comment is on, and replies and reopening by their own names", () => {
  expect(subjectOf(event("message.post", { about: { t: "day", id: "d" } }), none)).toEqual({ t: "day", id: "d" });
  expect(subjectOf(event("comment.resolve", { resolved_by: "ann" }), comment)).toEqual({ t: "stop", id: "a" });
  expect(kindKey(event("comment.resolve", { resolved_by: "ann" }))).toBe("comment_resolve");
  expect(kindKey(event("comment.resolve", { resolved_by: null }))).toBe("comment_reopen");
  expect(kindKey(event("message.post", { reply_to: "x" }))).toBe("message_reply");
});

test("a first photo is added, another one changed, and none is removed", () => {
  const photo = { id: "p", width: 1, height: 1, color: "#000000" };
  const shows = (kind: string, t: "trip" | "stop", field: string, set: unknown, old: unknown) =>
    kindKey({ ...event(kind), changes: [{ t, id: "x", set: { [field]: set }, old: { [field]: old } }] } as RoomEvent);
  expect(shows("stop.set_photo", "stop", "photo", photo, null)).toBe("stop_add_photo");
  expect(shows("stop.set_photo", "stop", "photo", photo, { ...photo, id: "q" })).toBe("stop_set_photo");
  expect(shows("stop.set_photo", "stop", "photo", null, photo)).toBe("stop_remove_photo");
  expect(shows("trip.set_cover", "trip", "cover", photo, null)).toBe("trip_add_cover");
  expect(shows("trip.set_cover", "trip", "cover", photo, { ...photo, id: "q" })).toBe("trip_set_cover");
  expect(shows("trip.set_cover", "trip", "cover", null, photo)).toBe("trip_remove_cover");
});
