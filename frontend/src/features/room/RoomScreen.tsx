import { ChevronLeft } from "lucide-react";
import { usePhone, useWide } from "../../app/useMedia";
import { useText } from "./useText";
import { Board } from "../board/Board";
import { StopSheet } from "../board/StopSheet";
import { BoardCursors } from "../presence/BoardCursors";
import { useAnnounceRemote } from "../presence/useAnnounceRemote";
import { IconButton } from "../../ui/Button";
import { useAnnounceTalk } from "../talk/useAnnounceTalk";
import { Comments, LaterMap, More, PanelBody, Review, RoomDialog, useLoadLater, type Panel } from "./later";
import { Notices } from "./Notices";
import { PhoneTabs } from "./PhoneTabs";
import { Resizer } from "./Resizer";
import { SidePanel } from "./SidePanel";
import { TopBar } from "./TopBar";
import { useReviewUi } from "../proposals/ui";
import { useOutcomeToast } from "../proposals/useOutcomeToast";
import { useRoomKeys } from "./useRoomKeys";
import { useView, view } from "./view";
import { useIsMember } from "../../store";

const TITLES: Record<Panel, string> = { talk: "talk.title", assistant: "room.assistant", proposals: "proposal.title", history: "history.title", people: "people.title" };
/** These have their own edges: a list that scrolls, and a place to write that does not. */
const FLUSH: ReadonlySet<Panel> = new Set<Panel>(["talk", "assistant"]);

export function RoomScreen() {
  const { t } = useText();
  const phone = usePhone();
  const wide = useWide();
  const tab = useView((s) => s.tab);
  const member = useIsMember();
  // Visitors of a public trip see its people and nothing of what members say or did.
  const asked = useView((s) => s.drawer);
  const drawer = member || asked === "people" ? asked : null;
  const under = tab === "talk" || tab === "assistant" || tab === "proposals" || tab === "history" || tab === "people" ? tab : null;
  const phonePanel = phone && under !== null && (member || under === "people") ? under : null;
  const thread = useView((s) => s.thread);
  const sheet = useReviewUi((s) => s.sheet);
  const dialog = useView((s) => s.dialog);
  useRoomKeys();
  useOutcomeToast();
  useAnnounceRemote();
  useAnnounceTalk();
  useLoadLater();

  return (
    <main className="room" data-tab={phone ? tab : undefined}>
      {phone ? null : <a className="skip" href="#board">{t("common.skip")}</a>}
      <TopBar phone={phone} />
      <div className="room-body">
        {!phone || tab === "plan" ? <BoardColumn phone={phone} /> : null}
        {phone ? null : <Resizer />}
        {!phone || tab === "map" ? <LaterMap phone={phone} /> : null}
        {phone && (tab === "more" || (under !== null && phonePanel === null)) ? <More /> : null}
        {phonePanel ? <PhonePanel panel={phonePanel} /> : null}
        {!phone && drawer ? (
          <SidePanel title={t(TITLES[drawer])} over={!wide} flush={FLUSH.has(drawer)} onClose={() => view.setDrawer(null)}>
            <PanelBody panel={drawer} />
          </SidePanel>
        ) : null}
      </div>
      <Notices />
      {phone ? <PhoneTabs /> : null}
      {phone ? <StopSheet /> : null}
      {phone && sheet ? <Review /> : null}
      {thread && member ? <Comments phone={phone} /> : null}
      <RoomDialog dialog={dialog} />
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

/** A panel as a screen of its own, which leads back to where it was opened. */
function PhonePanel({ panel }: { panel: Panel }) {
  const { t } = useText();
  const title = t(TITLES[panel]);
  return (
    <section className={FLUSH.has(panel) ? "phone-pane phone-flush" : "phone-pane"} aria-label={title}>
      {panel === "talk" ? <h2 className="vh">{title}</h2> : (
        <header className="phone-head">
          <IconButton label={t("common.back")} tip={false} onClick={view.back}><ChevronLeft size={20} aria-hidden /></IconButton>
          <h2 className="phone-title">{title}</h2>
        </header>
      )}
      <PanelBody panel={panel} />
    </section>
  );
}
