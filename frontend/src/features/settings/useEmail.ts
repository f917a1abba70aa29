/** One's own address as the server knows it. A link is opened in another window or on another device, so this
    looks again when the page comes back into sight, and every few seconds while an address waits. */
import { useCallback, useEffect, useState } from "react";
import { api, type EmailState } from "../../api";
import { loadSession, useSession } from "../../app/session";

const LOOK_MS = 5_000;

export interface Email {
  state: EmailState | null;
  /** Why it could not be read; null once it was. */
  problem: unknown;
  reload: () => void;
  /** What an act has answered. */
  put: (state: EmailState) => void;
}

export function useEmail(): Email {
  const [state, setState] = useState<EmailState | null>(null);
  const [problem, setProblem] = useState<unknown>(null);
  const put = useCallback((next: EmailState) => {
    setState(next);
    setProblem(null);
    if (useSession.getState().user?.email !== next.email) void loadSession();
  }, []);
  // What was asked before an act must not hide what the act has answered.
  const [turn, setTurn] = useState(0);
  const reload = useCallback(() => setTurn((n) => n + 1), []);
  const waits = state?.pending != null;

  useEffect(() => {
    const abort = new AbortController();
    const look = () => {
      if (document.visibilityState === "hidden") return;
      api.email(abort.signal).then(
        (next) => { if (!abort.signal.aborted) put(next); },
        (error: unknown) => { if (!abort.signal.aborted) setProblem(error); },
      );
    };
    look();
    document.addEventListener("visibilitychange", look);
    window.addEventListener("focus", look);
    const timer = waits ? window.setInterval(look, LOOK_MS) : undefined;
    return () => {
      abort.abort();
      document.removeEventListener("visibilitychange", look);
      window.removeEventListener("focus", look);
      window.clearInterval(timer);
    };
  }, [turn, waits, put]);

  const answered = useCallback((next: EmailState) => { put(next); reload(); }, [put, reload]);
  return { state, problem, reload, put: answered };
}
