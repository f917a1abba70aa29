import { CalendarDays, History, Map as MapIcon, Users } from "lucide-react";
import { usePeople } from "../../store";
import { useText } from "./useText";
import { useView, view, type PhoneTab } from "./view";

const TABS: { id: PhoneTab; Icon: typeof MapIcon }[] = [
  { id: "plan", Icon: CalendarDays }, { id: "map", Icon: MapIcon }, { id: "people", Icon: Users }, { id: "history", Icon: History },
];

export function PhoneTabs() {
  const { t } = useText();
  const tab = useView((s) => s.tab);
  const others = usePeople().filter((person) => !person.me).length;
  return (
    <nav className="phone-tabs" aria-label={t("room.menu")}>
      {TABS.map(({ id, Icon }) => (
        <button key={id} type="button" aria-current={tab === id ? "page" : undefined} onClick={() => view.setTab(id)}>
          <span className="phone-tab-icon">
            <Icon size={21} aria-hidden />
            {id === "people" && others > 0 ? <span className="phone-badge num">{others + 1}</span> : null}
          </span>
          {t(`room.${id}`)}
        </button>
      ))}
    </nav>
  );
}
