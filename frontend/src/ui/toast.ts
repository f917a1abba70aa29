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

const useToastStore = create<ToastState>(() => ({ toasts: [] }));
let next = 1;

export function dismissToast(id: number): void {
  useToastStore.setState((s) => ({ toasts: s.toasts.filter((toast) => toast.id !== id) }));
}

/** Whoever points at a notice, is in it with the keyboard, or looks at another window still has it (WCAG 2.2.1). */
const isHeld = (): boolean => document.hidden || document.querySelector(".toast:is(:hover, :focus-within)") !== null;

export function toast(text: string, options: Partial<Pick<Toast, "tone" | "action">> & { ms?: number } = {}): number {
  const id = next++;
  const entry: Toast = { id, text, tone: options.tone ?? "plain", ...(options.action ? { action: options.action } : {}) };
  useToastStore.setState((s) => ({ toasts: [...s.toasts.slice(-2), entry] }));
  const end = (): void => {
    if (isHeld()) window.setTimeout(end, 2000);
    else dismissToast(id);
  };
  window.setTimeout(end, options.ms ?? (options.action ? 8000 : 4000));
  return id;
}

export const useToasts = (): Toast[] => useToastStore((s) => s.toasts);
