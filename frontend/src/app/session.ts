/** Who is signed in, as `GET /api/me` says. Loaded once; every sign-in or sign-out updates it. */
import { create } from "zustand";
import { api, ApiError, type User } from "../api";
import { i18next } from "../i18n";
import { toast } from "../ui/toast";

interface SessionState {
  status: "loading" | "ready" | "failed";
  user: User | null;
  features: Record<string, unknown>;
}

export const useSession = create<SessionState>(() => ({ status: "loading", user: null, features: {} }));

export const useUser = (): User | null => useSession((s) => s.user);

export async function loadSession(): Promise<void> {
  try {
    const me = await api.me();
    useSession.setState({ status: "ready", user: me.user, features: me.features });
  } catch {
    if (useSession.getState().status !== "ready") useSession.setState({ status: "failed" });
  }
}

export function signedIn(user: User): void {
  useSession.setState({ status: "ready", user });
}

export function signedOut(): void {
  useSession.setState({ status: "ready", user: null });
}

/**
 * Look whether this sign-in has ended elsewhere (another device, a new password, an operator), and say so.
 * Asks, for the refusal may be of a request that left before somebody signed in.
 */
export async function recheckSession(): Promise<void> {
  if (!useSession.getState().user) return;
  await loadSession();
  if (!useSession.getState().user) toast(i18next.t("error.code.unauthenticated"));
}

api.onUnauthenticated = () => void recheckSession();

/** The sentence for an error, in the reader's language. */
export function errorText(error: unknown, t: (key: string, options?: Record<string, unknown>) => string): string {
  if (!(error instanceof ApiError)) return t("error.code.unknown", { message: String(error) });
  return codeText(error.code, error.message, t);
}

export function codeText(code: string, message: string, t: (key: string, options?: Record<string, unknown>) => string): string {
  return t(`error.code.${code}`, { message, defaultValue: t("error.code.unknown", { message }) });
}
