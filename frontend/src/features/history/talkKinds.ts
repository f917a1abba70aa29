/** Which events of talk the timeline tells, and about what. Plain chat would drown everything else. */
import type { About, RoomEvent } from "../../protocol.gen";
import type { TalkMessage } from "../../store";

type Known = ReadonlyMap<string, TalkMessage>;

/** Chat, reactions and answers are read in the talk; comments and proposals are part of the plan's story. */
export function isTold(event: RoomEvent, known: Known): boolean {
  if (event.kind === "hidden" || event.kind === "message.react" || event.kind.startsWith("answer.")) return false;
  if (!event.kind.startsWith("message.")) return true;
  const change = event.talk?.find((each) => each.t === "message");
  if (change === undefined) return false;
  return (change.set["channel"] ?? known.get(change.id)?.channel) === "comment";
}

/** What a comment of the event is on. */
export function subjectOf(event: RoomEvent, known: Known): Pick<About, "t" | "id"> | null {
  const change = event.talk?.find((each) => each.t === "message");
  if (change === undefined) return null;
  return (change.set["about"] as About | null | undefined) ?? known.get(change.id)?.about ?? null;
}

/** Opening and reopening are one operation; so are a comment and a reply. */
export function kindKey(event: RoomEvent): string {
  const set = event.talk?.find((each) => each.t === "message")?.set ?? {};
  if (event.kind === "comment.resolve") return set["resolved_by"] == null ? "comment_reopen" : "comment_resolve";
  if (event.kind === "message.post") return set["reply_to"] == null ? "message_post" : "message_reply";
  // Showing the first, another one, and taking away are one operation.
  const photo = event.kind === "trip.set_cover" ? "cover" : event.kind === "stop.set_photo" ? "photo" : null;
  const change = photo === null ? undefined : event.changes[0];
  if (photo !== null && change?.set[photo] === null) return event.kind.replace(".set", "_remove");
  if (photo !== null && change?.old?.[photo] === null) return event.kind.replace(".set", "_add");
  return event.kind.replace(".", "_");
}
