// @vitest-environment jsdom
import { cleanup, fireEvent, render, screen } from "@testing-library/react";
import { afterEach, expect, test, vi } from "vitest";
import { Editable } from "./Editable";

afterEach(cleanup);

function setup(props: Partial<Parameters<typeof Editable>[0]> = {}) {
  const onCommit = vi.fn();
  const view = render(<Editable value="Dali" label="Name" onCommit={onCommit} {...props} />);
  return { onCommit, box: screen.getByLabelText<HTMLInputElement>("Name"), ...view };
}

test("Enter saves what was typed, once", () => {
  const { onCommit, box } = setup();
  box.focus();
  fireEvent.change(box, { target: { value: " Dali Old Town " } });
  fireEvent.keyDown(box, { key: "Enter" });
  expect(onCommit.mock.calls).toEqual([["Dali Old Town"]]);
});

test("a field that goes away lets go of what it held, and saves what was typed", () => {
  const onEditing = vi.fn();
  const { box, unmount, onCommit } = setup({ onEditing });
  box.focus();
  unmount();
  expect(onEditing.mock.calls).toEqual([["focus"], ["blur"]]);
  expect(onCommit).not.toHaveBeenCalled();
  const other = setup({ onEditing });
  other.unmount();
  expect(onEditing.mock.calls).toHaveLength(2);
});

test("Escape reverts", () => {
  const { onCommit, box } = setup();
  box.focus();
  fireEvent.change(box, { target: { value: "x" } });
  fireEvent.keyDown(box, { key: "Escape" });
  expect(onCommit).not.toHaveBeenCalled();
  expect(box.value).toBe("Dali");
});

test("while somebody types, values from others wait", () => {
  const { box, rerender, onCommit } = setup();
  box.focus();
  fireEvent.change(box, { target: { value: "mine" } });
  rerender(<Editable value="theirs" label="Name" onCommit={onCommit} />);
  expect(box.value).toBe("mine");
});

test("a field that goes away saves what was typed", () => {
  const { box, onCommit, unmount } = setup();
  box.focus();
  fireEvent.change(box, { target: { value: "kept" } });
  unmount();
  expect(onCommit).toHaveBeenCalledWith("kept");
});

test("what cannot be understood is not saved, and says why", () => {
  const { box, onCommit } = setup({ parse: () => null, invalidText: "Not a time" });
  box.focus();
  fireEvent.change(box, { target: { value: "noon" } });
  fireEvent.blur(box);
  expect(onCommit).not.toHaveBeenCalled();
  expect(screen.getByRole("alert").textContent).toBe("Not a time");
});

test("an input method's Enter does not save", () => {
  const { box, onCommit } = setup();
  box.focus();
  fireEvent.change(box, { target: { value: "dali" } });
  fireEvent.keyDown(box, { key: "Enter", isComposing: true });
  expect(onCommit).not.toHaveBeenCalled();
});
