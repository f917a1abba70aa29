import { useCallback, useEffect, useState } from "react";

export type Loaded<T> =
  | { status: "loading"; data: null; error: null }
  | { status: "ready"; data: T; error: null }
  | { status: "failed"; data: null; error: unknown };

const LOADING = { status: "loading", data: null, error: null } as const;

/** One read of the REST surface, again whenever `key` changes or `reload` is called. */
export function useLoad<T>(load: (signal: AbortSignal) => Promise<T>, key: string): [Loaded<T>, () => void] {
  const [state, setState] = useState<Loaded<T>>(LOADING);
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    const abort = new AbortController();
    setState(LOADING);
    load(abort.signal).then(
      (data) => { if (!abort.signal.aborted) setState({ status: "ready", data, error: null }); },
      (error: unknown) => { if (!abort.signal.aborted) setState({ status: "failed", data: null, error }); },
    );
    return () => abort.abort();
    // `load` is made anew at every render; `key` says when it means something else.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [key, turn]);
  return [state, useCallback(() => setTurn((n) => n + 1), [])];
}
