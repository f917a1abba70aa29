/** The itinerary: days with their stops, unscheduled days, ideas; and the dragging between them. */
import { DndContext, DragOverlay, MeasuringStrategy } from "@dnd-kit/core";
import type { Active, Announcements, DragEndEvent, DragOverEvent, DragStartEvent, Over } from "@dnd-kit/core";
import { CalendarPlus, Plus } from "lucide-react";
import { useMemo } from "react";
import { newId, useCanEdit, useRoom, useRoomState, useStop } from "../../store";
import { Button } from "../../ui/Button";
import { Empty } from "../../ui/States";
import { boardOrder, markOf, useDayGroups } from "../room/itinerary";
import { useText } from "../room/useText";
import { useView, view } from "../room/view";
import { usePhotoInput } from "../photos/usePhotoInput";
import { DraftFoot, SuggestedDays } from "../proposals/Lazy";
import { SuggestionBar } from "../proposals/SuggestionBar";
import { DaySection } from "./DaySection";
import { DayStrip } from "./DayStrip";
import { type Gap, moveFor, nearestGap, useBoardSensors } from "./dnd";
import { Ideas } from "./Ideas";
import { Intro } from "./Intro";
import { KindIcon } from "./kinds";
import { SelectionBar } from "./SelectionBar";

const measuring = { droppable: { strategy: MeasuringStrategy.WhileDragging } };

export function Board() {
  const room = useRoom();
  const sensors = useBoardSensors();
  const announcements = useAnnouncements();
  const { t } = useText();
  // Far days of a long trip are not painted, except while dragging: drop places need true sizes.
  const long = useRoomState((s) => s.stops.size > 120);
  const dragging = useView((s) => s.dragging.length > 0);
  const photoInput = usePhotoInput();

  function start({ active }: DragStartEvent): void {
    const id = String(active.id);
    const { selected } = useView.getState();
    const ids = selected.has(id) ? boardOrder(room.store.getState()).filter((each) => selected.has(each)) : [id];
    view.drag(ids);
  }
  function over({ over: target }: DragOverEvent): void {
    view.dropAt((target?.data.current as Gap | undefined) ?? null);
  }
  function end({ over: target }: DragEndEvent): void {
    const ids = useView.getState().dragging;
    view.drag([]);
    const gap = target?.data.current as Gap | undefined;
    if (!gap || ids.length === 0) return;
    const list = room.store.getState().stopIds.get(gap.day ?? "") ?? [];
    const move = moveFor(ids, gap, list);
    if (move) room.client.submit({ kind: "stop.move", ...move });
    if (ids.length > 1) view.select([]);
  }

  return (
    <DndContext
      sensors={sensors}
      collisionDetection={nearestGap}
      measuring={measuring}
      onDragStart={start}
      onDragOver={over}
      onDragEnd={end}
      onDragCancel={() => view.drag([])}
      accessibility={{ announcements, screenReaderInstructions: { draggable: t("dnd.instructions") } }}
    >
      <DayStrip />
      <SuggestionBar />
      <div className={long && !dragging ? "board-scroll board-long" : "board-scroll"} data-testid="board" {...photoInput}>
        <Intro />
        <Days />
        <Ideas />
      </div>
      <SelectionBar />
      <DraftFoot />
      <DragOverlay dropAnimation={null}><Dragged /></DragOverlay>
    </DndContext>
  );
}

function Days() {
  const { planned, loose } = useDayGroups();
  const { t } = useText();
  const canEdit = useCanEdit();
  const room = useRoom();
  const add = () => {
    const id = newId();
    room.client.submit({ kind: "day.add", id });
    view.add(id);
  };
  return (
    <>
      {planned.length === 0 && loose.length === 0 ? (
        <Empty
          icon={<CalendarPlus size={26} />}
          title={t("day.noDays")}
          actions={canEdit ? <><Button variant="primary" onClick={() => view.dialog("dates")}>{t("room.setDates")}</Button><Button onClick={add}>{t("day.add")}</Button></> : undefined}
        >
          {canEdit ? t("day.noDaysText") : null}
        </Empty>
      ) : null}
      {planned.map((id) => <DaySection key={id} id={id} />)}
      <SuggestedDays />
      {canEdit && planned.length + loose.length > 0 ? (
        <button type="button" className="add-line add-day" onClick={add}><Plus size={16} aria-hidden />{t("day.add")}</button>
      ) : null}
      {loose.length > 0 ? (
        <section className="loose" aria-label={t("day.unscheduledTitle")}>
          <h2 className="list-title">{t("day.unscheduledTitle")}</h2>
          <p className="list-hint">{t("day.unscheduledHint")}</p>
          {loose.map((id) => <DaySection key={id} id={id} />)}
        </section>
      ) : null}
    </>
  );
}

/** What follows the pointer. */
function Dragged() {
  const dragging = useView((s) => s.dragging);
  const stop = useStop(dragging[0] ?? "");
  const { t, name } = useText();
  if (!stop) return null;
  return (
    <div className="dragged">
      <KindIcon kind={stop.kind} />
      <span>{dragging.length > 1 ? t("dnd.many", { count: dragging.length }) : name(stop)}</span>
    </div>
  );
}

function useAnnouncements(): Announcements {
  const room = useRoom();
  const { t, name, dayName } = useText();
  return useMemo(() => {
    const what = (active: Active): string => {
      const { dragging } = useView.getState();
      return dragging.length > 1 ? t("dnd.many", { count: dragging.length }) : name(room.store.getState().stops.get(String(active.id)));
    };
    const place = (over: Over | null): { place: string; after: string | null } => {
      const state = room.store.getState();
      const gap = over?.data.current as Gap | undefined;
      const day = state.days.find((each) => each.id === gap?.day);
      return { place: dayName(day, markOf(state, gap?.day ?? null)), after: gap?.after ? name(state.stops.get(gap.after)) : null };
    };
    return {
      onDragStart: ({ active }) => t("dnd.start", { name: what(active) }),
      onDragOver: ({ active, over }) => {
        const target = place(over);
        return t(target.after ? "dnd.over" : "dnd.overFirst", { name: what(active), ...target });
      },
      onDragEnd: ({ active, over }) => t("dnd.end", { name: what(active), place: place(over).place }),
      onDragCancel: ({ active }) => t("dnd.cancel", { name: what(active) }),
    };
  }, [room, t]); // name and dayName follow t
}
