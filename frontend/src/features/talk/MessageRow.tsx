/** One message of the chat or of a thread. */
import { Clock, Reply } from "lucide-react";
import { memo, useState } from "react";
import { useMedia } from "../../app/useMedia";
import { formatClock, formatMoment } from "../../i18n/format";
import { useLinked, useMe, useMessage, useRoomClient, useRoomState, type TalkMessage } from "../../store";
import { AnswerView } from "../assistant/AnswerView";
import { useText } from "../room/useText";
import { view } from "../room/view";
import { Composer } from "./Composer";
import { MessageMenu, MessageToolbar } from "./MessageActions";
import { MessageText } from "./MessageText";
import { AuthorFace, useAuthorName } from "./people";
import { Reactions } from "./Reactions";
import { RecordCard } from "./records";
import { talkUi, useTalkUi } from "./ui";

interface RowProps {
  id: string;
  grouped: boolean;
  /** In a thread there is no quoting: what is replied to stands above. */
  thread?: boolean;
  /** The one row that Tab reaches; arrows go on from it. */
  tabbable?: boolean;
  /** "Seen by" faces. */
  seen?: readonly string[] | undefined;
}

export const MessageRow = memo(function MessageRow({ id, grouped, thread = false, tabbable = false, seen }: RowProps) {
  const { t, language } = useText();
  const message = useMessage(id);
  const name = useAuthorName(message?.author ?? "");
  const flash = useTalkUi((s) => s.flash === id);
  const editing = useTalkUi((s) => s.editing === id);
  const mentionsMe = useMe().user;
  const touch = useMedia("(hover: none)");
  const [near, setNear] = useState(false);
  const [held, setHeld] = useState(false);
  if (message === null) return null;
  const settled = !message.pending && !message.deleted && message.seq > 0;
  const onReply = thread || !settled ? undefined : () => talkUi.replyTo(id);
  const called = mentionsMe !== null && message.mentions.includes(mentionsMe) && message.author !== mentionsMe;
  const classes = ["msg", grouped ? "msg-grouped" : "", flash ? "msg-flash" : "", message.pending ? "msg-pending" : "", called ? "msg-called" : "", thread ? "msg-thread" : ""];
  return (
    <li
      className={classes.join(" ")} data-message={id} data-seq={message.seq} tabIndex={tabbable ? 0 : -1} aria-label={t("talk.messageOf", { name, time: formatMoment(message.at, language) })}
      onPointerEnter={(event) => { if (event.pointerType === "mouse") setNear(true); }} onPointerLeave={() => setNear(false)}
      onFocus={() => setNear(true)} onBlur={(event) => { if (!event.currentTarget.contains(event.relatedTarget)) setNear(false); }}
    >
      <span className="msg-side">
        {grouped ? <time className="num msg-time-side" dateTime={message.at} aria-hidden>{formatClock(message.at, language)}</time> : <AuthorFace id={message.author} size={thread ? 24 : 30} />}
      </span>
      <div className="msg-main">
        {message.reply_to && !thread ? <Quote id={message.reply_to} /> : null}
        {grouped ? null : (
          <p className="msg-head">
            <b>{name}</b>
            <time className="num" dateTime={message.at} title={formatMoment(message.at, language)}>{formatClock(message.at, language)}</time>
            {thread && message.about?.field ? <span className="badge">{t(message.about.field === "notes" ? "talk.onNotes" : "talk.onDescription")}</span> : null}
          </p>
        )}
        {editing ? <Edit message={message} /> : <Body message={message} thread={thread} />}
        {message.deleted ? null : <Reactions message={message} />}
      </div>
      {seen && seen.length > 0 ? <SeenBy users={seen} /> : null}
      {settled && !editing && touch ? <MessageMenu message={message} onReply={onReply} touch /> : null}
      {settled && !editing && !touch && (near || held) ? <MessageToolbar message={message} onReply={onReply} onOpen={setHeld} /> : null}
    </li>
  );
});

function Body({ message, thread }: { message: TalkMessage; thread: boolean }) {
  const { t } = useText();
  if (message.deleted) return <p className="msg-text muted">{t(thread ? "talk.commentDeleted" : "talk.deleted")}</p>;
  return (
    <>
      {message.answer ? <AnswerView message={message} /> : <MessageText text={message.text} mentions={message.mentions} note={message.edited_at && !message.pending ? t("talk.edited") : undefined} />}
      {message.channel === "chat" && message.about ? <RecordCard record={message.about} /> : null}
      {message.pending ? <Pending /> : null}
    </>
  );
}

function Pending() {
  const { t } = useText();
  const live = useLinked();
  return <span className="msg-note msg-note-pending"><Clock size={12} aria-hidden />{t(live ? "talk.sending" : "talk.waiting")}</span>;
}

/** What is replied to, in a line; choosing it goes there, through older pages if need be. */
function Quote({ id }: { id: string }) {
  const { t } = useText();
  const quoted = useMessage(id);
  const name = useAuthorName(quoted?.author ?? "");
  const text = quoted === null ? t("talk.quoteFar") : quoted.deleted ? t("talk.quoteGone") : quoted.text;
  return (
    <button type="button" className="msg-quote" onClick={() => view.toMessage(id)}>
      <Reply size={13} aria-hidden />
      {quoted !== null ? <b>{name}</b> : null}
      <span>{text.slice(0, 160)}</span>
    </button>
  );
}

function Edit({ message }: { message: TalkMessage }) {
  const { t } = useText();
  const client = useRoomClient();
  const tripId = useRoomState((s) => s.trip?.id ?? "");
  const focus = message.channel === "chat" || message.about === null
    ? { t: "trip" as const, id: tripId, field: "chat" }
    : { t: message.about.t, id: message.about.id, field: "comment" };
  return (
    <Composer
      kind="edit" place={null} initial={message.text} focus={focus} label={t("talk.editing")} placeholder="" autoFocus onCancel={() => talkUi.edit(null)}
      onSend={({ text, mentions }) => {
        if (text !== message.text) client.submit({ kind: "message.edit", id: message.id, text, mentions });
        talkUi.edit(null);
        return true;
      }}
    />
  );
}

const MAX_FACES = 3;

function SeenBy({ users }: { users: readonly string[] }) {
  const { t, language } = useText();
  const members = useRoomState((s) => s.members);
  const names = users.map((user) => members.get(user)?.name ?? t("common.someone")).join(language === "zh" ? "、" : ", ");
  const label = t("talk.seenBy", { names });
  return (
    <span className="seen" role="img" aria-label={label} title={label}>
      {users.slice(0, MAX_FACES).map((user) => <AuthorFace key={user} id={user} size={14} />)}
      {users.length > MAX_FACES ? <span className="num">+{users.length - MAX_FACES}</span> : null}
    </span>
  );
}
