import { ArrowRightLeft, AtSign, CheckSquare, History, MapPin, MessageSquare, Trash2 } from "lucide-react";
import { useState } from "react";
import { useCanEdit, useDays, useIsMember, useRoom, useStop, useTrip } from "../../store";
import { Menu, MenuItem, MenuLine, SubMenu } from "../../ui/Menu";
import { toast } from "../../ui/toast";
import { dayMarks, hasPlace } from "../room/itinerary";
import { useText } from "../room/useText";
import { view } from "../room/view";
import { openThread } from "../talk/anchor";

/** Days and ideas as places to move to. */
export function MoveTargets({ onMove }: { onMove: (day: string | null) => void }) {
  const { t, dayName } = useText();
  const days = useDays();
  const trip = useTrip();
  const marks = dayMarks(days, trip);
  return (
    <>
      {days.map((day) => {
        const mark = marks.get(day.id) ?? { n: 0, color: 0 };
        return <MenuItem key={day.id} icon={<span className="menu-dot" data-day={mark.color} />} onSelect={() => onMove(day.id)}>{dayName(day, mark)}</MenuItem>;
      })}
      <MenuItem icon={<span className="menu-dot" data-day="0" />} onSelect={() => onMove(null)}>{t("stop.toIdeas")}</MenuItem>
    </>
  );
}

export function useStopActions() {
  const { client, store } = useRoom();
  const { t, name } = useText();
  return {
    move(ids: string[], day: string | null): void {
      const last = (store.getState().stopIds.get(day ?? "") ?? []).filter((id) => !ids.includes(id)).at(-1) ?? null;
      for (let n = 0; n < ids.length; n += 100) {
        const part = ids.slice(n, n + 100);
        client.submit({ kind: "stop.move", ids: part, day, after: n === 0 ? last : (ids[n - 1] ?? null) });
      }
    },
    remove(ids: string[]): void {
      const stops = store.getState().stops;
      const text = ids.length === 1 ? t("stop.removed", { name: name(stops.get(ids[0] ?? "")) }) : t("stop.removedMany", { count: ids.length });
      for (const id of ids) client.submit({ kind: "stop.remove", id });
      // What is only suggested stays in sight, struck out.
      if (store.getState().draft.on) return;
      toast(text, { action: { label: t("common.undo"), run: () => ids.forEach((id) => client.submit({ kind: "stop.restore", id })) } });
    },
  };
}

/** A plain button until it is first pressed: a long board stays light. */
export function StopMenu({ id }: { id: string }) {
  const { t, name } = useText();
  const stop = useStop(id);
  const [used, setUsed] = useState(false);
  if (!stop) return null;
  const label = t("stop.menu", { name: name(stop) });
  if (used) return <OpenedMenu id={id} label={label} />;
  return (
    <button type="button" className="icon-btn row-menu" aria-label={label} aria-haspopup="menu" aria-expanded={false} onClick={() => setUsed(true)}>
      <Dots />
    </button>
  );
}

const Dots = () => (
  <svg width="17" height="17" viewBox="0 0 24 24" fill="none" stroke="currentColor" strokeWidth="3.4" strokeLinecap="round" aria-hidden>
    <path d="M5 12h.01M12 12h.01M19 12h.01" />
  </svg>
);

function OpenedMenu({ id, label }: { id: string; label: string }) {
  const { t } = useText();
  const stop = useStop(id);
  const canEdit = useCanEdit();
  const member = useIsMember();
  const actions = useStopActions();
  return (
    <Menu defaultOpen trigger={<button type="button" className="icon-btn row-menu" aria-label={label}><Dots /></button>}>
      {hasPlace(stop) ? <MenuItem icon={<MapPin size={16} />} onSelect={() => { view.setTab("map"); view.fit("stop", id); }}>{t("day.fit")}</MenuItem> : null}
      {member ? (
        <>
          <MenuItem icon={<MessageSquare size={16} />} onSelect={() => window.setTimeout(() => openThread({ t: "stop", id }))}>{t("talk.comments")}</MenuItem>
          <MenuItem icon={<AtSign size={16} />} onSelect={() => view.mention("stop", id)}>{t("talk.mentionInChat")}</MenuItem>
          <MenuItem icon={<History size={16} />} onSelect={() => view.showHistory(id)}>{t("stop.history")}</MenuItem>
        </>
      ) : null}
      {canEdit ? (
        <>
          <MenuItem icon={<CheckSquare size={16} />} onSelect={() => view.toggleSelected(id)}>{t("stop.select")}</MenuItem>
          <SubMenu icon={<ArrowRightLeft size={16} />} label={t("stop.moveTo")}><MoveTargets onMove={(day) => actions.move([id], day)} /></SubMenu>
          <MenuLine />
          <MenuItem danger icon={<Trash2 size={16} />} onSelect={() => actions.remove([id])}>{t("common.remove")}</MenuItem>
        </>
      ) : null}
    </Menu>
  );
}
