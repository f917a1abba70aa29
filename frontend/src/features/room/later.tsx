/** Panels and dialogs of the room that are loaded after its first view: when they are asked for, or
    when the browser has nothing better to do, so that they are there without a connection too. */
import { Suspense, useEffect } from "react";
import type { ComponentType } from "react";
import { Button } from "../../ui/Button";
import { Dialog } from "../../ui/Dialog";
import { later, type Loader } from "../../ui/later";
import { Delayed, Notice, Skeleton } from "../../ui/States";
import { suggestionParts } from "../proposals/Lazy";
import { useText } from "./useText";
import { view, type Drawer, type ViewState } from "./view";

export type Panel = Exclude<Drawer, null>;

const panels: Record<Panel, Loader<object>> = {
  talk: async () => (await import("../talk/TalkPanel")).default,
  assistant: async () => (await import("../assistant/AssistantPanel")).default,
  proposals: async () => (await import("../proposals/ProposalsPanel")).default,
  history: async () => (await import("../history/HistoryPanel")).HistoryPanel,
  people: async () => (await import("../members/PeoplePanel")).PeoplePanel,
};
const dialogs: Record<"dates" | "details" | "keys" | "commands" | "mapSettings" | "export", Loader<{ onClose: () => void }>> = {
  dates: async () => (await import("./DatesDialog")).DatesDialog,
  details: async () => (await import("./DetailsDialog")).DetailsDialog,
  keys: async () => (await import("./KeysDialog")).KeysDialog,
  commands: async () => (await import("./CommandPalette")).CommandPalette,
  mapSettings: async () => (await import("../map/TileDialog")).TileDialog,
  export: async () => (await import("../export/ExportDialog")).ExportDialog,
};
const threadHost: Loader<{ phone: boolean }> = async () => (await import("../talk/ThreadHost")).default;
const morePane: Loader<object> = async () => (await import("./MorePane")).MorePane;
const mapPane: Loader<{ phone: boolean }> = async () => (await import("../map/MapPane")).default;
const reviewSheet: Loader<object> = async () => (await import("../proposals/ReviewSheet")).default;

function Unavailable() {
  const { t } = useText();
  return <div className="panel-wait"><Notice tone="warn" action={<Button size="sm" onClick={() => window.location.reload()}>{t("common.reload")}</Button>}>{t("room.partFailed")}</Notice></div>;
}

function UnavailableDialog({ onClose }: { onClose: () => void }) {
  const { t } = useText();
  return <Dialog open onClose={onClose} title={t("error.crashTitle")}><Unavailable /></Dialog>;
}

const Panels = Object.fromEntries(Object.entries(panels).map(([name, load]) => [name, later(load, Unavailable)])) as unknown as Record<Panel, ComponentType>;
const Dialogs = Object.fromEntries(Object.entries(dialogs).map(([name, load]) => [name, later(load, UnavailableDialog)])) as unknown as Record<keyof typeof dialogs, ComponentType<{ onClose: () => void }>>;
const ThreadHost = later(threadHost, () => null);
const ReviewSheet = later(reviewSheet, () => null);
const MapPane = later(mapPane, () => <section className="map-gone"><Unavailable /></section>);
const MorePane = later(morePane, Unavailable);

/** On a desktop beside the board, on a phone behind its tab. */
export function LaterMap({ phone }: { phone: boolean }) {
  const waiting = <div className="map-pane"><Delayed><Skeleton w="100%" h={2000} r={0} /></Delayed></div>;
  return <Suspense fallback={waiting}><MapPane phone={phone} /></Suspense>;
}

/** What is behind the phone's last tab. */
export function More() {
  return <Suspense fallback={null}><MorePane /></Suspense>;
}

export function PanelBody({ panel }: { panel: Panel }) {
  const Body = Panels[panel];
  const waiting = <Delayed><div className="panel-wait">{[0, 1, 2, 3].map((n) => <Skeleton key={n} h={44} />)}</div></Delayed>;
  return <Suspense fallback={waiting}><Body /></Suspense>;
}

export function RoomDialog({ dialog }: { dialog: ViewState["dialog"] }) {
  if (dialog === null || dialog === "leave") return null;
  const Body = Dialogs[dialog];
  return <Suspense fallback={null}><Body onClose={() => view.dialog(null)} /></Suspense>;
}

export const Comments = ({ phone }: { phone: boolean }) => <Suspense fallback={null}><ThreadHost phone={phone} /></Suspense>;
export const Review = () => <Suspense fallback={null}><ReviewSheet /></Suspense>;

/** Once the first view stands, and the browser is at rest. */
export function useLoadLater(): void {
  useEffect(() => {
    const loadAll = () => {
      for (const load of [...Object.values(panels), ...Object.values(dialogs), threadHost, morePane, reviewSheet, mapPane, ...suggestionParts]) load().catch(() => undefined);
      // Its land and its names too: on a phone nobody may have looked at it before the tunnel.
      import("../map/baseData").then(({ fetchBase }) => fetchBase(), () => undefined);
    };
    if (typeof window.requestIdleCallback !== "function") {
      const timer = window.setTimeout(loadAll, 3_000);
      return () => window.clearTimeout(timer);
    }
    let idle = 0;
    // The map comes first: it is part of what was asked for.
    const timer = window.setTimeout(() => { idle = window.requestIdleCallback(loadAll, { timeout: 10_000 }); }, 1_500);
    return () => {
      window.clearTimeout(timer);
      if (idle !== 0) window.cancelIdleCallback(idle);
    };
  }, []);
}
