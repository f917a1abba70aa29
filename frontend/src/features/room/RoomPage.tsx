/** One trip, live. Opens the room, shows why it cannot be shown, and otherwise lays it out. */
import { useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { useParams } from "react-router";
import { api } from "../../api";
import { GonePage, NoAccessPage, NotFoundPage, ReloadPage, SignInNeededPage } from "../../app/ErrorPages";
import { errorText, loadSession, useSession } from "../../app/session";
import { useTitle } from "../../app/useTitle";
import { CLOSE } from "../../protocol.gen";
import { openRoom, RoomContext, useConnection, useIsOwner, useRoom, useStatus, useTrip, useUnread, type Room } from "../../store";
import { Notice } from "../../ui/States";
import { toast } from "../../ui/toast";
import { RoomScreen } from "./RoomScreen";
import { RoomSkeleton } from "./RoomSkeleton";
import { view } from "./view";
import "./room.css";
import "../board/board.css";

export default function RoomPage() {
  const { tripId = "" } = useParams();
  const session = useSession();
  const [room, setRoom] = useState<Room | null>(null);
  const userId = session.user?.id ?? null;
  const known = session.status !== "loading";

  useEffect(() => {
    if (!known) return;
    view.reset();
    const opened = openRoom({ tripId, userId });
    setRoom(opened);
    return () => {
      opened.close();
      setRoom(null);
    };
  }, [tripId, userId, known]);

  if (!room) return <RoomSkeleton />;
  return (
    <RoomContext.Provider value={room}>
      <RoomGate />
    </RoomContext.Provider>
  );
}

/** The server may have been started again with other settings: what it offers is asked for anew. */
function useFreshFeatures(live: boolean): void {
  const cut = useRef(false);
  const wasLive = useRef(false);
  useEffect(() => {
    if (live && cut.current) void loadSession();
    cut.current = !live && wasLive.current;
    wasLive.current ||= live;
  }, [live]);
}

function RoomGate() {
  const connection = useConnection();
  const status = useStatus();
  const trip = useTrip();
  const room = useRoom();
  const owner = useIsOwner();
  const { t } = useTranslation();
  const unread = useUnread();
  useFreshFeatures(connection.state === "live");
  useTitle(trip ? `${unread > 0 ? `(${unread > 99 ? "99+" : unread}) ` : ""}${trip.title}` : null);

  async function restore(): Promise<void> {
    try {
      await api.restoreTrip(room.tripId);
      window.location.reload();
    } catch (problem) {
      toast(errorText(problem, t), { tone: "bad" });
    }
  }

  if (connection.state === "closed") {
    switch (connection.code) {
      case CLOSE.UNAUTHENTICATED: return <SignInNeededPage />;
      case CLOSE.FORBIDDEN: return <NoAccessPage />;
      case CLOSE.NOT_FOUND: return <NotFoundPage />;
      case CLOSE.GONE: return <GonePage onRestore={owner ? () => void restore() : undefined} />;
      case CLOSE.UPGRADE: return <ReloadPage kind="upgrade" />;
      case CLOSE.TOO_MANY: return <ReloadPage kind="tooMany" />;
      default: return <ReloadPage kind="crash" />;
    }
  }
  if (trip?.deleted) return <GonePage onRestore={owner ? () => void restore() : undefined} />;
  if (status === "loading" || !trip) {
    const away = connection.state === "offline" || connection.state === "reconnecting";
    return (
      <>
        {away ? <Notice tone="warn">{t("room.unreachable")}</Notice> : null}
        <RoomSkeleton />
      </>
    );
  }
  return <RoomScreen />;
}
