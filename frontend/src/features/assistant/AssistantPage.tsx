/** Private conversations with the assistant, outside of any trip. */
import { ChevronLeft, MessagesSquare, Plus, Trash2 } from "lucide-react";
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { Link, useNavigate, useParams } from "react-router";
import { useStore } from "zustand";
import { api, ApiError } from "../../api";
import { SignInNeededPage } from "../../app/ErrorPages";
import { errorText, useSession } from "../../app/session";
import { Shell } from "../../app/Shell";
import { useLanguage } from "../../app/useLanguage";
import { usePhone } from "../../app/useMedia";
import { useTitle } from "../../app/useTitle";
import { formatAgo, sentences } from "../../i18n/format";
import type { Conversation, Turn } from "../../protocol.gen";
import { Button, IconButton } from "../../ui/Button";
import { Dialog } from "../../ui/Dialog";
import { Delayed, Empty, Notice, Skeleton } from "../../ui/States";
import { toast } from "../../ui/toast";
import { AnswerBody } from "./AnswerBody";
import { AskBox } from "./AskBox";
import { AssistantOff } from "./Off";
import { PrivateTalk } from "./privateTalk";
import { ofTurn } from "./shown";
import "./assistant.css";

export default function AssistantPage() {
  const session = useSession();
  const { t } = useTranslation();
  useTitle(t("ai.privateTitle"));
  if (session.status === "loading") return <Shell>{null}</Shell>;
  if (session.user === null) return <SignInNeededPage />;
  return <Shell>{session.features["assistant"] === true ? <Conversations key={session.user.id} /> : <AssistantOff level={1} />}</Shell>;
}

function Conversations() {
  const { conversation = null } = useParams();
  const talk = useMemo(() => new PrivateTalk(api), []);
  const state = useStore(talk.store);
  const navigate = useNavigate();
  const phone = usePhone();

  useEffect(() => {
    void talk.loadList();
    return () => talk.leave();
  }, [talk]);
  useEffect(() => void talk.open(conversation), [talk, conversation]);
  // A new conversation gets its address with its first answer.
  const named = conversation === null && state.id !== null && state.turns.length > 0 ? state.id : null;
  useEffect(() => {
    // Not if the page has gone on to another conversation meanwhile.
    if (named !== null && talk.store.getState().id === named) navigate(`/assistant/${named}`, { replace: true });
  }, [talk, named, navigate]);

  const [fresh, setFresh] = useState(false);
  const showTalk = !phone || conversation !== null || fresh;
  return (
    <div className="ai-page">
      {!phone || !showTalk ? <List talk={talk} current={conversation} onNew={() => { talk.begin(); setFresh(true); navigate("/assistant"); }} /> : null}
      {showTalk ? <TalkView talk={talk} phone={phone} onBack={() => { setFresh(false); navigate("/assistant"); }} /> : null}
    </div>
  );
}

function List({ talk, current, onNew }: { talk: PrivateTalk; current: string | null; onNew: () => void }) {
  const { t } = useTranslation();
  const list = useStore(talk.store, (s) => s.list);
  const status = useStore(talk.store, (s) => s.listStatus);
  const [asking, setAsking] = useState<Conversation | null>(null);
  const navigate = useNavigate();
  async function remove(conversation: Conversation): Promise<void> {
    setAsking(null);
    try {
      await talk.remove(conversation.id);
      if (conversation.id === current) navigate("/assistant");
      toast(t("ai.deleted"));
    } catch (problem) {
      toast(errorText(problem, t), { tone: "bad" });
    }
  }
  return (
    <nav className="ai-talks" aria-label={t("ai.talks")}>
      <header><h1>{t("ai.privateTitle")}</h1><Button size="sm" icon={<Plus size={15} aria-hidden />} onClick={onNew}>{t("ai.newTalk")}</Button></header>
      {status === "loading" ? <Delayed><div className="panel-wait"><Skeleton h={40} /><Skeleton h={40} /><Skeleton h={40} /></div></Delayed> : null}
      {status === "failed" ? <Notice tone="bad" action={<Button size="sm" onClick={() => void talk.loadList()}>{t("common.retry")}</Button>}>{t("ai.talksFailed")}</Notice> : null}
      {status === "ready" && list.length === 0 ? <p className="muted ai-talks-none">{t("ai.noTalks")}</p> : null}
      <ul>{list.map((each) => <TalkLine key={each.id} conversation={each} on={each.id === current} onDelete={() => setAsking(each)} />)}</ul>
      {asking ? (
        <Dialog open onClose={() => setAsking(null)} title={t("ai.deleteAsk")} description={t("ai.deleteText")}
          footer={<><Button onClick={() => setAsking(null)}>{t("common.cancel")}</Button><Button variant="danger" onClick={() => void remove(asking)}>{t("ai.delete")}</Button></>}>
          {null}
        </Dialog>
      ) : null}
    </nav>
  );
}

