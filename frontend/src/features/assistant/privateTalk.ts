/**
 * Private conversations of one page: the list, the one that is open, and the answer that grows in it.
 *
 * Owns asking, following, stopping and what is left of an answer whose connection was lost. Leaving
 * the page or the conversation ends the reading, and with the last reader gone the server ends the
 * answer. Free of React: the page reads `store`.
 */
import { createStore } from "zustand/vanilla";
import { type Api, ApiError } from "../../api";
import { errorOf } from "../../api/client";
import type { AnswerEnded, Conversation, Turn } from "../../protocol.gen";
import { type Clock, systemClock } from "../../realtime/clock";
import { readAnswer, type Known } from "../../realtime/sse";
import { newId, type AnswerStream } from "../../store";
import { isUnderWay } from "./shown";

export interface PrivateState {
  list: readonly Conversation[];
  listStatus: "loading" | "ready" | "failed";
  /** The open conversation; null: a new one. */
  id: string | null;
  turns: readonly Turn[];
  status: "ready" | "loading" | "failed";
  error: unknown;
  /** The answer under way, by its turn's id: what has come, and whether the connection is away. */
  growing: { turn: string; shown: AnswerStream; lost: boolean } | null;
  /** An answer that could not be followed to its end: it may still be under way. */
  broken: string | null;
}

const START: PrivateState = { list: [], listStatus: "loading", id: null, turns: [], status: "ready", error: null, growing: null, broken: null };
const NOTHING: AnswerStream = { status: "queued", position: 0, text: "", reasoning: "" };
const EVENTS = { Accept: "text/event-stream" };

export type PrivateApi = Pick<Api, "send" | "conversations" | "conversation" | "deleteConversation" | "stopPrivateAnswer">;

export class PrivateTalk {
  readonly store = createStore<PrivateState>(() => START);
  private reading: AbortController | null = null;
  /** What is loaded or read now; older answers of the server are not used any more. */
  private turn = 0;
  /** Begun, and the address has not followed yet. */
  private begun = false;

  constructor(private readonly api: PrivateApi, private readonly clock: Clock = systemClock) {}

  async loadList(): Promise<void> {
    try {
      const { conversations } = await this.api.conversations();
      this.store.setState({ list: conversations, listStatus: "ready" });
    } catch {
      if (this.store.getState().listStatus !== "ready") this.store.setState({ listStatus: "failed" });
    }
  }

  /** Begin a new conversation now: the address follows (`open(null)`), and what was asked until then stays. */
  begin(): void {
    this.begun = false;
    void this.open(null);
    this.begun = true;
  }

  /** Open a conversation, or (null) begin a new one. */
  async open(id: string | null): Promise<void> {
    const { begun } = this;
    this.begun = false;
    if (id === null && begun) return;
    if (id !== null && id === this.store.getState().id && this.store.getState().status !== "failed") return;
    this.leave();
    const turn = ++this.turn;
    this.store.setState({ id, turns: [], status: id === null ? "ready" : "loading", error: null, growing: null, broken: null });
    if (id === null) return;
    try {
      const { turns } = await this.api.conversation(id);
      if (turn !== this.turn) return;
      this.store.setState({ turns, status: "ready" });
      const last = turns.at(-1);
      if (last?.role === "assistant" && isUnderWay({ status: last.status ?? "done" })) void this.follow(last);
    } catch (error) {
      if (turn === this.turn) this.store.setState({ status: "failed", error });
    }
  }

  /** Ask in the open conversation. Resolves when the question was taken; rejects when it was not. */
  ask(text: string, locale: "zh" | "en", retryOf: string | null = null): Promise<void> {
    const { id, turns } = this.store.getState();
    const key = newId();
    const at = new Date(this.clock.now()).toISOString();
    const made = { conversation_id: id ?? "", at };
    const question: Turn[] = retryOf === null ? [{ ...made, id: `q${key}`, n: turns.length, role: "user", text }] : [];
    const answer: Turn = { ...made, id: `a${key}`, n: turns.length + 1, role: "assistant", status: "queued" };
    this.store.setState({ turns: [...turns, ...question, answer], broken: null });
    const body = { text, locale, stream: true, ...(id === null ? {} : { conversation: id }), ...(retryOf === null ? {} : { retry_of: retryOf }) };
    const before = turns;
    return new Promise((resolve, reject) => {
      void this.read(answer.id, null, (signal) => this.api.send("POST", "/api/ai/chat", body, signal, { ...EVENTS, "Idempotency-Key": key }), resolve).then(resolve, (problem: unknown) => {
        if (!(problem instanceof NotOpened)) return resolve();
        this.store.setState({ turns: before, growing: null });
        reject(problem.cause);
      });
    });
  }

