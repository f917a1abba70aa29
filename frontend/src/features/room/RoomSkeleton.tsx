import { useTranslation } from "react-i18next";
import { Delayed, Skeleton } from "../../ui/States";

/** The shape of the room while it is on its way. */
export function RoomSkeleton() {
  const { t } = useTranslation();
  return (
    <main className="room" aria-busy="true">
      <h1 className="vh">{t("common.loading")}</h1>
      <Delayed>
        <div className="topbar"><Skeleton w={26} h={26} r={8} /><Skeleton w={180} h={18} /></div>
        <div className="room-body">
          <div className="board skeleton-board" style={{ width: 440 }}>
            {[0, 1].map((day) => (
              <div key={day} className="skeleton-day">
                <div className="skeleton-row"><Skeleton w={40} h={40} r={8} /><Skeleton w="45%" h={18} /></div>
                {[0, 1, 2].map((row) => <div key={row} className="skeleton-row"><Skeleton w={44} /><Skeleton w={24} h={24} r={12} /><Skeleton w={`${62 - row * 11}%`} /></div>)}
              </div>
            ))}
          </div>
          <div className="map-pane skeleton-map" />
        </div>
      </Delayed>
    </main>
  );
}
