/** The trip's log, newest first: pages on request, and what happens meanwhile. */
import { useCallback, useEffect, useRef, useState } from "react";
import { api } from "../../api";
import type { RoomEvent } from "../../protocol.gen";
import { useRoom, useRoomState } from "../../store";

const PAGE = 40;

export interface EventLog {
  status: "loading" | "ready" | "failed";
  events: readonly RoomEvent[];
  more: boolean;
  busy: boolean;
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
  const [turn, setTurn] = useState(0);
  const loadedSeq = useRef(-1);

  const fetchPage = useCallback(
    (from?: number) => api.history(tripId, { limit: PAGE, ...(from === undefined ? {} : { before: from }), ...(record ? { record } : {}) }),
    [tripId, record],
  );

  useEffect(() => {
    let gone = false;
    setStatus("loading");
    setEvents([]);
    loadedSeq.current = -1;
    fetchPage().then(
      (page) => {
        if (gone) return;
        setEvents(page.events);
        setBefore(page.next_before);
        setStatus("ready");
        loadedSeq.current = page.events[0]?.seq ?? 0;
      },
      () => { if (!gone) setStatus("failed"); },
    );
    return () => { gone = true; };
  }, [fetchPage, turn]);

  useEffect(() => {
    if (status !== "ready" || seq <= loadedSeq.current) return;
    let gone = false;
    const timer = window.setTimeout(() => {
      fetchPage().then((page) => {
        if (gone) return;
        loadedSeq.current = Math.max(seq, page.events[0]?.seq ?? 0);
        setEvents((old) => merge(old, page.events));
      }, () => undefined);
    }, 300);
    return () => {
      gone = true;
      window.clearTimeout(timer);
    };
  }, [seq, status, fetchPage]);

  // Ask again when the connection comes back; a failure while it is live waits for "try again".
  const wasLive = useRef(live);
  useEffect(() => {
    if (live && !wasLive.current && status === "failed") setTurn((n) => n + 1);
    wasLive.current = live;
  }, [live, status]);

  const older = useCallback(() => {
    if (before === null || busy) return;
    setBusy(true);
    fetchPage(before).then(
      (page) => {
        setEvents((old) => merge(old, page.events));
        setBefore(page.next_before);
        setBusy(false);
      },
      () => setBusy(false),
    );
  }, [before, busy, fetchPage]);

  return { status, events, more: before !== null, busy, older, retry: () => setTurn((n) => n + 1) };
}
