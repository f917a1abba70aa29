import { CalendarRange, Download, History, Info, Keyboard, ListChecks, MapPin, MessageCircle, Plus, Redo2, Sparkles, SquarePen, Undo2, Users } from "lucide-react";
import { useMemo, useRef, useState } from "react";
import type { KeyboardEvent, ReactNode } from "react";
import { useUser } from "../../app/session";
import { useCanEdit, useIsMember, useRoomState, useStops, useSuggesting } from "../../store";
import { Dialog } from "../../ui/Dialog";
import { useSuggest } from "../proposals/ModePill";
import { reviewUi } from "../proposals/ui";
import { boardOrder, dayMarks } from "./itinerary";
import { focusStop } from "./useRoomKeys";
import { useText } from "./useText";
import { useUndo } from "./useUndo";
import { IN_IDEAS, view } from "./view";

interface Entry {
  id: string;
  label: string;
  extra: string;
  icon: ReactNode;
  run: () => void;
}

function useEntries(): Entry[] {
  const { t, name, dayName } = useText();
  const canEdit = useCanEdit();
  const member = useIsMember();
  const user = useUser();
  const suggesting = useSuggesting();
  const turn = useSuggest();
  const suggest = useRef(turn);
  suggest.current = turn;
  const days = useRoomState((s) => s.days);
  const trip = useRoomState((s) => s.trip);
  const stops = useStops();
  const order = useRoomState((s) => boardOrder(s).join(" "));
  const { undo, redo } = useUndo();
  return useMemo(() => {
    const marks = dayMarks(days, trip);
    const byId = new Map(days.map((day) => [day.id, day]));
    const actions: Entry[] = [
      ...(canEdit ? [
        { id: "new", label: t("keys.newStop"), extra: "N", icon: <Plus size={16} />, run: () => view.add(days[0]?.id ?? IN_IDEAS) },
        { id: "dates", label: t("dates.title"), extra: "", icon: <CalendarRange size={16} />, run: () => view.dialog("dates") },
        { id: "undo", label: t("common.undo"), extra: "Ctrl Z", icon: <Undo2 size={16} />, run: undo },
        { id: "redo", label: t("common.redo"), extra: "Ctrl ⇧ Z", icon: <Redo2 size={16} />, run: redo },
      ] : []),
      { id: "people", label: t("room.share"), extra: "", icon: <Users size={16} />, run: () => { view.setDrawer("people"); view.setTab("people"); } },
      ...(member ? [
        { id: "talk", label: t("talk.title"), extra: "T", icon: <MessageCircle size={16} />, run: () => view.show("talk") },
        { id: "assistant", label: t("room.assistant"), extra: "", icon: <Sparkles size={16} />, run: () => view.show("assistant") },
        { id: "proposals", label: t("proposal.title"), extra: "", icon: <ListChecks size={16} />, run: () => reviewUi.review() },
        suggesting
          ? { id: "suggest", label: t("proposal.leave"), extra: "", icon: <SquarePen size={16} />, run: () => suggest.current(false) }
          : { id: "suggest", label: t("proposal.suggestChanges"), extra: "", icon: <SquarePen size={16} />, run: () => suggest.current(true) },
        { id: "history", label: t("history.title"), extra: "", icon: <History size={16} />, run: () => view.show("history") },
      ] : []),
      ...(user ? [{ id: "export", label: t("export.title"), extra: "", icon: <Download size={16} />, run: () => view.dialog("export") }] : []),
      { id: "details", label: t("room.details"), extra: "", icon: <Info size={16} />, run: () => view.dialog("details") },
      { id: "keys", label: t("room.shortcuts"), extra: "?", icon: <Keyboard size={16} />, run: () => view.dialog("keys") },
    ];
    const places = order.split(" ").filter(Boolean).map((id): Entry => {
      const stop = stops.get(id);
      const mark = stop?.day_id ? marks.get(stop.day_id) : undefined;
      return {
        id, label: name(stop), extra: dayName(stop?.day_id ? byId.get(stop.day_id) : null, mark ?? { n: 0, color: 0 }), icon: <MapPin size={16} />,
        run: () => { view.setTab("plan"); view.open(id); view.fit("stop", id); window.setTimeout(() => focusStop(id)); },
      };
    });
    return [...actions, ...places];
  }, [canEdit, member, user, suggesting, days, trip, stops, order, t, undo, redo]); // name and dayName follow t
}

export function CommandPalette({ onClose }: { onClose: () => void }) {
  const { t } = useText();
  const entries = useEntries();
  const stops = useStops();
  const [query, setQuery] = useState("");
  const [at, setAt] = useState(0);
  const needle = query.trim().toLocaleLowerCase();
  const found = entries.filter((entry) => {
    const stop = stops.get(entry.id);
    return !needle || [entry.label, entry.extra, stop?.name, stop?.name_alt, stop?.place_name].some((text) => text?.toLocaleLowerCase().includes(needle));
  }).slice(0, 40);
  const active = found[Math.min(at, found.length - 1)];

  function run(entry: Entry | undefined): void {
    if (!entry) return;
    onClose();
    entry.run();
  }
  function onKeyDown(event: KeyboardEvent): void {
    if (event.nativeEvent.isComposing) return;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      setAt((n) => (Math.min(n, found.length - 1) + (event.key === "ArrowDown" ? 1 : found.length - 1)) % Math.max(1, found.length));
    } else if (event.key === "Enter") {
      event.preventDefault();
      run(active);
    }
  }
  return (
    <Dialog open onClose={onClose} title={t("command.label")} hideTitle className="palette">
      <input
        className="palette-input" role="combobox" aria-expanded="true" aria-controls="palette-list" aria-activedescendant={active ? `cmd-${active.id}` : undefined}
        aria-label={t("command.placeholder")} placeholder={t("command.placeholder")} autoFocus value={query}
        onChange={(e) => { setQuery(e.target.value); setAt(0); }} onKeyDown={onKeyDown}
      />
      <ul id="palette-list" className="palette-list" role="listbox" aria-label={t("command.results")}>
        {found.map((entry) => (
          <li
            key={entry.id} id={`cmd-${entry.id}`} role="option" aria-selected={entry === active} onClick={() => run(entry)}
            ref={entry === active ? (node) => node?.scrollIntoView({ block: "nearest" }) : undefined}
          >
            <span className="menu-icon" aria-hidden>{entry.icon}</span>
            <span className="menu-text">{entry.label}</span>
            <span className="muted palette-extra">{entry.extra}</span>
          </li>
        ))}
      </ul>
      {found.length === 0 ? <p className="muted palette-none">{t("command.empty")}</p> : null}
    </Dialog>
  );
}
