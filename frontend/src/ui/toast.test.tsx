import { act, cleanup, render, screen } from "@testing-library/react";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import "../i18n";
import { ToastHost } from "./ToastHost";
import { toast } from "./toast";

beforeEach(() => vi.useFakeTimers());
afterEach(() => {
  cleanup();
  vi.useRealTimers();
  vi.restoreAllMocks();
});

const wait = (ms: number) => act(() => vi.advanceTimersByTime(ms));

test("a notice goes by itself, one that offers something later", () => {
  render(<ToastHost />);
  act(() => {
    toast("Copied");
    toast("Removed", { action: { label: "Undo", run: () => undefined } });
  });
  wait(4000);
  expect(screen.queryByText("Copied")).toBeNull();
  expect(screen.queryByText("Removed")).not.toBeNull();
  wait(4000);
  expect(screen.queryByText("Removed")).toBeNull();
});

test("one that has the focus stays until it is left", () => {
  render(<ToastHost />);
  act(() => { toast("Removed", { action: { label: "Undo", run: () => undefined } }); });
  const undo = screen.getByRole("button", { name: "Undo" });
  act(() => undo.focus());
  wait(60_000);
  expect(screen.queryByText("Removed")).not.toBeNull();
  act(() => undo.blur());
  wait(2000);
  expect(screen.queryByText("Removed")).toBeNull();
});

test("nothing goes while the window is hidden", () => {
  render(<ToastHost />);
  const hidden = vi.spyOn(document, "hidden", "get").mockReturnValue(true);
  act(() => { toast("Copied"); });
  wait(60_000);
  expect(screen.queryByText("Copied")).not.toBeNull();
  hidden.mockReturnValue(false);
  wait(2000);
  expect(screen.queryByText("Copied")).toBeNull();
});
