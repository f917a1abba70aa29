/** One answer, in any of its states: waiting, thinking, growing, ended well or not. The same in rooms
    and in private conversations. */
import { Brain, CircleStop, Clock3, CloudOff, RotateCcw, TriangleAlert } from "lucide-react";
import { memo, Suspense, useDeferredValue, useEffect, useRef, useState } from "react";
import type { ReactNode } from "react";
import { codeText } from "../../app/session";
import { announce } from "../../ui/announce";
import { Button } from "../../ui/Button";
import { later } from "../../ui/later";
import { useText } from "../room/useText";
import { isUnderWay, type AnswerShown } from "./shown";
import { Sources } from "./Sources";
import "./assistant.css";

/** The words as they came are better than none. */
const Markdown = later(async () => (await import("./Markdown")).default, ({ text }: { text: string }) => <p className="md-plain">{text}</p>);

export interface AnswerBodyProps {
  answer: AnswerShown;
  /** Nothing can arrive now: said instead of pretending. */
  paused?: boolean;
  onStop?: (() => Promise<unknown>) | undefined;
  onRetry?: (() => Promise<unknown>) | undefined;
  /** What the answer proposes. */
  children?: ReactNode;
}

export function AnswerBody({ answer, paused = false, onStop, onRetry, children }: AnswerBodyProps) {
  useAnnounced(answer);
  const going = isUnderWay(answer);
  return (
    <div className={`answer answer-${answer.status}`} data-testid="answer" data-status={answer.status} aria-busy={going}>
      {answer.reasoning ? <Reasoning text={answer.reasoning} open={going && answer.text === ""} /> : null}
      <AnswerText text={answer.text} growing={going && !paused} />
      {going ? <Going answer={answer} paused={paused} onStop={onStop} /> : <Ended answer={answer} onRetry={onRetry} />}
      {answer.sources.length > 0 ? <Sources sources={answer.sources} /> : null}
      {children}
      {going ? null : <Details answer={answer} />}
    </div>
  );
}

/** While it grows, the newest text may wait for a moment when the page has more urgent things to do. */
const AnswerText = memo(function AnswerText({ text, growing }: { text: string; growing: boolean }) {
  if (text === "") return null;
  return (
    <div className={growing ? "md md-growing" : "md"}>
      <Suspense fallback={<p className="md-plain">{text}</p>}><Words text={text} growing={growing} /></Suspense>
    </div>
  );
});

/** Mounted when its chunk is there: a text deferred before that would show less than was there already. */
function Words({ text, growing }: { text: string; growing: boolean }) {
  const shown = useDeferredValue(text);
  return <Markdown text={growing ? shown : text} />;
}

