import { act, cleanup, render, screen } from "@testing-library/react";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import "../i18n";
import { ToastHost } from "./ToastHost";
import { dismissToast, toast, useToastStore } from "./toast";

let coarse = false;
beforeEach(() => {
  coarse = false;
  vi.stubGlobal("matchMedia", () => ({ matches: coarse }));
  vi.useFakeTimers();
});
afterEach(() => {
  for (const { id } of useToastStore.getState().toasts) act(() => dismissToast(id));
  cleanup();
  vi.useRealTimers();
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
});

const undo = { action: { label: "Undo", run: () => undefined } };
const wait = (ms: number) => act(() => vi.advanceTimersByTime(ms));

test("a notice goes by itself, one that offers something later", () => {
  render(<ToastHost />);
  act(() => {
    toast("Copied");
    toast("Removed", undo);
  });
  wait(4000);
  expect(screen.queryByText("Copied")).toBeNull();
  expect(screen.queryByText("Removed")).not.toBeNull();
  wait(4000);
  expect(screen.queryByText("Removed")).toBeNull();
});

test("one that has the focus stays until it is left", () => {
  render(<ToastHost />);
  act(() => { toast("Removed", undo); });
  const button = screen.getByRole("button", { name: "Undo" });
  act(() => button.focus());
  wait(60_000);
  expect(screen.queryByText("Removed")).not.toBeNull();
  act(() => button.blur());
  // Who leaves it may come back.
  wait(3900);
  expect(screen.queryByText("Removed")).not.toBeNull();
  wait(4600);
  expect(screen.queryByText("Removed")).toBeNull();
});

test("nothing goes while the window is hidden", () => {
  render(<ToastHost />);
  const hidden = vi.spyOn(document, "hidden", "get").mockReturnValue(true);
  act(() => { toast("Copied"); });
  wait(60_000);
  expect(screen.queryByText("Copied")).not.toBeNull();
  // Who comes back has time to read it.
  hidden.mockReturnValue(false);
  wait(3900);
  expect(screen.queryByText("Copied")).not.toBeNull();
  wait(600);
  expect(screen.queryByText("Copied")).toBeNull();
});

test("of many the newest three stay; one that has the focus gives way to none", () => {
  render(<ToastHost />);
  act(() => { toast("Removed", undo); });
  act(() => screen.getByRole("button", { name: "Undo" }).focus());
  act(() => { for (const text of ["1", "2", "3"]) toast(text); });
  expect(screen.getAllByTestId("toast")).toHaveLength(4);
  act(() => screen.getByRole("button", { name: "Undo" }).blur());
  act(() => { toast("5"); });
  expect(screen.getAllByTestId("toast").map((each) => each.querySelector("span")?.textContent)).toEqual(["2", "3", "5"]);
});

test("what has given way asks for nothing any more", () => {
  render(<ToastHost />);
  vi.spyOn(document, "hidden", "get").mockReturnValue(true);
  act(() => { for (let n = 0; n < 500; n += 1) toast(String(n)); });
  wait(60_000);
  expect(vi.getTimerCount()).toBe(3);
});

test("a finger does not hover", () => {
  const asked = vi.spyOn(document, "querySelector");
  act(() => { toast("1"); });
  expect(asked.mock.lastCall?.[0]).toContain(":hover");
  coarse = true;
  act(() => { toast("2"); });
  expect(asked.mock.lastCall?.[0]).not.toContain(":hover");
});

test("the focus goes back to where it was", () => {
  render(<><button type="button">before</button><ToastHost /></>);
  act(() => { toast("Removed", undo); });
  act(() => screen.getByRole("button", { name: "before" }).focus());
  act(() => screen.getByRole("button", { name: "Undo" }).focus());
  act(() => screen.getByRole("button", { name: "Undo" }).click());
  expect(document.activeElement?.textContent).toBe("before");
});
