/** Comments put together as threads: a first comment and what was replied to it. Pure. */
import type { TalkMessage } from "../../store";

export interface ThreadGroup {
  /** Id of the first comment. */
  head: string;
  /** Ids, oldest first; removed ones left out. */
  replies: string[];
  resolved: boolean;
  /** When something was last said in it: orders lists of threads. */
  lastAt: string;
}

/** In the order in which they were begun. A thread of which nothing is left is left out. */
export function threadsOf(messages: readonly TalkMessage[], known: ReadonlyMap<string, TalkMessage>): ThreadGroup[] {
  const groups = new Map<string, ThreadGroup>();
  for (const message of messages) {
    const head = message.reply_to ?? message.id;
    let group = groups.get(head);
    if (group === undefined) {
      group = { head, replies: [], resolved: known.get(head)?.resolved_by != null, lastAt: message.at };
      groups.set(head, group);
    }
    if (message.id !== head && !message.deleted) group.replies.push(message.id);
    if (message.at > group.lastAt) group.lastAt = message.at;
  }
  return [...groups.values()].filter(({ head, replies }) => replies.length > 0 || known.get(head)?.deleted !== true);
}