function TalkLine({ conversation, on, onDelete }: { conversation: Conversation; on: boolean; onDelete: () => void }) {
  const { t } = useTranslation();
  const language = useLanguage();
  return (
    <li className={on ? "ai-talk ai-talk-on" : "ai-talk"}>
      <Link to={`/assistant/${conversation.id}`} aria-current={on ? "page" : undefined}>
        <b>{conversation.title}</b>
        <small className="num">{formatAgo(conversation.updated_at, language)}</small>
      </Link>
      <IconButton label={t("ai.deleteTalk", { title: conversation.title })} tip={false} onClick={onDelete}><Trash2 size={16} aria-hidden /></IconButton>
    </li>
  );
}

function TalkView({ talk, phone, onBack }: { talk: PrivateTalk; phone: boolean; onBack: () => void }) {
  const { t } = useTranslation();
  const language = useLanguage();
  const { id, turns, status, error, growing } = useStore(talk.store);
  const box = useFollowing(turns.length, growing?.shown.text ?? "");
  // An attempt that brought nothing, and was made again, says nothing any more.
  const shown = turns.filter((turn, n) => turn.role === "user" || turns[n + 1]?.role !== "assistant" || (turn.text ?? "") !== "");
  const suggestions = [t("ai.privateSuggest.a"), t("ai.privateSuggest.b"), t("ai.privateSuggest.c")];
  const fail = (problem: unknown) => toast(sentences(t, t("ai.failed"), errorText(problem, t)), { tone: "bad" });
  async function ask(text: string): Promise<boolean> {
    try {
      await talk.ask(text, language);
      return true;
    } catch (problem) {
      fail(problem);
      return false;
    }
  }
  const gone = status === "failed" && error instanceof ApiError && error.status === 404;
  return (
    <section className="ai-talk-view" aria-label={turns[0]?.text ?? t("ai.newTalk")} data-testid="conversation">
      {phone ? <header className="phone-head"><IconButton label={t("ai.back")} tip={false} onClick={onBack}><ChevronLeft size={20} aria-hidden /></IconButton><h1 className="phone-title">{t("ai.privateTitle")}</h1></header> : null}
      <div ref={box} className="ai-scroll" role="region" aria-label={t("ai.questions")} tabIndex={0}>
        <div className="ai-content">
          {status === "loading" ? <Delayed><Skeleton h={120} /></Delayed> : null}
          {status === "failed" ? <Notice tone="bad" action={gone || id === null ? undefined : <Button size="sm" onClick={() => void talk.open(id)}>{t("common.retry")}</Button>}>{gone ? errorText(error, t) : t("ai.talkFailed")}</Notice> : null}
          {status === "ready" && turns.length === 0 ? <Empty icon={<MessagesSquare size={26} />} title={t("ai.privateEmptyTitle")}>{t("ai.privateEmpty")}</Empty> : null}
          <ol className="ai-list">{shown.map((turn) => <TurnRow key={turn.id} turn={turn} talk={talk} onFail={fail} />)}</ol>
        </div>
      </div>
      {gone ? null : <div className="ai-foot">
        {growing?.lost ? <p className="ask-note" role="status">{t("ai.lost")}</p> : null}
        <AskBox placeholder={t("ai.privatePlaceholder")} suggestions={turns.length === 0 ? suggestions : []} blocked={growing === null || status !== "ready" ? null : ""} onAsk={ask} autoFocus={!phone} />
      </div>}
    </section>
  );
}

function TurnRow({ turn, talk, onFail }: { turn: Turn; talk: PrivateTalk; onFail: (problem: unknown) => void }) {
  const { t } = useTranslation();
  const language = useLanguage();
  const growing = useStore(talk.store, (s) => (s.growing?.turn === turn.id ? s.growing : null));
  const last = useStore(talk.store, (s) => s.turns.at(-1)?.id === turn.id);
  if (turn.role === "user") return <li className="ai-turn ai-turn-mine"><span className="vh">{t("ai.you")}: </span><p>{turn.text}</p></li>;
  return (
    <li className="ai-turn">
      <span className="vh">{t("ai.name")}: </span>
      <AnswerBody
        answer={ofTurn(turn, growing?.shown ?? null)} paused={growing?.lost ?? false}
        onStop={growing === null ? undefined : () => talk.stop().then(() => true, (problem: unknown) => {
          toast(sentences(t, t("ai.stopFailed"), errorText(problem, t)), { tone: "bad" });
          return false;
        })}
        onRetry={last ? () => talk.again(turn.id, language).catch(onFail) : undefined}
      />
    </li>
  );
}

/** Stays at the newest while it is there; lets go when the reader scrolls up. */
function useFollowing(turns: number, text: string) {
  const box = useRef<HTMLDivElement>(null);
  const following = useRef(true);
  useEffect(() => {
    const node = box.current;
    if (!node) return;
    const look = () => { following.current = node.scrollHeight - node.scrollTop - node.clientHeight < 60; };
    node.addEventListener("scroll", look, { passive: true });
    return () => node.removeEventListener("scroll", look);
  }, []);
  useLayoutEffect(() => { following.current = true; }, [turns]);
  useLayoutEffect(() => {
    if (following.current && box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [turns, text]);
  return box;
}
