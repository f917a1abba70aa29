import { lazy, Suspense } from "react";
import { usePhone, useWide } from "../../app/useMedia";
import { useText } from "./useText";
import { Board } from "../board/Board";
import { StopSheet } from "../board/StopSheet";
import { HistoryPanel } from "../history/HistoryPanel";
import { PeoplePanel } from "../members/PeoplePanel";
import { BoardCursors } from "../presence/BoardCursors";
import { useAnnounceRemote } from "../presence/useAnnounceRemote";
import { Dialog } from "../../ui/Dialog";
import { Delayed, Skeleton } from "../../ui/States";
import { CommandPalette } from "./CommandPalette";
import { DatesDialog } from "./DatesDialog";
import { DetailsDialog } from "./DetailsDialog";
import { KeysDialog } from "./KeysDialog";
import { Notices } from "./Notices";
import { PhoneTabs } from "./PhoneTabs";
import { Resizer } from "./Resizer";
import { SidePanel } from "./SidePanel";
import { TopBar } from "./TopBar";
import { TileForm } from "../map/TileForm";
import { useRoomKeys } from "./useRoomKeys";
import { useView, view } from "./view";

const MapPane = lazy(() => import("../map/MapPane"));

export function RoomScreen() {
  const { t } = useText();
  const phone = usePhone();
  const wide = useWide();
  const tab = useView((s) => s.tab);
  const drawer = useView((s) => s.drawer);
  const dialog = useView((s) => s.dialog);
  useRoomKeys();
  useAnnounceRemote();
  const closeDialog = () => view.dialog(null);

  return (
    <main className="room" data-tab={phone ? tab : undefined}>
      {phone ? null : <a className="skip" href="#board">{t("common.skip")}</a>}
      <TopBar phone={phone} />
      <div className="room-body">
        {!phone || tab === "plan" ? <BoardColumn phone={phone} /> : null}
        {phone ? null : <Resizer />}
        {!phone || tab === "map" ? (
          <Suspense fallback={<div className="map-pane"><Delayed><Skeleton w="100%" h={2000} r={0} /></Delayed></div>}>
            <MapPane phone={phone} />
          </Suspense>
        ) : null}
        {phone && tab === "people" ? <section className="phone-pane" aria-label={t("people.title")}><h2 className="phone-title">{t("people.title")}</h2><PeoplePanel /></section> : null}
        {phone && tab === "history" ? <section className="phone-pane" aria-label={t("history.title")}><h2 className="phone-title">{t("history.title")}</h2><HistoryPanel /></section> : null}
        {!phone && drawer ? (
          <SidePanel title={t(drawer === "history" ? "history.title" : "people.title")} over={!wide} onClose={() => view.setDrawer(null)}>
            {drawer === "history" ? <HistoryPanel /> : <PeoplePanel />}
          </SidePanel>
        ) : null}
      </div>
      <Notices />
      {phone ? <PhoneTabs /> : null}
      {phone ? <StopSheet /> : null}
      {dialog === "dates" ? <DatesDialog onClose={closeDialog} /> : null}
      {dialog === "details" ? <DetailsDialog onClose={closeDialog} /> : null}
      {dialog === "keys" ? <KeysDialog onClose={closeDialog} /> : null}
      {dialog === "commands" ? <CommandPalette onClose={closeDialog} /> : null}
      {dialog === "mapSettings" ? <Dialog open onClose={closeDialog} title={t("map.settings")}><TileForm onDone={closeDialog} /></Dialog> : null}
    </main>
  );
}

function BoardColumn({ phone }: { phone: boolean }) {
  const { t } = useText();
  const width = useView((s) => s.boardWidth);
  return (
    <section id="board" className="board" aria-label={t("room.board")} style={phone ? undefined : { width }}>
      <Board />
      {phone ? null : <BoardCursors />}
    </section>
  );
}
