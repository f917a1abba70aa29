/** All comments on one stop, day or on the trip: open threads, resolved ones on request, a new one. */
import { ChevronDown, MessageSquarePlus } from "lucide-react";
import { useEffect, useMemo, useRef, useState } from "react";
import { newId, useRoom, useRoomState, useThread, type RecordRef } from "../../store";
import { Button } from "../../ui/Button";
import { Delayed, Notice, Skeleton } from "../../ui/States";
import { useText } from "../room/useText";
import type { ViewState } from "../room/view";
import { Composer, type ComposerHandle } from "./Composer";
import { threadsOf } from "./groups";
import { FailedPosts, OfflineNote, Typing } from "./parts";
import { Thread } from "./Thread";
import { useTalkUi } from "./ui";
import { useSeenComments } from "./useSeen";

export function RecordThreads({ thread }: { thread: NonNullable<ViewState["thread"]> }) {
  const { t } = useText();
  const { client } = useRoom();
  const key: RecordRef = `${thread.t}:${thread.id}`;
  const list = useThread(key);
  const all = useRoomState((s) => s.talk.messages);
  const groups = useMemo(() => threadsOf(list.ids.flatMap((id) => all.get(id) ?? []), all), [list.ids, all]);
  const [resolved, setResolved] = useState(false);
  const [writing, setWriting] = useState(false);
  const composer = useRef<ComposerHandle>(null);
  const body = useRef<HTMLDivElement>(null);
  const open = groups.filter((group) => !group.resolved);
  const closed = groups.filter((group) => group.resolved);
  const none = list.status === "ready" && groups.length === 0;
  const flash = useTalkUi((s) => s.flash);
  useSeenComments(key, list.ids);
  useEffect(() => {
    if (flash === null) return;
    if (all.get(flash)?.resolved_by != null) setResolved(true);
    window.setTimeout(() => body.current?.querySelector(`[data-message="${CSS.escape(flash)}"]`)?.scrollIntoView({ block: "center" }));
  }, [flash, all]);

  return (
    <div ref={body} className="record-threads" data-testid="threads">
      {list.status === "failed" ? <Notice tone="bad" action={<Button size="sm" onClick={() => void client.talk.open(key)}>{t("common.retry")}</Button>}>{t("talk.failed")}</Notice> : null}
      {list.status === "loading" ? <Delayed><div className="stack"><Skeleton h={16} w="50%" /><Skeleton h={44} /></div></Delayed> : null}
      {list.more ? <Button size="sm" variant="ghost" busy={list.busy} onClick={() => void client.talk.older(key)}>{t("talk.showOlder")}</Button> : null}
      {none ? <p className="threads-none"><b>{t("talk.noComments")}</b>{t("talk.noCommentsText")}</p> : null}
      {open.map((group) => <Thread key={group.head} group={group} />)}
      {closed.length > 0 ? (
        <Button size="sm" variant="ghost" aria-expanded={resolved} className="threads-closed" icon={<ChevronDown size={14} aria-hidden />} onClick={() => setResolved(!resolved)}>
          {t("talk.resolvedCount", { count: closed.length })}
        </Button>
      ) : null}
      {resolved ? closed.map((group) => <Thread key={group.head} group={group} />) : null}
      <FailedPosts where={key} onEdit={(op) => { setWriting(true); window.setTimeout(() => composer.current?.insert(op.text)); }} />
      <OfflineNote />
      {open.length === 0 || writing ? (
        <>
          <Composer
            ref={composer} kind="comment" place={`on:${key}`} focus={{ t: thread.t, id: thread.id, field: "comment" }} label={t("talk.newComment")} placeholder={t("talk.commentPlaceholder")} autoFocus
            onSend={({ text, mentions }) => {
              client.submit({ kind: "message.post", id: newId(), channel: "comment", text, mentions, about: { t: thread.t, id: thread.id, ...(thread.field ? { field: thread.field } : {}) } });
              setWriting(false);
              return true;
            }}
          />
          <Typing t={thread.t} id={thread.id} field="comment" />
        </>
      ) : (
        <Button size="sm" variant="ghost" icon={<MessageSquarePlus size={15} aria-hidden />} onClick={() => setWriting(true)}>{t("talk.newComment")}</Button>
      )}
    </div>
  );
}