  /** Try again: read on where the connection was lost, or ask the same once more. */
  async again(turnId: string, locale: "zh" | "en"): Promise<void> {
    const { broken, turns } = this.store.getState();
    const turn = turns.find((each) => each.id === turnId);
    if (turn === undefined) return;
    if (broken === turnId) await this.follow(turn);
    else await this.ask("", locale, turnId);
  }

  async stop(): Promise<void> {
    const { growing } = this.store.getState();
    if (growing !== null) await this.api.stopPrivateAnswer(growing.turn);
  }

  async remove(id: string): Promise<void> {
    await this.api.deleteConversation(id);
    this.store.setState((state) => ({ list: state.list.filter((each) => each.id !== id) }));
  }

  /** Nobody looks any more. */
  leave(): void {
    this.reading?.abort();
    this.reading = null;
  }

  // --- reading ------------------------------------------------------------------------------

  private async follow(turn: Turn): Promise<void> {
    this.patch(turn.id, { status: "streaming" });
    this.store.setState({ broken: null });
    const known = { answer: turn.id, text: turn.text ?? "", reasoning: turn.reasoning ?? "" };
    await this.read(turn.id, known, () => Promise.reject(new Error("never asked")), () => undefined).catch(() => undefined);
  }

  /** Read an answer to its end into the turn of that id (which gets its real one when it is known). */
  private async read(turnId: string, known: Known | null, ask: (signal: AbortSignal) => Promise<Response>, onOpened: () => void): Promise<void> {
    this.leave();
    const abort = new AbortController();
    this.reading = abort;
    const turn = this.turn;
    const here = () => turn === this.turn && !abort.signal.aborted;
    let id = turnId;
    let opened = known !== null;
    this.store.setState({ growing: { turn: id, shown: known === null ? NOTHING : { ...NOTHING, status: "streaming", text: known.text, reasoning: known.reasoning }, lost: false } });
    try {
      const end = await readAnswer({
        clock: this.clock, signal: abort.signal,
        open: async (resume, signal) => {
          const response = resume === null ? await ask(signal)
            : await this.api.send("GET", `/api/ai/answers/${encodeURIComponent(resume.answer)}`, undefined, signal, { ...EVENTS, "Last-Event-ID": resume.lastEventId });
          if (!response.ok) throw await errorOf(response);
          return response;
        },
        onOpen: (message) => {
          if (!here()) return;
          this.rename(id, message.answer, message.question ?? "");
          id = message.answer;
          opened = true;
          if (message.conversation != null && this.store.getState().id === null) this.store.setState({ id: message.conversation });
          this.grow(id, {});
          onOpened();
        },
        onGrow: (shown) => { if (here()) this.grow(id, { shown }); },
        onLost: (lost) => { if (here() && this.store.getState().growing?.lost !== lost) this.grow(id, { lost }); },
      }, known);
      if (here()) this.finish(id, end);
    } catch (problem) {
      if (abort.signal.aborted) return;
      if (!opened) throw new NotOpened(problem);
      if (here()) this.breakOff(id, problem);
    } finally {
      if (this.reading === abort) this.reading = null;
    }
    void this.loadList();
  }

  private grow(turn: string, change: Partial<{ shown: AnswerStream; lost: boolean }>): void {
    this.store.setState(({ growing }) => ({ growing: { turn, shown: growing?.shown ?? NOTHING, lost: growing?.lost ?? false, ...change } }));
  }

  private finish(id: string, end: AnswerEnded): void {
    const { text, status, reasoning = "", model = "", fault = null, usage = null, sources = [] } = end;
    this.patch(id, { text, status, reasoning, model, fault, usage, sources });
    this.store.setState({ growing: null });
  }

  /** What came stays; whether the answer goes on is not known here. */
  private breakOff(id: string, problem: unknown): void {
    const { growing } = this.store.getState();
    const gone = problem instanceof ApiError && problem.status === 404;
    const error = problem instanceof ApiError ? problem : new ApiError(0, "network", String(problem), true);
    this.patch(id, { status: "interrupted", text: growing?.shown.text ?? "", reasoning: growing?.shown.reasoning ?? "", fault: { code: error.code, message: error.message } });
    this.store.setState({ growing: null, broken: gone ? null : id });
  }

  private patch(id: string, change: Partial<Turn>): void {
    this.store.setState(({ turns }) => ({ turns: turns.map((each) => (each.id === id ? { ...each, ...change } : each)) }));
  }

  /** The server's ids in place of those made here. */
  private rename(from: string, answer: string, question: string): void {
    this.store.setState(({ turns }) => ({
      turns: turns.map((each, n) => {
        if (each.id === from) return { ...each, id: answer };
        return question !== "" && each.role === "user" && turns[n + 1]?.id === from ? { ...each, id: question } : each;
      }),
    }));
  }
}

/** The question was not taken: nothing of it is to be shown. */
class NotOpened extends Error {
  constructor(override readonly cause: unknown) {
    super("the question was not taken");
  }
}
