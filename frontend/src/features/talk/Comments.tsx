/** Comments on everything in the trip, the liveliest thread first. */
import { CheckCircle2, MessageSquare } from "lucide-react";
import { useMemo, useState } from "react";
import { useMessages, useRoom, useRoomState } from "../../store";
import { Button } from "../../ui/Button";
import { Segmented } from "../../ui/Field";
import { Delayed, Empty, Notice, Skeleton } from "../../ui/States";
import { recordOf } from "../../realtime/messages";
import { useText } from "../room/useText";
import { threadsOf } from "./groups";
import { OfflineNote } from "./parts";
import { Thread } from "./Thread";
import { useSeenComments } from "./useSeen";

export function Comments() {
  const { t } = useText();
  const { client } = useRoom();
  const list = useMessages("comments");
  const all = useRoomState((s) => s.talk.messages);
  const [which, setWhich] = useState<"open" | "resolved">("open");
  const groups = useMemo(() => {
    const threads = threadsOf(list.ids.flatMap((id) => all.get(id) ?? []), all);
    return threads.filter((group) => group.resolved === (which === "resolved")).sort((a, b) => (a.lastAt < b.lastAt ? 1 : -1));
  }, [list.ids, all, which]);
  useSeenComments("comments", list.ids);
  const expand = (head: string) => {
    const about = all.get(head)?.about;
    if (about) void client.talk.open(recordOf(about));
  };
  return (
    <div className="comments" data-testid="comments">
      <Segmented<"open" | "resolved"> hideLabel label={t("talk.filter")} value={which} onChange={setWhich} options={[{ value: "open", label: t("talk.openOnes") }, { value: "resolved", label: t("talk.resolvedOnes") }]} />
      <OfflineNote />
      {list.status === "failed" ? <Notice tone="bad" action={<Button size="sm" onClick={() => void client.talk.open("comments")}>{t("common.retry")}</Button>}>{t("talk.failed")}</Notice> : null}
      {list.status === "loading" ? <Delayed><div className="stack">{[0, 1, 2].map((n) => <Skeleton key={n} h={72} />)}</div></Delayed> : null}
      {list.status === "ready" && groups.length === 0 && !list.more ? (
        which === "open"
          ? <Empty icon={<MessageSquare size={26} />} title={t("talk.noThreads")}>{t("talk.noThreadsText")}</Empty>
          : <Empty icon={<CheckCircle2 size={26} />} title={t("talk.noResolved")} />
      ) : null}
      {groups.map((group) => <Thread key={group.head} group={group} listed onExpand={() => expand(group.head)} />)}
      {list.more ? <Button block variant="ghost" busy={list.busy} onClick={() => void client.talk.older("comments")}>{t("talk.showOlder")}</Button> : null}
    </div>
  );
}
