/** What this tab looks at: never shared, never saved to the trip. Sizes are remembered per browser. */
import { create } from "zustand";

export type Drawer = "talk" | "assistant" | "proposals" | "history" | "people" | null;
/** `more` is the menu of what has no tab of its own. */
export type MainTab = "plan" | "map" | "talk" | "more";
/** Besides the tabs, what lies over one of them and leads back to it. */
export type PhoneTab = MainTab | "assistant" | "proposals" | "history" | "people";
/** What the talk panel shows. */
export type TalkFilter = "chat" | "comments";
/** Where a new stop is being typed: a day id, `ideas`, or nowhere. */
export type Adding = string | null;
export const IN_IDEAS = "ideas";

export interface ViewState {
  openStop: string | null;
  hovered: string | null;
  selected: ReadonlySet<string>;
  day: string | null;
  drawer: Drawer;
  tab: PhoneTab;
  /** The tab that is open, or that the open panel came from. */
  mainTab: MainTab;
  adding: Adding;
  picking: string | null;
  historyOf: { id: string; field?: string } | null;
  talkFilter: TalkFilter;
  /** Whose comments are open beside it: `stop:<id>` and so on. */
  thread: { t: "stop" | "day" | "trip"; id: string; field?: "notes" | "description" } | null;
  /** A message to bring into view and light up; `n` makes each request new. */
  toMessage: { id: string; n: number } | null;
  /** A stop or day to mention in what is being written. */
  mention: { t: "stop" | "day"; id: string; n: number } | null;
  dialog: "dates" | "details" | "keys" | "commands" | "mapSettings" | "export" | "leave" | null;
  boardWidth: number;
  dragging: readonly string[];
  drop: { day: string | null; after: string | null } | null;
  /** Asks the map to show something; `n` makes each request new. */
  fit: { what: "trip" | "day" | "stop"; id: string | null; n: number };
}

const WIDTH_KEY = "tongyou.boardWidth";
const DRAWER_KEY = "tongyou.drawer";
export const BOARD_MIN = 360;
export const BOARD_MAX = 560;

function keptNumber(key: string, fallback: number): number {
  const value = Number(readKey(key));
  return Number.isFinite(value) && value >= BOARD_MIN && value <= BOARD_MAX ? value : fallback;
}

function readKey(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

function keep(key: string, value: string): void {
  try {
    localStorage.setItem(key, value);
  } catch {
    // Only a convenience.
  }
}

const isDrawer = (value: string | null): value is Exclude<Drawer, null> =>
  value === "talk" || value === "assistant" || value === "proposals" || value === "history" || value === "people";

const fresh = (): ViewState => {
  const drawer = readKey(DRAWER_KEY);
  return {
    openStop: null, hovered: null, selected: new Set(), day: null, tab: "plan", mainTab: "plan", adding: null, picking: null, historyOf: null,
    talkFilter: "chat", thread: null, toMessage: null, mention: null,
    dialog: null, dragging: [], drop: null, fit: { what: "trip", id: null, n: 0 },
    drawer: window.innerWidth >= 1180 && isDrawer(drawer) ? drawer : null,
    boardWidth: keptNumber(WIDTH_KEY, 440),
  };
};

export const useView = create<ViewState>(fresh);
const set = useView.setState;

const MAIN: ReadonlySet<PhoneTab> = new Set<PhoneTab>(["plan", "map", "talk", "more"]);
const isMain = (tab: PhoneTab): tab is MainTab => MAIN.has(tab);
/** Going to a tab remembers it; going to a panel remembers where from. */
const go = (tab: PhoneTab): Pick<ViewState, "tab"> & Partial<ViewState> => (isMain(tab) ? { tab, mainTab: tab } : { tab });

export const view = {
  reset: () => set(fresh(), true),
  open: (openStop: string | null) => set({ openStop, picking: null }),
  toggle: (id: string) => set((s) => ({ openStop: s.openStop === id ? null : id, picking: null })),
  hover: (hovered: string | null) => set((s) => (s.hovered === hovered ? s : { hovered })),
  setDay: (day: string | null) => set((s) => ({ day, fit: { what: day ? "day" : "trip", id: day, n: s.fit.n + 1 } })),
  fit: (what: ViewState["fit"]["what"], id: string | null = null) => set((s) => ({ fit: { what, id, n: s.fit.n + 1 } })),
  setTab: (tab: PhoneTab) => set(go(tab)),
  /** From a panel of the phone to where it was opened. */
  back: () => set((s) => ({ tab: s.mainTab })),
  add: (adding: Adding) => set({ adding, ...go("plan") }),
  pick: (picking: string | null) => set({ picking, ...go(picking ? "map" : "plan") }),
  dialog: (dialog: ViewState["dialog"]) => set({ dialog }),
  drag: (dragging: readonly string[], drop: ViewState["drop"] = null) => set({ dragging, drop }),
  dropAt: (drop: ViewState["drop"]) => set({ drop }),
  setDrawer: (drawer: Drawer) => {
    keep(DRAWER_KEY, drawer ?? "");
    set(drawer === "history" ? { drawer } : { drawer, historyOf: null });
  },
  /** Open a panel wherever this screen has it. */
  show: (panel: Exclude<Drawer, null>) => {
    view.setDrawer(panel);
    set(go(panel));
  },
  filterTalk: (talkFilter: TalkFilter) => set({ talkFilter }),
  openThread: (thread: ViewState["thread"]) => set({ thread }),
  /** Bring a message of the chat, or a comment, into view. */
  toMessage: (id: string, talkFilter: TalkFilter = "chat") => {
    view.show("talk");
    set((s) => ({ talkFilter, thread: null, toMessage: { id, n: (s.toMessage?.n ?? 0) + 1 } }));
  },
  arrived: () => set({ toMessage: null }),
  mention: (t: "stop" | "day", id: string) => {
    view.show("talk");
    set((s) => ({ talkFilter: "chat", mention: { t, id, n: (s.mention?.n ?? 0) + 1 }, openStop: window.innerWidth < 720 ? null : s.openStop }));
  },
  mentioned: () => set({ mention: null }),
  showHistory: (id: string, field?: string) => set({ drawer: "history", tab: "history", openStop: window.innerWidth < 720 ? null : useView.getState().openStop, historyOf: field ? { id, field } : { id } }),
  clearHistoryFilter: () => set({ historyOf: null }),
  select: (ids: Iterable<string>) => set({ selected: new Set(ids) }),
  toggleSelected: (id: string) => set((s) => {
    const selected = new Set(s.selected);
    if (!selected.delete(id)) selected.add(id);
    return { selected };
  }),
  setBoardWidth: (width: number) => {
    const boardWidth = Math.round(Math.min(BOARD_MAX, Math.max(BOARD_MIN, width)));
    keep(WIDTH_KEY, String(boardWidth));
    set({ boardWidth });
  },
};
