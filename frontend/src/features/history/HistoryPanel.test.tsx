import { act, cleanup, render, screen } from "@testing-library/react";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { RoomEvent } from "../../protocol.gen";
import "../../i18n";

const shown = vi.hoisted(() => ({ historyOf: null as null | { id: string; field?: string } }));
const log: RoomEvent[] = [];
let asked: { before?: number }[] = [];
let down = false;
vi.mock("../../api", () => ({
  api: {
    history: async (_: string, query: { limit: number; before?: number }) => {
      asked.push(query);
      if (down && query.before !== undefined) throw new Error("down");
      const all = log.filter((each) => query.before === undefined || each.seq < query.before).reverse();
      const events = all.slice(0, query.limit);
      return { events, next_before: all.length > query.limit ? (events.at(-1)?.seq ?? null) : null };
    },
  },
}));
const room = {
  seq: 100, connection: { state: "live" }, stops: new Map(), days: [], members: new Map(), trip: { title: "T", currency: "CNY" },
  talk: { messages: new Map() }, me: { user: "ann", role: "owner" },
};
vi.mock("../../store", () => ({
  useRoom: () => ({ tripId: "trip", client: {}, store: { getState: () => room } }),
  useRoomState: (pick: (state: unknown) => unknown) => pick(room),
  useCanEdit: () => true,
}));
vi.mock("../room/useText", () => ({ useText: () => ({ t: (key: string, values?: Record<string, unknown>) => `${key} ${values?.["amount"] ?? ""}`, language: "en", name: () => "stop", dayName: () => "day" }) }));
vi.mock("../talk/people", () => ({ AuthorFace: () => null, useAuthorName: () => "Ann" }));
vi.mock("../room/view", () => ({ useView: (pick: (s: unknown) => unknown) => pick(shown), view: { hover: () => undefined, clearHistoryFilter: () => undefined } }));
vi.mock("../talk/anchor", () => ({ openComment: () => undefined }));
vi.mock("../photos/Picture", () => ({ Picture: () => null }));
const { HistoryPanel } = await import("./HistoryPanel");

/** One act of one person. */
function happen(upTo: number, field: (seq: number) => string = () => "name"): void {
  for (let seq = log.length + 1; seq <= upTo; seq += 1) {
    const change = { t: "stop" as const, id: "s", set: { [field(seq)]: seq }, old: { [field(seq)]: 0 } };
    log.push({ seq, op_id: `o${seq}`, actor: "ann", at: "2027-01-01T00:00:00Z", kind: "stop.set_fields", changes: [change] });
  }
}

beforeEach(() => {
  vi.useFakeTimers();
  asked = [];
  log.length = 0;
  down = false;
  shown.historyOf = null;
});
afterEach(() => {
  cleanup();
  vi.useRealTimers();
});
/** In steps, for what React does between them. */
async function wait(ms: number): Promise<void> {
  for (let left = ms; left >= 0; left -= 100) await act(async () => { await vi.advanceTimersByTimeAsync(Math.min(100, left)); });
}

test("the rest of an act that cannot be read is asked for after a while, and then told", async () => {
  happen(100);
  down = true;
  render(<HistoryPanel />);
  await wait(1_000);
  expect(asked).toHaveLength(2);
  expect(screen.getByTestId("fold").textContent).toContain("40+");
  await wait(10_000);
  expect(asked).toHaveLength(4); // one every five seconds
  down = false;
  await wait(10_000);
  expect(screen.getByTestId("fold").textContent).toContain("100");
  expect(screen.getByTestId("fold").textContent).not.toContain("+");
});

test("an act that is cut off says so where one field is asked for, too", async () => {
  happen(500, (seq) => (seq % 3 === 1 ? "notes" : "name"));
  shown.historyOf = { id: "s", field: "notes" };
  render(<HistoryPanel />);
  await wait(1_000);
  expect(asked).toHaveLength(9);
  expect(screen.getByTestId("fold").textContent).toContain("+");
});
