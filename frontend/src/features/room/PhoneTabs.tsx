import { CalendarDays, Map as MapIcon, Menu, MessageCircle } from "lucide-react";
import { useIsMember, useUnread } from "../../store";
import { useText } from "./useText";
import { useView, view, type MainTab } from "./view";

const TABS: { id: MainTab; Icon: typeof MapIcon }[] = [
  { id: "plan", Icon: CalendarDays }, { id: "map", Icon: MapIcon }, { id: "talk", Icon: MessageCircle }, { id: "more", Icon: Menu },
];

export function PhoneTabs() {
  const { t } = useText();
  const tab = useView((s) => s.mainTab);
  const member = useIsMember();
  const unread = useUnread();
  const shown = TABS.filter(({ id }) => member || id !== "talk");
  return (
    <nav className="phone-tabs" aria-label={t("room.tabs")} data-count={shown.length}>
      {shown.map(({ id, Icon }) => (
        <button key={id} type="button" aria-current={tab === id ? "page" : undefined} onClick={() => view.setTab(id)}>
          <span className="phone-tab-icon">
            <Icon size={21} aria-hidden />
            {id === "talk" && unread > 0 ? <UnreadBadge count={unread} /> : null}
          </span>
          {t(`room.${id}`)}
        </button>
      ))}
    </nav>
  );
}

/** How much others said that I have not seen; the number for the eye, a sentence for the ear. */
export function UnreadBadge({ count }: { count: number }) {
  const { t } = useText();
  return (
    <span className="unread-badge num" data-testid="unread">
      <span aria-hidden>{count > 99 ? "99+" : count}</span>
      <span className="vh">{t("talk.unread", { count })}</span>
    </span>
  );
}
