/** Photos that are dropped on the board, or pasted: on a stop they become its photo, anywhere else the cover. */
import { useEffect } from "react";
import type { DragEvent } from "react";
import { useConnection, useIsEditor, useSuggesting } from "../../store";
import { useView } from "../room/view";
import type { Place } from "./uploads";
import { usePhotoAdding } from "./usePhotoPlace";

const MARK = "photoDrop";

/** Handlers for the element that holds the plan. */
export function usePhotoInput() {
  const { add } = usePhotoAdding();
  const editor = useIsEditor();
  const suggesting = useSuggesting();
  const { state } = useConnection();
  const enabled = editor && !suggesting && state === "live";

  useEffect(() => {
    if (!enabled) return;
    const paste = (event: ClipboardEvent) => {
      const file = imageOf(event.clipboardData);
      const target = event.target instanceof HTMLElement ? event.target : null;
      const writing = target?.closest("input, textarea, [contenteditable]") ?? null;
      // A picture beside text is for the text; and a chat is not the place to change the cover from.
      if (!file || target?.closest(".side-panel, .phone-pane, .dialog:not(:has(.editor))") || (writing && event.clipboardData?.getData("text/plain"))) return;
      event.preventDefault();
      const { openStop } = useView.getState();
      add(openStop ? { stop: openStop } : "cover", file);
    };
    document.addEventListener("paste", paste);
    return () => document.removeEventListener("paste", paste);
  });

  if (!enabled) return {};
  return {
    onDragOver: (event: DragEvent<HTMLElement>) => {
      if (!event.dataTransfer.types.includes("Files")) return;
      event.preventDefault();
      event.dataTransfer.dropEffect = "copy";
      mark(event.currentTarget, event.target);
    },
    onDragLeave: (event: DragEvent<HTMLElement>) => {
      if (!(event.relatedTarget instanceof Node) || !event.currentTarget.contains(event.relatedTarget)) unmark(event.currentTarget);
    },
    onDrop: (event: DragEvent<HTMLElement>) => {
      unmark(event.currentTarget);
      const file = imageOf(event.dataTransfer) ?? event.dataTransfer.files[0];
      if (!file) return;
      event.preventDefault();
      add(placeOf(event.target), file);
    },
  };
}

function imageOf(data: DataTransfer | null): File | undefined {
  return [...(data?.files ?? [])].find((file) => file.type.startsWith("image/"));
}

function placeOf(target: EventTarget): Place {
  const stop = target instanceof Element ? target.closest<HTMLElement>("[data-stop]")?.dataset["stop"] : undefined;
  return stop ? { stop } : "cover";
}

/** Say where it would land, without rendering the board for it. */
function mark(board: HTMLElement, target: EventTarget): void {
  const here = (target instanceof Element ? target.closest<HTMLElement>("[data-stop]") : null) ?? board.querySelector<HTMLElement>(".intro") ?? board;
  if (here.dataset[MARK] !== undefined) return;
  unmark(board);
  here.dataset[MARK] = "";
}

function unmark(board: HTMLElement): void {
  for (const each of [board, ...board.querySelectorAll<HTMLElement>("[data-photo-drop]")]) delete each.dataset[MARK];
}
