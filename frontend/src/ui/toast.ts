/** Short messages with a way out (undo, retry). Owns the list only; `ToastHost` draws it. */
import { create } from "zustand";

export interface Toast {
  id: number;
  text: string;
  tone: "plain" | "bad";
  action?: { label: string; run: () => void };
}

interface ToastState {
  toasts: Toast[];
}

/** For `ToastHost`, and tests. */
export const useToastStore = create<ToastState>(() => ({ toasts: [] }));
let next = 1;

export function dismissToast(id: number): void {
  useToastStore.setState((s) => ({ toasts: s.toasts.filter((toast) => toast.id !== id) }));
}

/** Whoever points at a notice, is in it with the keyboard, or looks at another window still has it (WCAG 2.2.1). */
const isInUse = (): boolean => document.querySelector(`.toast:is(${isTouched() ? "" : ":hover, "}:focus-within)`) !== null;
/** After a tap, a touch screen says that the finger still hovers there. */
const isTouched = (): boolean => window.matchMedia("(pointer: coarse)").matches;
const isShown = (id: number): boolean => useToastStore.getState().toasts.some((toast) => toast.id === id);
const LOOK_MS = 500;
const MS = 4000;
const MS_WITH_ACTION = 8000;
/** What was held is still there for so long when it is let go. */
const REST_MS = 4000;
const MAX_SHOWN = 3;

export function toast(text: string, options: Partial<Pick<Toast, "tone" | "action">> & { ms?: number } = {}): number {
  const id = next++;
  const entry: Toast = { id, text, tone: options.tone ?? "plain", ...(options.action ? { action: options.action } : {}) };
  // The oldest gives way, but not under somebody's hand.
  useToastStore.setState((s) => ({ toasts: [...(isInUse() ? s.toasts : s.toasts.slice(1 - MAX_SHOWN)), entry] }));
  let left = options.ms ?? (options.action ? MS_WITH_ACTION : MS);
  const look = (): void => {
    if (!isShown(id)) return;
    left = document.hidden || isInUse() ? Math.max(left, REST_MS) : left - LOOK_MS;
    if (left <= 0) dismissToast(id);
    else window.setTimeout(look, LOOK_MS);
  };
  window.setTimeout(look, LOOK_MS);
  return id;
}

export const useToasts = (): Toast[] => useToastStore((s) => s.toasts);
