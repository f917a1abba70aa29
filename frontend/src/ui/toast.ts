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

export function toast(text: string, options: Partial<Pick<Toast, "tone" | "action">> & { ms?: number } = {}): number {
  const id = next++;
  const entry: Toast = { id, text, tone: options.tone ?? "plain", ...(options.action ? { action: options.action } : {}) };
  useToastStore.setState((s) => ({ toasts: [...s.toasts.slice(-2), entry] }));
  window.setTimeout(() => dismissToast(id), options.ms ?? (options.action ? 8000 : 4000));
  return id;
}

export const useToasts = (): Toast[] => useToastStore((s) => s.toasts);