function Reasoning({ text, open }: { text: string; open: boolean }) {
  const { t } = useText();
  const box = useRef<HTMLDivElement>(null);
  // The newest thought stays in view while it grows.
  useEffect(() => {
    if (open && box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [text, open]);
  return (
    <details className="answer-thoughts">
      <summary><Brain size={14} aria-hidden />{t(open ? "ai.thinking" : "ai.thought")}{open ? <Dots /> : null}</summary>
      <div ref={box} className="answer-thoughts-text" tabIndex={0} role="region" aria-label={t("ai.thought")}>{text}</div>
    </details>
  );
}

const Dots = () => <span className="typing" aria-hidden><i /><i /><i /></span>;

function Going({ answer, paused, onStop }: { answer: AnswerShown; paused: boolean; onStop: AnswerBodyProps["onStop"] }) {
  const { t } = useText();
  const [stopping, setStopping] = useState(false);
  async function stop(): Promise<void> {
    setStopping(true);
    // Being stopped comes with the answer's end; only a failure lets one try again.
    if (onStop && (await onStop()) === false) setStopping(false);
  }
  const word = stopping ? "ai.stopping" : paused ? "ai.paused" : answer.status === "queued" ? "ai.queued" : answer.text === "" ? "ai.thinking" : "ai.writing";
  // The line of its thoughts says so already.
  const said = word === "ai.thinking" && answer.reasoning !== "";
  return (
    <div className="answer-state">
      <span className="answer-word">
        {paused ? <CloudOff size={14} aria-hidden /> : answer.status === "queued" ? <Clock3 size={14} aria-hidden /> : null}
        {answer.status === "queued" && answer.position > 0 && !paused && !stopping ? <span className="num">{t("ai.position", { n: answer.position })}</span>
          : said ? <span className="vh">{t(word)}</span> : t(word)}
        {paused || answer.status === "queued" || said ? null : <Dots />}
      </span>
      {onStop ? <Button size="sm" icon={<CircleStop size={14} aria-hidden />} disabled={stopping} onClick={() => void stop()}>{t("ai.stop")}</Button> : null}
    </div>
  );
}

function Ended({ answer, onRetry }: { answer: AnswerShown; onRetry: AnswerBodyProps["onRetry"] }) {
  const { t } = useText();
  const { status, fault } = answer;
  if (status === "done") return answer.text === "" && answer.reasoning === "" ? <p className="muted">{t("ai.noText")}</p> : null;
  const why = fault === null ? "" : codeText(fault.code, fault.message, t);
  const bad = status === "failed" || status === "interrupted";
  const title = t(status === "failed" && answer.text === "" ? "ai.failedTitle" : status === "stopped" ? "ai.stopped" : "ai.interrupted");
  return (
    <div className={bad ? "answer-end answer-end-bad" : "answer-end"}>
      {bad ? <TriangleAlert size={16} aria-hidden /> : <CircleStop size={16} aria-hidden />}
      <p><b>{title}</b>{why ? <span>{why}</span> : null}</p>
      {onRetry ? <Retry key={answer.id} wait={fault?.retry_after ?? 0} onRetry={onRetry} /> : null}
    </div>
  );
}

/** As long as the service asked to be left alone, the button says for how long. */
function Retry({ wait, onRetry }: { wait: number; onRetry: () => Promise<unknown> }) {
  const { t } = useText();
  const [left, setLeft] = useState(() => Math.ceil(Math.min(wait, 600)));
  const [busy, setBusy] = useState(false);
  const waiting = left > 0;
  useEffect(() => {
    if (!waiting) return;
    const timer = window.setInterval(() => setLeft((n) => n - 1), 1_000);
    return () => window.clearInterval(timer);
  }, [waiting]);
  async function retry(): Promise<void> {
    setBusy(true);
    await onRetry();
    setBusy(false);
  }
  return (
    <Button size="sm" className="num" icon={<RotateCcw size={14} aria-hidden />} disabled={waiting} busy={busy} onClick={() => void retry()}>
      {waiting ? t("ai.retryIn", { n: left }) : t("common.retry")}
    </Button>
  );
}

function Details({ answer }: { answer: AnswerShown }) {
  const { t } = useText();
  const { model, usage } = answer;
  if (model === "" && usage === null) return null;
  const tokens = usage === null ? "" : t("ai.tokens", { prompt: usage.prompt_tokens, completion: usage.completion_tokens });
  return <p className="answer-details num" aria-label={t("ai.details")} role="note">{[model, tokens].filter(Boolean).join(" · ")}</p>;
}

/** The start and the end are said to screen readers, not each word. */
function useAnnounced(answer: AnswerShown): void {
  const { t } = useText();
  const { status } = answer;
  const going = isUnderWay(answer);
  const before = useRef<boolean | null>(null);
  useEffect(() => {
    const was = before.current;
    before.current = going;
    if (going && was !== true) announce(t("ai.said.start"));
    else if (!going && was === true) announce(t(status === "done" ? "ai.said.done" : status === "stopped" ? "ai.said.stopped" : "ai.said.failed"));
  }, [going, status, t]);
}
