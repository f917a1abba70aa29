/** The assistant in the room: what was asked and answered in front of everybody, and a place to ask. */
import { ArrowDown, MessageCircle, Sparkles } from "lucide-react";
import { useCallback, useMemo, useRef } from "react";
import { api } from "../../api";
import { errorText } from "../../app/session";
import { formatClock, sentences } from "../../i18n/format";
import { newId, useConnection, useMessages, useRoom, useRoomState, type TalkMessage } from "../../store";
import { Button, IconButton } from "../../ui/Button";
import { Delayed, Empty, Notice, Skeleton } from "../../ui/States";
import { toast } from "../../ui/toast";
import { useText } from "../room/useText";
import { view } from "../room/view";
import { AuthorFace, useAuthorName, useHasAssistant } from "../talk/people";
import { useChatScroll } from "../talk/useChatScroll";
import { AnswerView } from "./AnswerView";
import { AskBox } from "./AskBox";
import { AssistantOff } from "./Off";
import { useSeenComments } from "../talk/useSeen";
import { useQuestions } from "./useQuestions";
import "../talk/talk.css";
import "./assistant.css";

export default function AssistantPanel() {
  return useHasAssistant() ? <Panel /> : <AssistantOff />;
}

const NONE: readonly string[] = [];

function Panel() {
  const { t } = useText();
  const { client, tripId } = useRoom();
  const list = useMessages("chat");
  const all = useRoomState((s) => s.talk.messages);
  const answers = useMemo(() => list.ids.flatMap((id) => {
    const message = all.get(id);
    return message && message.answer !== null && !message.deleted ? [message] : [];
  }), [list.ids, all]);
  const ids = useMemo(() => answers.map((answer) => answer.id), [answers]);
  const older = useCallback(() => void client.talk.older("chat"), [client]);
  const scroll = useChatScroll(ids, list.more, older);
  // Read here is read in the talk too, as far as nothing else in it waits.
  const seen = useMemo(() => answers.flatMap((answer) => [answer.answer?.question ?? "", answer.id]), [answers]);
  useSeenComments(`trip:${tripId}`, scroll.atEnd ? seen : NONE);
  const ask = useAsk();
  const { state, restarting } = useConnection();
  const blocked = state === "live" ? null : restarting ? "" : t("ai.offline");
  const suggestions = useQuestions();
  const none = answers.length === 0;
  return (
    <div className="ai-panel" data-testid="assistant">
      <div ref={scroll.box} className="ai-scroll" onScroll={scroll.onScroll} role="region" aria-label={t("ai.questions")} tabIndex={0}>
        <div className="ai-content">
          {list.status === "failed" ? <Notice tone="bad" action={<Button size="sm" onClick={() => void client.talk.open("chat")}>{t("common.retry")}</Button>}>{t("talk.failed")}</Notice> : null}
          {none && list.status === "ready" && !list.busy && !list.more ? <Empty icon={<Sparkles size={26} />} title={t("ai.emptyTitle")}>{t("ai.empty")}</Empty> : null}
          {list.status === "loading" || list.busy ? <Delayed><Skeleton h={60} /></Delayed> : null}
          <ol className="ai-list">{answers.map((answer) => <Exchange key={answer.id} answer={answer} question={all.get(answer.answer?.question ?? "") ?? null} />)}</ol>
        </div>
      </div>
      <div className="ai-foot">
        {scroll.atEnd ? null : <Button size="sm" className="ai-jump" icon={<ArrowDown size={15} aria-hidden />} onClick={() => scroll.toEnd(true)}>{t("talk.jumpNewest")}</Button>}
        <AskBox placeholder={t("ai.askPlaceholder")} suggestions={suggestions} blocked={blocked} onAsk={async (text) => {
          const taken = await ask(text);
          if (taken) scroll.toEnd();
          return taken;
        }} />
      </div>
    </div>
  );
}

/** The same question after a failure is the same question: it is asked once. */
function useAsk(): (text: string) => Promise<boolean> {
  const { tripId } = useRoom();
  const { t, language } = useText();
  const asked = useRef({ text: "", key: "" });
  return async (text) => {
    if (asked.current.text !== text) asked.current = { text, key: newId() };
    try {
      await api.ask(tripId, { text, locale: language }, asked.current.key);
      asked.current = { text: "", key: "" };
      return true;
    } catch (problem) {
      toast(sentences(t, t("ai.failed"), errorText(problem, t)), { tone: "bad" });
      return false;
    }
  };
}

function Exchange({ answer, question }: { answer: TalkMessage; question: TalkMessage | null }) {
  const { t, language } = useText();
  const asker = answer.answer?.asked_by ?? "";
  const name = useAuthorName(asker);
  return (
    <li className="exchange" data-message={answer.id}>
      <div className="question">
        <AuthorFace id={asker} size={26} />
        <div className="question-words">
          <p className="question-head"><b>{name}</b><time className="num" dateTime={answer.at}>{formatClock(answer.at, language)}</time></p>
          {question && !question.deleted ? <p className="question-text">{question.text}</p> : null}
        </div>
        <IconButton label={t("ai.openTalk")} tip={false} title={t("ai.openTalk")} onClick={() => view.toMessage(answer.id)}><MessageCircle size={16} aria-hidden /></IconButton>
      </div>
      <AnswerView message={answer} />
    </li>
  );
}
