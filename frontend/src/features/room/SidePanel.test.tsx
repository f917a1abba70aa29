import { fireEvent, render, screen } from "@testing-library/react";
import { expect, test, vi } from "vitest";
import "../../i18n";
import { SidePanel } from "./SidePanel";

test("Escape closes the panel, unless what is in it has used the key", () => {
  const close = vi.fn();
  const mine = (event: { key: string; preventDefault(): void }) => { if (event.key === "Escape") event.preventDefault(); };
  render(<SidePanel title="Talk" over={false} onClose={close}><input aria-label="busy" onKeyDown={mine} /><input aria-label="idle" /></SidePanel>);
  fireEvent.keyDown(screen.getByLabelText("busy"), { key: "Escape" });
  expect(close).not.toHaveBeenCalled();
  fireEvent.keyDown(screen.getByLabelText("idle"), { key: "Escape" });
  expect(close).toHaveBeenCalledOnce();
});
