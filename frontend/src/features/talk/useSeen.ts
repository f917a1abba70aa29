/** Marks as read what was really seen: the newest message in view, the page shown and in focus. */
import { useEffect, useState, useSyncExternalStore } from "react";
import type { RefObject } from "react";
import { useMe, useReads, useRoomClient, type ListKey, type TalkMessage } from "../../store";

function subscribe(changed: () => void): () => void {
  const stop = new AbortController();
  for (const name of ["focus", "blur"]) window.addEventListener(name, changed, { signal: stop.signal });
  document.addEventListener("visibilitychange", changed, { signal: stop.signal });
  return () => stop.abort();
}

/** Somebody looks at this page. */
export const useAttention = (): boolean => useSyncExternalStore(subscribe, () => document.visibilityState === "visible" && document.hasFocus());

/**
 * `atEnd`: the newest of `messages` is in view. Returns up to where everything had been read when the
 * reader came (back): what is newer is "new since you were here". Null until that is known.
 */
export function useSeen(messages: readonly TalkMessage[], ready: boolean, atEnd: boolean, following: RefObject<boolean>): number | null {
  const client = useRoomClient();
  const me = useMe().user;
  const mark = useReads().get(me ?? "") ?? 0;
  const attention = useAttention();
  const newest = messages.reduce((seq, message) => Math.max(seq, message.seq), 0);
  const [since, setSince] = useState<number | null>(null);
  const [wasThere, setWasThere] = useState(false);

  useEffect(() => {
    if (!ready) return;
    // Coming back to new messages draws the line anew; while reading it stays where it was.
    if (attention && !wasThere && (since === null || newest > mark)) setSince(mark);
    if (attention !== wasThere) setWasThere(attention);
    // Not before the line is drawn: with much that is new it is the line that comes into view, not the end.
    if (since !== null && attention && atEnd && following.current && newest > mark) client.talk.see("chat", messages.map((message) => message.id));
  }, [client, ready, attention, wasThere, atEnd, following, newest, mark, since, messages]);
  return since;
}

/** The same for comments: all that are listed count as seen while somebody looks. */
export function useSeenComments(key: ListKey, ids: readonly string[]): void {
  const client = useRoomClient();
  const attention = useAttention();
  useEffect(() => {
    if (attention && ids.length > 0) client.talk.see(key, ids);
  }, [client, attention, key, ids]);
}
