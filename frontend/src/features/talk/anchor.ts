/** The element beside which the comments of a record open: what was pressed, or its row on the board. */
import { talkUi } from "./ui";
import { useView, view, type ViewState } from "../room/view";

type Thread = NonNullable<ViewState["thread"]>;

let pressed: HTMLElement | null = null;

/** Pressed again, the same comments close. */
export function toggleThread(thread: Thread, by: HTMLElement | null): void {
  const { thread: open } = useView.getState();
  pressed = by;
  view.openThread(open !== null && open.t === thread.t && open.id === thread.id ? null : thread);
}

export function openThread(thread: Thread): void {
  pressed = null;
  view.openThread(thread);
}

/** Open the comments that hold this one, and light it up. */
export function openComment(on: Pick<Thread, "t" | "id">, message: string): void {
  openThread({ t: on.t, id: on.id });
  if (message !== "") talkUi.flash(message);
}

export function threadAnchor({ t, id }: Thread): HTMLElement | null {
  if (pressed?.isConnected === true) return pressed;
  const row = t === "stop" ? `[data-stop="${CSS.escape(id)}"] .stop-line` : t === "day" ? `[data-day-id="${CSS.escape(id)}"] .day-head` : ".intro";
  return document.querySelector<HTMLElement>(row) ?? document.querySelector<HTMLElement>("#board");
}
