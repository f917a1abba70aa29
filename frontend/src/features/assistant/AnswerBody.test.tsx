// @vitest-environment jsdom
import "../../i18n";
import { act, cleanup, fireEvent, render, screen } from "@testing-library/react";
import { afterEach, describe, expect, it, vi } from "vitest";
import { AnswerBody } from "./AnswerBody";
import type { AnswerShown } from "./shown";

const { said } = vi.hoisted(() => ({ said: [] as string[] }));
vi.mock("../../ui/announce", () => ({ announce: (message: string) => void said.push(message) }));

afterEach(() => {
  said.length = 0;
  cleanup();
  vi.useRealTimers();
});

const answer = (more: Partial<AnswerShown> = {}): AnswerShown => ({
  id: "A", status: "done", position: 0, text: "", reasoning: "", model: "", fault: null, usage: null, sources: [], ...more,
});
const text = () => screen.getByTestId("answer").textContent;

describe("an answer", () => {
  it("says its place in the queue, and can be stopped there", async () => {
    const stop = vi.fn(() => Promise.resolve(true));
    render(<AnswerBody answer={answer({ status: "queued", position: 3 })} onStop={stop} />);
    expect(text()).toContain("Number 3 in the queue");
    await act(async () => fireEvent.click(screen.getByRole("button", { name: "Stop" })));
    expect(stop).toHaveBeenCalledOnce();
    expect(text()).toContain("Stopping");
    expect(screen.getByRole<HTMLButtonElement>("button", { name: "Stop" }).disabled).toBe(true);
  });

  it("lets one try again to stop it when that failed", async () => {
    render(<AnswerBody answer={answer({ status: "streaming" })} onStop={() => Promise.resolve(false)} />);
    await act(async () => fireEvent.click(screen.getByRole("button", { name: "Stop" })));
    expect(screen.getByRole<HTMLButtonElement>("button", { name: "Stop" }).disabled).toBe(false);
  });

  it("keeps thoughts apart and closed", () => {
    render(<AnswerBody answer={answer({ status: "streaming", reasoning: "hm" })} />);
    const thoughts = screen.getByText("hm").closest("details");
    expect(thoughts?.open).toBe(false);
    expect(text()).toContain("Thinking");
    expect(screen.queryByRole("button", { name: "Stop" })).toBeNull();
  });

  it("does not pretend to go on without a connection", () => {
    render(<AnswerBody answer={answer({ status: "streaming", text: "so far" })} paused />);
    expect(text()).toContain("Waiting for the connection");
    expect(document.querySelector(".md-growing, .typing")).toBeNull();
    expect(text()).toContain("so far");
  });

  it.each([
    ["failed", "ai_unauthorized", "No answer", "does not accept this site's key"],
    ["interrupted", "ai_restart", "The answer was cut off.", "The server was restarted"],
    ["interrupted", "ai_lost", "The answer was cut off.", "was lost"],
    ["failed", "brand_new", "No answer", "That did not work: upstream said so"],
  ] as const)("tells why it ended: %s %s", (status, code, title, why) => {
    render(<AnswerBody answer={answer({ status, fault: { code, message: "upstream said so" } })} onRetry={() => Promise.resolve()} />);
    expect(text()).toContain(title);
    expect(text()).toContain(why);
    expect(screen.getByRole("button", { name: "Try again" })).toBeTruthy();
  });

  it("keeps what had come, and calls that no lack of an answer", () => {
    render(<AnswerBody answer={answer({ status: "failed", text: "half", fault: { code: "ai_cut", message: "" } })} />);
    expect(text()).toContain("half");
    expect(text()).toContain("The answer was cut off.");
  });

  it("waits as long as the service asked to", async () => {
    vi.useFakeTimers();
    const retry = vi.fn(() => Promise.resolve());
    render(<AnswerBody answer={answer({ status: "failed", fault: { code: "ai_rate_limited", message: "", retry_after: 2.4 } })} onRetry={retry} />);
    const button = screen.getByRole<HTMLButtonElement>("button");
    expect([button.textContent, button.disabled]).toEqual(["Try again in 3 s", true]);
    act(() => void vi.advanceTimersByTime(3_000));
    expect([button.textContent, button.disabled]).toEqual(["Try again", false]);
    await act(async () => fireEvent.click(button));
    expect(retry).toHaveBeenCalledOnce();
  });

  it("shows model, use and sources, which open apart", () => {
    render(<AnswerBody answer={answer({
      text: "x", model: "m", usage: { prompt_tokens: 33, completion_tokens: 21 },
      sources: [{ trip_id: "t/1", title: "Yunnan", excerpt: "by the lake", records: [{ t: "stop", id: "s", name: "Erhai" }, { t: "trip", id: "t", name: "Yunnan" }] }],
    })} />);
    expect(text()).toContain("m · 33 tokens read, 21 written");
    const card = screen.getByTestId<HTMLAnchorElement>("source");
    expect([card.getAttribute("href"), card.target, card.textContent]).toEqual(["/t/t%2F1", "_blank", "Yunnanby the lakeErhai"]);
  });

  it("is announced when it begins and when it ends, not in between", () => {
    const view = render(<AnswerBody answer={answer({ status: "queued" })} />);
    for (const words of ["a", "a b", "a b c"]) view.rerender(<AnswerBody answer={answer({ status: "streaming", text: words })} />);
    view.rerender(<AnswerBody answer={answer({ status: "done", text: "a b c" })} />);
    expect(said).toEqual(["The assistant is answering.", "The assistant has answered."]);
  });

  it("of an earlier time is not announced", () => {
    render(<AnswerBody answer={answer({ text: "old" })} />);
    expect(said).toEqual([]);
  });
});
