/** Marks as read what was really seen: the newest message in view, the page shown and in focus. */
import { useEffect, useState, useSyncExternalStore } from "react";
import { useMe, useReads, useRoomClient, type ListKey, type TalkMessage } from "../../store";
import type { ChatScroll } from "./useChatScroll";

function subscribe(changed: () => void): () => void {
  const stop = new AbortController();
  for (const name of ["focus", "blur"]) window.addEventListener(name, changed, { signal: stop.signal });
  document.addEventListener("visibilitychange", changed, { signal: stop.signal });
  return () => stop.abort();
}

/** Somebody looks at this page. */
export const useAttention = (): boolean => useSyncExternalStore(subscribe, () => document.visibilityState === "visible" && document.hasFocus());

/** What was new when the reader came (back): above `from`, which had been read, up to `to`. */
export interface Since {
  from: number;
  to: number;
}

/** What is "new since you were here"; null until that is known. What comes while one reads is not. */
export function useSince(ready: boolean, newest: number): Since | null {
  const me = useMe().user;
  const mark = useReads().get(me ?? "") ?? 0;
  const attention = useAttention();
  const [since, setSince] = useState<Since | null>(null);
  const [wasThere, setWasThere] = useState(false);

  useEffect(() => {
    if (!ready) return;
    // Coming back to new messages draws the line anew; while reading it stays where it was.
    if (attention && !wasThere && (since === null || newest > mark)) setSince({ from: mark, to: newest });
    if (attention !== wasThere) setWasThere(attention);
  }, [ready, attention, wasThere, newest, mark, since]);
  return since;
}

/** With the newest of `messages` in view, and somebody looking, all of them count as seen. */
export function useSeen(messages: readonly TalkMessage[], newest: number, settled: boolean, scroll: Pick<ChatScroll, "atEnd" | "following">): void {
  const client = useRoomClient();
  const me = useMe().user;
  const mark = useReads().get(me ?? "") ?? 0;
  const attention = useAttention();
  const { atEnd, following } = scroll;
  useEffect(() => {
    // Not before it is settled what comes into view: with much that is new that is not the end.
    if (settled && attention && atEnd && following.current && newest > mark) client.talk.see("chat", messages.map((message) => message.id));
  }, [client, settled, attention, atEnd, following, newest, mark, messages]);
}

/** The same for comments: all that are listed count as seen while somebody looks. */
export function useSeenComments(key: ListKey, ids: readonly string[]): void {
  const client = useRoomClient();
  const attention = useAttention();
  useEffect(() => {
    if (attention && ids.length > 0) client.talk.see(key, ids);
  }, [client, attention, key, ids]);
}
