/** The chat as rows: messages with day lines between, grouped by author, and where the new ones begin. Pure. */
import type { TalkMessage } from "../../store";

const GROUP_MS = 5 * 60_000;

export interface Row {
  id: string;
  /** The local day that begins here, as an ISO date; null: the same as above. */
  day: string | null;
  /** Goes on what the message above began: no face, no name. */
  grouped: boolean;
  /** The first that is new since the reader was here. */
  fresh: boolean;
}

export function localDay(iso: string): string {
  const date = new Date(iso);
  return `${date.getFullYear()}-${String(date.getMonth() + 1).padStart(2, "0")}-${String(date.getDate()).padStart(2, "0")}`;
}

/** `since`: what others said between is new; null: no line is drawn. */
export function rowsOf(messages: readonly TalkMessage[], me: string | null, since: { from: number; to: number } | null): Row[] {
  let before: TalkMessage | null = null;
  // Where what was read ends is known only when some of it is here.
  let drawn = since === null || (messages[0]?.seq ?? 0) > since.from;
  return messages.map((message) => {
    const day = localDay(message.at);
    const newDay = before === null || localDay(before.at) !== day;
    const unread: boolean = since !== null && message.seq > since.from && message.author !== me;
    const fresh: boolean = unread && !drawn && message.seq <= (since?.to ?? 0);
    drawn ||= unread;
    const row: Row = { id: message.id, day: newDay ? day : null, grouped: !newDay && !fresh && goesOn(before, message), fresh };
    before = message;
    return row;
  });
}

function goesOn(before: TalkMessage | null, message: TalkMessage): boolean {
  if (before === null || before.author !== message.author || message.reply_to !== null) return false;
  if (before.answer !== null || message.answer !== null) return false;
  return new Date(message.at).getTime() - new Date(before.at).getTime() < GROUP_MS;
}

/** Who has read up to which message and no further: the last one at or below their mark. */
export function seenAt(messages: readonly TalkMessage[], reads: ReadonlyMap<string, number>, me: string | null): Map<string, string[]> {
  const seen = new Map<string, string[]>();
  for (const [user, seq] of reads) {
    if (user === me) continue;
    const last = messages.findLast((message) => message.seq > 0 && message.seq <= seq);
    if (last === undefined) continue;
    seen.set(last.id, [...(seen.get(last.id) ?? []), user]);
  }
  return seen;
}
