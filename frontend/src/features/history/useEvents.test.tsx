import { act, cleanup, renderHook } from "@testing-library/react";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { RoomEvent } from "../../protocol.gen";

interface Query { limit: number; before?: number; record?: string }
const room = vi.hoisted(() => ({ seq: 0 }));
const log: RoomEvent[] = [];
let asked: Query[] = [];
/** Answers wait here while it is not null. */
let held: (() => void)[] | null = null;
let down = false;

vi.mock("../../api", () => ({
  api: {
    history: async (_: string, query: Query) => {
      asked.push(query);
      if (down) throw new Error("down");
      const all = log.filter((each) => (query.before === undefined || each.seq < query.before) && (!query.record || each.seq % 10 === 0)).reverse();
      const events = all.slice(0, query.limit);
      if (held) await new Promise<void>((resolve) => held?.push(resolve));
      return { events, next_before: all.length > query.limit ? (events.at(-1)?.seq ?? null) : null };
    },
  },
}));
vi.mock("../../store", () => ({
  useRoom: () => ({ tripId: "trip" }),
  useRoomState: (pick: (state: unknown) => unknown) => pick({ seq: room.seq, connection: { state: "live" } }),
}));
const { useEvents } = await import("./useEvents");

function happen(upTo: number): void {
  for (let seq = log.length + 1; seq <= upTo; seq += 1) log.push({ seq, op_id: `o${seq}`, actor: "ann", at: "2027-01-01T00:00:00Z", kind: "stop.add", changes: [] });
  room.seq = upTo;
}

beforeEach(() => {
  vi.useFakeTimers();
  log.length = 0;
  asked = [];
  held = null;
  down = false;
});
afterEach(() => {
  cleanup();
  vi.useRealTimers();
});
/** In steps, for what React does between them. */
async function wait(ms: number): Promise<void> {
  for (let left = ms; left >= 0; left -= 100) await act(async () => { await vi.advanceTimersByTimeAsync(Math.min(100, left)); });
}
const seqs = (events: readonly RoomEvent[]) => events.map((each) => each.seq);
const downTo = (from: number, to: number) => Array.from({ length: from - to + 1 }, (_, n) => from - n);

test("what happens at once may be more than a page: it is there without a hole", async () => {
  happen(100);
  const { result, rerender } = renderHook(() => useEvents(null));
  await wait(0);
  expect(seqs(result.current.events)).toEqual(downTo(100, 61));
  happen(151);
  rerender();
  await wait(400);
  expect(seqs(result.current.events)).toEqual(downTo(151, 61));
  // So much that it is not gathered: then the older ones are asked for again.
  happen(1_000);
  rerender();
  await wait(2_000);
  expect(seqs(result.current.events)).toEqual(downTo(1_000, 801));
  act(() => result.current.older());
  await wait(0);
  expect(seqs(result.current.events)).toEqual(downTo(1_000, 761));
});

test("an older page that comes after something else was asked for is not mixed in", async () => {
  happen(100);
  const { result, rerender } = renderHook(({ record }: { record: string | null }) => useEvents(record), { initialProps: { record: null as string | null } });
  await wait(0);
  held = [];
  act(() => result.current.older());
  await wait(0);
  const late = held;
  held = null;
  rerender({ record: "stop:a" });
  await wait(0);
  for (const answer of late) answer();
  await wait(0);
  expect(seqs(result.current.events)).toEqual([100, 90, 80, 70, 60, 50, 40, 30, 20, 10]);
  expect([result.current.more, result.current.busy]).toEqual([false, false]);
});

test("a room that never rests is told all the same, and not asked for all the time", async () => {
  happen(100);
  const { result, rerender } = renderHook(() => useEvents(null));
  await wait(0);
  for (let n = 0; n < 50; n += 1) { // ten seconds
    happen(log.length + 1);
    rerender();
    await wait(200);
  }
  expect(result.current.events[0]?.seq).toBeGreaterThan(140);
  expect(asked.length).toBeLessThan(12);
});

test("while the server does not answer it is asked every few seconds", async () => {
  happen(100);
  const { result, rerender } = renderHook(() => useEvents(null));
  await wait(0);
  down = true;
  happen(101);
  rerender();
  await wait(20_000);
  expect(asked.length).toBeLessThan(6);
  down = false;
  await wait(6_000);
  expect(result.current.events[0]?.seq).toBe(101);
});
