import { describe, expect, it } from "vitest";
import { ApiError } from "../../api";
import type { AnswerEnded, Conversation, Turn } from "../../protocol.gen";
import { FakeClock } from "../../realtime/testing/fakeClock";
import { PrivateTalk, type PrivateApi } from "./privateTalk";

const sse = (event: string, data: object) => `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
const opened = (answer = "A") => sse("open", { answer, question: "Q", conversation: "C" });
const delta = (at: number, text: string, answer = "A") => sse("delta", { answer, status: "streaming", at, text });
const end = (text: string, more: Partial<AnswerEnded> = {}) => sse("end", { answer: "A", status: "done", text, ...more });

/** A body that the test feeds. */
class Line {
  private controller: ReadableStreamDefaultController<Uint8Array> | null = null;
  cancelled = false;
  readonly response = new Response(new ReadableStream<Uint8Array>({
    start: (controller) => { this.controller = controller; },
    cancel: () => { this.cancelled = true; },
  }), { headers: { "Content-Type": "text/event-stream" } });

  say(...events: string[]): void {
    for (const event of events) this.controller?.enqueue(new TextEncoder().encode(event));
  }

  close(): void {
    this.controller?.close();
  }
}

function make(answers: (Line | Response | Error)[], turns: Turn[] = []) {
  const calls: { method: string; path: string; body: unknown; headers: Record<string, string>; signal: AbortSignal | undefined }[] = [];
  const stopped: string[] = [];
  const list: Conversation[] = [];
  const clock = new FakeClock(() => 0);
  const api = {
    send: async (method: string, path: string, body: unknown, signal: AbortSignal | undefined, headers: Record<string, string>) => {
      calls.push({ method, path, body, headers, signal });
      const next = answers.shift() ?? new ApiError(404, "not_found", "no more", false);
      if (next instanceof Error) throw next;
      return next instanceof Line ? next.response : next;
    },
    conversations: async () => ({ conversations: list }),
    conversation: async (id: string) => {
      if (id === "gone") throw new ApiError(404, "not_found", "gone", false);
      return { conversation: { id, user_id: "u", title: "t", created_at: "", updated_at: "" }, turns };
    },
    deleteConversation: async () => ({ ok: true as const }),
    stopPrivateAnswer: async (answer: string) => {
      stopped.push(answer);
      return { ok: true as const };
    },
  } as unknown as PrivateApi;
  const talk = new PrivateTalk(api, clock);
  const state = () => talk.store.getState();
  const settle = async () => { for (let n = 0; n < 5; n += 1) await new Promise((resolve) => setTimeout(resolve)); };
  return { talk, state, calls, stopped, clock, settle };
}

const refusal = (status: number, code: string) => Response.json({ error: { code, message: code, retryable: true } }, { status });

describe("a private conversation", () => {
  it("shows the question at once and the answer as it grows, under the server's names", async () => {
    const line = new Line();
    const { talk, state, calls, settle } = make([line]);
    const asked = talk.ask("云南？", "zh");
    expect(state().turns).toMatchObject([{ role: "user", text: "云南？" }, { role: "assistant", status: "queued" }]);
    line.say(opened());
    await asked;
    expect(state()).toMatchObject({ id: "C", turns: [{ id: "Q" }, { id: "A" }], growing: { turn: "A" } });
    line.say(delta(0, "去大"), delta(2, "理"));
    await settle();
    expect(state().growing?.shown.text).toBe("去大理");
    line.say(end("去大理。", { model: "m", sources: [{ trip_id: "t", title: "T", excerpt: "", records: [] }] }));
    await settle();
    expect(state().growing).toBeNull();
    expect(state().turns[1]).toMatchObject({ text: "去大理。", status: "done", model: "m", sources: [{ trip_id: "t" }] });
    expect(calls[0]).toMatchObject({ method: "POST", path: "/api/ai/chat", body: { text: "云南？", locale: "zh", stream: true } });
    expect(calls[0]?.headers["Idempotency-Key"]).toMatch(/^[\w-]{8,}$/);
  });

  it("takes a refused question back, with the reason", async () => {
    const { talk, state } = make([refusal(429, "ai_busy")]);
    await expect(talk.ask("again", "en")).rejects.toMatchObject({ code: "ai_busy" });
    expect(state()).toMatchObject({ turns: [], growing: null, id: null });
  });

  it("asks the same again with the same key when the question may not have arrived", async () => {
    const line = new Line();
    const { talk, calls, clock, settle } = make([new ApiError(0, "network", "away", true), line]);
    const asked = talk.ask("x", "en");
    await settle();
    clock.advance(1_000);
    await settle();
    line.say(opened(), end("y"));
    await asked;
    expect(calls[1]?.headers["Idempotency-Key"]).toBe(calls[0]?.headers["Idempotency-Key"]);
  });

  it("goes on after a cut where it was, and says meanwhile that it is away", async () => {
    const [first, second] = [new Line(), new Line()];
    const { talk, state, calls, clock, settle } = make([first, second]);
    const asked = talk.ask("x", "en");
    first.say(opened(), delta(0, "🏔️"));
    await asked;
    await settle();
    first.close();
    await settle();
    expect(state().growing).toMatchObject({ lost: true, shown: { text: "🏔️" } });
    clock.advance(10_000);
    await settle();
    second.say(delta(2, "!"), end("🏔️!"));
    await settle();
    expect(calls[1]).toMatchObject({ method: "GET", path: "/api/ai/answers/A", headers: { "Last-Event-ID": "A.2.0" } });
    expect(state().turns[1]).toMatchObject({ text: "🏔️!", status: "done" });
  });

  it("keeps what came of an answer that cannot be followed, and reads on when asked to", async () => {
    const [first, second] = [new Line(), new Line()];
    const { talk, state, calls, clock, settle } = make([first, new ApiError(401, "unauthenticated", "signed out", false), second]);
    const asked = talk.ask("x", "en");
    first.say(opened(), delta(0, "half"));
    await asked;
    await settle();
    first.close();
    await settle();
    expect(calls).toHaveLength(1);
    clock.advance(10_000);
    await settle();
    expect(state()).toMatchObject({ growing: null, broken: "A", turns: [{}, { status: "interrupted", text: "half", fault: { code: "unauthenticated" } }] });
    void talk.again("A", "en");
    await settle();
    second.say(delta(4, " and half"), end("half and half"));
    await settle();
    expect(calls[2]).toMatchObject({ path: "/api/ai/answers/A", headers: { "Last-Event-ID": "A.4.0" } });
    expect(state().turns[1]).toMatchObject({ status: "done", text: "half and half" });
  });

  it("asks the same question again after an answer that failed", async () => {
    const line = new Line();
    const failed: Turn[] = [{ id: "Q", conversation_id: "C", n: 0, role: "user", at: "", text: "x" }, { id: "F", conversation_id: "C", n: 1, role: "assistant", at: "", status: "failed" }];
    const { talk, state, calls } = make([line], failed);
    await talk.open("C");
    const again = talk.again("F", "en");
    line.say(sse("open", { answer: "A", question: "Q", conversation: "C" }), end("y"));
    await again;
    expect(calls[0]?.body).toMatchObject({ conversation: "C", retry_of: "F" });
    expect(state().turns.map((turn) => turn.role)).toEqual(["user", "assistant", "assistant"]);
  });

  it("picks up an answer that is under way when it is opened", async () => {
    const line = new Line();
    const turns: Turn[] = [{ id: "Q", conversation_id: "C", n: 0, role: "user", at: "", text: "x" }, { id: "A", conversation_id: "C", n: 1, role: "assistant", at: "", status: "streaming", text: "so far" }];
    const { talk, state, calls, settle } = make([line], turns);
    await talk.open("C");
    await settle();
    expect(state().growing?.shown).toMatchObject({ status: "streaming", text: "so far" });
    expect(calls[0]?.headers["Last-Event-ID"]).toBe("A.6.0");
  });

  it("ends the reading when the page or the conversation is left, and stops on request", async () => {
    const line = new Line();
    const { talk, state, calls, stopped, settle } = make([line]);
    const asked = talk.ask("x", "en");
    line.say(opened());
    await asked;
    await talk.stop();
    expect(stopped).toEqual(["A"]);
    await talk.open(null);
    await settle();
    expect(calls[0]?.signal?.aborted).toBe(true);
    expect(line.cancelled).toBe(true);
    expect(state()).toMatchObject({ id: null, turns: [], growing: null });
    line.say = () => undefined;
    await settle();
    expect(state().turns).toEqual([]);
  });

  it("asks in the conversation that was begun, though the address is still that of the one before", async () => {
    const line = new Line();
    const { talk, state, calls, settle } = make([line]);
    await talk.open("old");
    talk.begin();
    void talk.ask("Where to?", "en");
    await settle();
    expect(calls[0]?.body).not.toHaveProperty("conversation");
    void talk.open(null);
    line.say(opened(), end("There"));
    await settle();
    expect(state()).toMatchObject({ id: "C", turns: [{ text: "Where to?" }, { text: "There" }] });
    // One more click begins another.
    void talk.open("C");
    talk.begin();
    expect(state()).toMatchObject({ id: null, turns: [] });
  });

  it("says that a conversation is gone", async () => {
    const { talk, state } = make([]);
    await talk.open("gone");
    expect(state()).toMatchObject({ status: "failed", error: { status: 404 } });
  });
});
