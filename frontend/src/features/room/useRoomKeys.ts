/** The keyboard of the room. Letters are free while somebody types in a field. */
import { useEffect, useRef } from "react";
import { canEdit, useRoom } from "../../store";
import { useSuggest } from "../proposals/ModePill";
import { boardOrder } from "./itinerary";
import { useUndo } from "./useUndo";
import { IN_IDEAS, useView, view } from "./view";

export function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  return target.isContentEditable || (target.matches("input, textarea, select") && !target.matches("[type=radio], [type=checkbox], [readonly]"));
}

export function focusStop(id: string): void {
  const row = document.querySelector<HTMLElement>(`[data-testid="stop-${CSS.escape(id)}"]`);
  row?.querySelector<HTMLElement>(".stop-open")?.focus({ preventScroll: true });
  row?.scrollIntoView({ block: "nearest" });
}

export function useRoomKeys(): void {
  const room = useRoom();
  const { undo, redo } = useUndo();
  const turn = useSuggest();
  const suggest = useRef(turn);
  suggest.current = turn;
  useEffect(() => {
    function step(by: 1 | -1): void {
      const order = boardOrder(room.store.getState());
      const here = (document.activeElement?.closest("[data-stop]") as HTMLElement | null)?.dataset["stop"] ?? useView.getState().openStop;
      const at = here ? order.indexOf(here) : by === 1 ? -1 : order.length;
      const next = order[Math.min(order.length - 1, Math.max(0, at + by))];
      if (next) focusStop(next);
    }
    function addStop(): void {
      const state = room.store.getState();
      // A viewer who begins to edit begins to suggest.
      if (!canEdit(state)) {
        if (state.me.role !== "viewer") return;
        suggest.current(true);
      }
      const here = (document.activeElement?.closest("[data-day-id]") as HTMLElement | null)?.dataset["dayId"];
      view.add(here ?? useView.getState().day ?? state.days[0]?.id ?? IN_IDEAS);
    }
    function toggleTalk(): void {
      const { role } = room.store.getState().me;
      if (role === null || role === "spectator") return;
      const { drawer, tab } = useView.getState();
      if (drawer === "talk" || tab === "talk") {
        view.setDrawer(null);
        if (tab === "talk") view.setTab("plan");
      } else view.show("talk");
    }
    function onKey(event: KeyboardEvent): void {
      if (event.defaultPrevented || event.isComposing) return;
      const command = event.ctrlKey || event.metaKey;
      const key = event.key.toLowerCase();
      if (command && key === "k") {
        event.preventDefault();
        view.dialog("commands");
        return;
      }
      if (isTyping(event.target) || document.querySelector("[role=dialog][data-state=open]")) return;
      if (command && (key === "z" || key === "y")) {
        event.preventDefault();
        if (key === "y" || event.shiftKey) redo();
        else undo();
        return;
      }
      if (command || event.altKey) return;
      if (key === "escape") {
        const { picking, selected, openStop } = useView.getState();
        if (picking) view.pick(null);
        else if (selected.size > 0) view.select([]);
        else if (openStop) {
          view.open(null);
          focusStop(openStop);
        }
        return;
      }
      const run: Record<string, () => void> = { n: addStop, t: toggleTalk, j: () => step(1), k: () => step(-1), "?": () => view.dialog("keys"), "/": () => view.dialog("commands") };
      const action = run[key];
      if (!action) return;
      event.preventDefault();
      action();
    }
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, [room, undo, redo]);
}
