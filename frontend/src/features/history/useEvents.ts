/** The trip's log, newest first: pages on request, and what happens meanwhile. */
import { useCallback, useEffect, useRef, useState } from "react";
import { api } from "../../api";
import type { RoomEvent } from "../../protocol.gen";
import { useRoom, useRoomState } from "../../store";

const PAGE = 40;
/** From a change to the request for it, which brings what comes meanwhile as well. */
const NEWS_MS = 300;
/** Between one such answer and the next request. */
const REST_MS = 1_000;
export const RETRY_MS = 5_000;
const MAX_GAP_PAGES = 5;

export interface EventLog {
  status: "loading" | "ready" | "failed";
  events: readonly RoomEvent[];
  more: boolean;
  busy: boolean;
  /** So often, one after the other, the next older page could not be read. */
  failures: number;
  older: () => void;
  retry: () => void;
}

function merge(a: readonly RoomEvent[], b: readonly RoomEvent[]): RoomEvent[] {
  const bySeq = new Map([...a, ...b].map((event) => [event.seq, event]));
  return [...bySeq.values()].sort((x, y) => y.seq - x.seq);
}

export function useEvents(record: string | null): EventLog {
  const { tripId } = useRoom();
  const seq = useRoomState((s) => s.seq);
  const live = useRoomState((s) => s.connection.state === "live");
  const [status, setStatus] = useState<EventLog["status"]>("loading");
  const [events, setEvents] = useState<readonly RoomEvent[]>([]);
  const [before, setBefore] = useState<number | null>(null);
  const [busy, setBusy] = useState(false);
  const [failures, setFailures] = useState(0);
  const [turn, setTurn] = useState(0);
  const [again, setAgain] = useState(0);
  const loadedSeq = useRef(-1);

  const fetchPage = useCallback(
    (from?: number) => api.history(tripId, { limit: PAGE, ...(from === undefined ? {} : { before: from }), ...(record ? { record } : {}) }),
    [tripId, record],
  );

  /** Stands for what is shown now: answers for anything else are not used. */
  const wanted = useRef<object | null>(null);
  const latest = useRef(seq);
  latest.current = seq;

  useEffect(() => {
    const mine = (wanted.current = {});
    setStatus("loading");
    setEvents([]);
    setBefore(null);
    setBusy(false);
    setFailures(0);
    loadedSeq.current = -1;
    fetchPage().then(
      (page) => {
        if (wanted.current !== mine) return;
        setEvents(page.events);
        setBefore(page.next_before);
        setStatus("ready");
        loadedSeq.current = page.events[0]?.seq ?? 0;
      },
      () => { if (wanted.current === mine) setStatus("failed"); },
    );
    return () => { wanted.current = null; };
  }, [fetchPage, turn]);

  // One at a time, and not put off by what goes on: a room that never rests is told, too.
  const asking = useRef(false);
  const newest = useRef(0);
  newest.current = events[0]?.seq ?? 0;
  useEffect(() => {
    if (status !== "ready" || seq <= loadedSeq.current || asking.current) return;
    const mine = wanted.current;
    asking.current = true;
    const since = async (): Promise<void> => {
      const asked = latest.current;
      const known = newest.current;
      let page = await fetchPage();
      let found = page.events;
      const joins = () => page.next_before === null || (found.at(-1)?.seq ?? 0) <= known;
      // What came at once may be more than a page.
      for (let n = 1; n < MAX_GAP_PAGES && !joins() && wanted.current === mine; n += 1) {
        page = await fetchPage(page.next_before ?? undefined);
        found = [...found, ...page.events];
      }
      if (wanted.current !== mine) return;
      loadedSeq.current = Math.max(asked, found[0]?.seq ?? 0);
      if (joins()) setEvents((old) => merge(old, found));
      else {
        // Rather a shorter history than one with a hole.
        wanted.current = {};
        setBusy(false);
        setEvents(found);
        setBefore(page.next_before);
      }
    };
    const rest = (ms: number): void => {
      window.setTimeout(() => {
        asking.current = false;
        setAgain((n) => n + 1);
      }, ms);
    };
    window.setTimeout(() => void since().then(() => rest(REST_MS), () => rest(RETRY_MS)), NEWS_MS);
  }, [seq, status, fetchPage, again]);

  // Ask again when the connection comes back; a failure while it is live waits for "try again".
  const wasLive = useRef(live);
  useEffect(() => {
    if (live && !wasLive.current && status === "failed") setTurn((n) => n + 1);
    wasLive.current = live;
  }, [live, status]);

  const older = useCallback(() => {
    if (before === null || busy) return;
    setBusy(true);
    const mine = wanted.current;
    fetchPage(before).then(
      (page) => {
        if (wanted.current !== mine) return;
        setEvents((old) => merge(old, page.events));
        setBefore(page.next_before);
        setFailures(0);
        setBusy(false);
      },
      () => {
        if (wanted.current !== mine) return;
        setFailures((n) => n + 1);
        setBusy(false);
      },
    );
  }, [before, busy, fetchPage]);

  return { status, events, more: before !== null, busy, failures, older, retry: () => setTurn((n) => n + 1) };
}
