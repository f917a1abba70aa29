import { act, cleanup, createEvent, fireEvent, render, screen } from "@testing-library/react";
import { afterEach, beforeAll, expect, test, vi } from "vitest";
import "../../i18n";
import { noStorage } from "../../realtime/storage";
import { makeServer } from "../../realtime/testing/room";
import { FakeSurroundings } from "../../realtime/testing/fakeSurroundings";
import { openRoom, RoomContext, type Room } from "../../store";
import { TooltipProvider } from "../../ui/Tooltip";
import { Composer } from "./Composer";
import type { Said } from "./useComposer";

// jsdom has no layout to scroll in.
beforeAll(() => { Element.prototype.scrollIntoView = () => undefined; });

afterEach(() => {
  cleanup();
  localStorage.clear();
});

async function show(onSend: (said: Said) => boolean | Promise<boolean> = () => true) {
  const { clock, server } = makeServer();
  const room: Room = openRoom({
    tripId: "trip", userId: "ann", clock, surroundings: new FakeSurroundings(), storage: noStorage, url: "ws://test",
    openSocket: server.opener("ann"), talk: server.talk.source("ann"),
  });
  await act(async () => undefined);
  act(() => clock.advance(100));
  const element = (
    <TooltipProvider>
      <RoomContext.Provider value={room}>
        <Composer kind="chat" place="chat" focus={{ t: "trip", id: "trip", field: "chat" }} label="Write" placeholder="" onSend={onSend} />
      </RoomContext.Provider>
    </TooltipProvider>
  );
  const shown = render(element);
  return { room, server, clock, shown, element, box: screen.getByLabelText<HTMLTextAreaElement>("Write") };
}

function type(box: HTMLTextAreaElement, text: string): void {
  box.focus();
  fireEvent.change(box, { target: { value: text, selectionStart: text.length } });
}

/** jsdom does not take `keyCode` from the options of an event. */
function press(box: HTMLElement, key: string, more: { shiftKey?: boolean; isComposing?: boolean; keyCode?: number } = {}): void {
  const event = createEvent.keyDown(box, { key, ...more });
  for (const [name, value] of Object.entries(more)) Object.defineProperty(event, name, { value });
  fireEvent(box, event);
}

test("Enter sends what was typed, once, and empties the box; Shift and Enter does not", async () => {
  const onSend = vi.fn(() => true);
  const { box } = await show(onSend);
  type(box, "  hello  ");
  press(box, "Enter", { shiftKey: true });
  expect(onSend).not.toHaveBeenCalled();
  await act(async () => press(box, "Enter"));
  expect(onSend.mock.calls).toEqual([[{ text: "hello", mentions: [], about: null, ask: false }]]);
  expect(box.value).toBe("");
  await act(async () => press(box, "Enter"));
  expect(onSend).toHaveBeenCalledTimes(1);
});

test("an Enter that chooses a word while composing Chinese does not send", async () => {
  const onSend = vi.fn(() => true);
  const { box } = await show(onSend);
  type(box, "ni hao");
  fireEvent.compositionStart(box);
  press(box, "Enter", { isComposing: true, keyCode: 13 });
  // Safari ends composing before it tells of the key that ended it.
  press(box, "Enter", { isComposing: false, keyCode: 229 });
  expect(onSend).not.toHaveBeenCalled();
  fireEvent.compositionEnd(box);
  type(box, "你好");
  await act(async () => press(box, "Enter", { keyCode: 13 }));
  expect(onSend).toHaveBeenCalledTimes(1);
});

test("while composing, Enter does not choose a suggestion either", async () => {
  const { box } = await show();
  type(box, "@b");
  press(box, "Enter", { isComposing: true, keyCode: 229 });
  expect(box.value).toBe("@b");
  press(box, "Enter");
  expect(box.value).toBe("@Bo ");
});

test("suggestions are chosen by keyboard and by pointer, and say who is meant", async () => {
  const onSend = vi.fn(() => true);
  const { box } = await show(onSend);
  type(box, "ask @B");
  expect(screen.getAllByRole("option").map((each) => each.textContent)).toEqual(["BBo"]);
  press(box, "Tab");
  type(box, `${box.value}about #`);
  press(box, "ArrowUp");
  const last = screen.getAllByRole("option").at(-1) as HTMLElement;
  expect(last.getAttribute("aria-selected")).toBe("true");
  expect(box.getAttribute("aria-activedescendant")).toBe(last.id);
  fireEvent.click(screen.getByRole("option", { name: /^b/ }));
  await act(async () => press(box, "Enter"));
  expect(onSend).toHaveBeenCalledWith({ text: "ask @Bo about b", mentions: ["bo"], about: { t: "stop", id: "b" }, ask: false });
});

test("Escape closes the suggestions and nothing else", async () => {
  const { box } = await show();
  type(box, "@");
  expect(screen.queryByRole("listbox")).not.toBeNull();
  press(box, "Escape");
  expect(screen.queryByRole("listbox")).toBeNull();
  expect(box.value).toBe("@");
});

test("what was not taken stays, also when that is known later", async () => {
  let answer: (taken: boolean) => void = () => undefined;
  const { box } = await show(() => new Promise<boolean>((resolve) => (answer = resolve)));
  type(box, "a question");
  await act(async () => press(box, "Enter"));
  expect(box.readOnly).toBe(true);
  await act(async () => answer(false));
  expect(box.value).toBe("a question");
  expect(box.readOnly).toBe(false);
});

test("a draft is kept until it is sent", async () => {
  const { box, shown, element } = await show();
  type(box, "half a thought");
  shown.unmount();
  render(element);
  const again = screen.getByLabelText<HTMLTextAreaElement>("Write");
  expect(again.value).toBe("half a thought");
  await act(async () => press(again, "Enter"));
  cleanup();
  render(element);
  expect(screen.getByLabelText<HTMLTextAreaElement>("Write").value).toBe("");
});

test("too long a text is not sent, and says by how much", async () => {
  const onSend = vi.fn(() => true);
  const { box } = await show(onSend);
  type(box, "好".repeat(4_003));
  await act(async () => press(box, "Enter"));
  expect(onSend).not.toHaveBeenCalled();
  expect(screen.getByRole("status").textContent).toContain("3");
});
