/** Pieces that the chat and the threads share: day lines, who types, what could not be sent. */
import { CloudOff, RotateCcw, X } from "lucide-react";
import { codeText } from "../../app/session";
import { addDays, formatDate } from "../../i18n/format";
import type { PostMessage, RecordType } from "../../protocol.gen";
import { useConnection, useFailedPosts, useTypingIn, type Failure, type RecordRef } from "../../store";
import { Button } from "../../ui/Button";
import { Notice } from "../../ui/States";
import { recordOf } from "../../realtime/messages";
import { useText } from "../room/useText";
import { localDay } from "./rows";

export function DayLine({ day }: { day: string }) {
  const { t, language } = useText();
  const today = localDay(new Date().toISOString());
  const word = day === today ? t("talk.today") : day === addDays(today, -1) ? t("talk.yesterday") : formatDate(day, language);
  return <li className="day-line"><h3>{word}</h3></li>;
}

/** Who types into this field now. Not announced: it would never be quiet. */
export function Typing({ t: type, id, field }: { t: RecordType; id: string; field: string }) {
  const { t, language } = useText();
  const people = useTypingIn(type, id, field);
  const names = people.map((person) => person.name).join(language === "zh" ? "、" : ", ");
  return (
    <p className="typing-line" aria-hidden={people.length === 0}>
      {people.length > 0 ? (
        <>
          <span className="typing" aria-hidden><i /><i /><i /></span>
          {people.length > 3 ? t("talk.typingMany") : t("talk.typing", { names, count: people.length })}
        </>
      ) : null}
    </p>
  );
}

/** Said while there is no connection, and kept until there is one. */
export function OfflineNote() {
  const { t } = useText();
  const { state, restarting } = useConnection();
  if (restarting) return null;
  if (state !== "offline" && state !== "reconnecting") return null;
  return <p className="composer-note"><CloudOff size={14} aria-hidden />{t("talk.offline")}</p>;
}

/** What the server refused: the words are still here, to send again or to change. */
export function FailedPosts({ where, onEdit }: { where: "chat" | RecordRef; onEdit: (op: PostMessage) => void }) {
  const failed = useFailedPosts().filter((failure) => belongsHere(failure.op as PostMessage, where));
  if (failed.length === 0) return null;
  return <ul className="failed-posts">{failed.map((failure) => <FailedPost key={failure.id} failure={failure} onEdit={onEdit} />)}</ul>;
}

function belongsHere(op: PostMessage, where: "chat" | RecordRef): boolean {
  if (where === "chat") return op.channel !== "comment";
  return op.channel === "comment" && op.about != null && recordOf(op.about) === where;
}

function FailedPost({ failure, onEdit }: { failure: Failure; onEdit: (op: PostMessage) => void }) {
  const { t } = useText();
  const op = failure.op as PostMessage;
  return (
    <li data-testid="failed-post">
      <Notice tone="bad">
        <b>{t("talk.notSent")}</b> {codeText(failure.code, failure.message, t)}
        <p className="msg-text">{op.text}</p>
        <span className="failed-actions">
          <Button size="sm" icon={<RotateCcw size={14} aria-hidden />} onClick={() => failure.retry()}>{t("common.retry")}</Button>
          <Button size="sm" variant="ghost" onClick={() => { onEdit(op); failure.discard(); }}>{t("talk.editAgain")}</Button>
          <Button size="sm" variant="ghost" icon={<X size={14} aria-hidden />} onClick={() => failure.discard()}>{t("talk.discard")}</Button>
        </span>
      </Notice>
    </li>
  );
}
