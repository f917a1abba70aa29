/** The chat of the room: newest at the bottom, older ones as one scrolls up. */
import { ArrowDown, MessagesSquare, Reply, X } from "lucide-react";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import type { KeyboardEvent } from "react";
import { useMe, useMessage, useMessages, useReads, useRoom, useRoomState, type TalkList } from "../../store";
import { Button, IconButton } from "../../ui/Button";
import { Delayed, Empty, Notice, Skeleton } from "../../ui/States";
import { useText } from "../room/useText";
import { Composer, type ComposerHandle } from "./Composer";
import { MessageRow } from "./MessageRow";
import { DayLine, FailedPosts, OfflineNote, Typing } from "./parts";
import { useAuthorName } from "./people";
import { rowsOf, seenAt } from "./rows";
import { talkUi, useTalkUi } from "./ui";
import { useJump, useMentionRequest, useNewBelow, useOpenAtNew, useSay, useStart } from "./useChat";
import { useChatScroll } from "./useChatScroll";
import { useSeen, useSince } from "./useSeen";

export function Chat() {
  const { t } = useText();
  const { client } = useRoom();
  const tripId = useRoomState((s) => s.trip?.id ?? "");
  const list = useMessages("chat");
  const all = useRoomState((s) => s.talk.messages);
  const me = useMe().user;
  const reads = useReads();
  const messages = useMemo(() => list.ids.flatMap((id) => all.get(id) ?? []), [list.ids, all]);
  const older = useCallback(() => void client.talk.older("chat"), [client]);
  const scroll = useChatScroll(list.ids, list.more, older);
  const newest = messages.reduce((seq, message) => Math.max(seq, message.seq), 0);
  const since = useSince(list.status === "ready", newest);
  const settled = useStart(since?.from ?? null, messages[0]?.seq ?? 0, list.more);
  const rows = useMemo(() => rowsOf(messages, me, since), [messages, me, since]);
  const seen = useMemo(() => seenAt(messages, reads, me), [messages, reads, me]);
  const composer = useRef<ComposerHandle>(null);
  const [cursor, setCursor] = useState<string | null>(null);
  const below = useNewBelow(messages, scroll.atEnd);
  useJump(scroll.toMessage);
  useOpenAtNew(settled, rows.find((row) => row.fresh)?.id ?? null, scroll.toMessage);
  useSeen(messages, newest, settled, scroll);
  useMentionRequest(composer);
  const say = useSay(() => scroll.toEnd());
  const replying = useTalkUi((s) => s.replyTo !== null);

  function step(event: KeyboardEvent<HTMLElement>): void {
    const id = (event.target as HTMLElement).dataset["message"];
    if (id === undefined || (event.key !== "ArrowUp" && event.key !== "ArrowDown")) return;
    const next = list.ids[list.ids.indexOf(id) + (event.key === "ArrowUp" ? -1 : 1)];
    if (next === undefined) return;
    event.preventDefault();
    setCursor(next);
    scroll.box.current?.querySelector<HTMLElement>(`[data-message="${CSS.escape(next)}"]`)?.focus();
  }
  function editLast(): void {
    const last = messages.findLast((message) => message.author === me && message.answer === null && !message.deleted && message.seq > 0);
    if (last) talkUi.edit(last.id);
  }

  const reached = cursor !== null && list.ids.includes(cursor) ? cursor : list.ids.at(-1);
  return (
    <div className="chat" data-testid="chat">
      <div ref={scroll.box} className="chat-scroll" onScroll={scroll.onScroll} onKeyDown={step} role="region" aria-label={t("talk.messages")} tabIndex={0}>
        <div className="chat-content">
          <Top list={list} onRetry={() => void client.talk.open("chat")} />
          <ol className="messages">
            {rows.map((row) => [
              row.day === null ? null : <DayLine key={row.day} day={row.day} />,
              row.fresh ? <li key="new" className="new-line"><span>{t("talk.newSince")}</span></li> : null,
              <MessageRow key={row.id} id={row.id} grouped={row.grouped} tabbable={row.id === reached} seen={seen.get(row.id)} />,
            ])}
          </ol>
          <FailedPosts where="chat" onEdit={(op) => composer.current?.insert(op.text, op.about && op.about.t !== "trip" ? op.about : undefined)} />
        </div>
      </div>
      <div className="chat-foot">
        {scroll.atEnd ? null : (
          <Button size="sm" className={below > 0 ? "chat-jump chat-jump-new" : "chat-jump"} icon={<ArrowDown size={15} aria-hidden />} onClick={() => scroll.toEnd(true)}>
            {below > 0 ? t("talk.newBelow", { count: below }) : t("talk.jumpNewest")}
          </Button>
        )}
        <Typing t="trip" id={tripId} field="chat" />
        <Composer
          ref={composer} kind="chat" place="chat" focus={{ t: "trip", id: tripId, field: "chat" }} label={t("talk.write")}
          placeholder={t("talk.placeholder")} onSend={say} onEditLast={editLast}
          onCancel={replying ? () => talkUi.replyTo(null) : undefined} above={<><OfflineNote /><ReplyBanner onDone={() => composer.current?.focus()} /></>}
        />
      </div>
    </div>
  );
}

/** What stands above the oldest message that is here. */
function Top({ list, onRetry }: { list: TalkList; onRetry: () => void }) {
  const { t } = useText();
  const none = list.ids.length === 0;
  if (list.status === "failed") return <div className="chat-top"><Notice tone="bad" action={<Button size="sm" onClick={onRetry}>{t("common.retry")}</Button>}>{t("talk.failed")}</Notice></div>;
  if (list.status !== "ready" || list.busy || list.more) return <div className={none ? "chat-top" : "chat-top chat-top-more"} aria-busy={list.busy}>{none || list.busy ? <Delayed><Waiting rows={none ? 5 : 2} /></Delayed> : null}</div>;
  if (none) return <Empty icon={<MessagesSquare size={26} />} title={t("talk.emptyTitle")}>{t("talk.empty")}</Empty>;
  return <p className="chat-top chat-beginning">{t("talk.beginning")}</p>;
}

const WIDTHS = ["72%", "48%", "84%", "56%", "66%"];

function Waiting({ rows }: { rows: number }) {
  return (
    <div className="msg-skeletons">
      {WIDTHS.slice(0, rows).map((width) => (
        <div key={width} className="msg-skeleton"><Skeleton w={30} h={30} r={15} /><div><Skeleton w={90} h={12} /><Skeleton w={width} h={14} /></div></div>
      ))}
    </div>
  );
}

function ReplyBanner({ onDone }: { onDone: () => void }) {
  const { t } = useText();
  const id = useTalkUi((s) => s.replyTo);
  const message = useMessage(id);
  const name = useAuthorName(message?.author ?? "");
  const done = useRef(onDone);
  done.current = onDone;
  // Choosing "reply" brings one to the place to write, once the menu has given the focus back.
  useEffect(() => {
    if (id !== null) window.setTimeout(() => done.current());
  }, [id]);
  if (message === null) return null;
  return (
    <div className="reply-banner">
      <Reply size={15} aria-hidden />
      <span className="reply-words"><b>{t("talk.replyTo", { name })}</b><span>{message.deleted ? t("talk.quoteGone") : message.text.slice(0, 160)}</span></span>
      <IconButton label={t("talk.cancelReply")} tip={false} onClick={() => { talkUi.replyTo(null); onDone(); }}><X size={15} aria-hidden /></IconButton>
    </div>
  );
}
