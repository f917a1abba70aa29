import { useDroppable } from "@dnd-kit/core";
import { ArrowDown, ArrowUp, AtSign, MapPinned, MessageSquare, MoreHorizontal, StickyNote, Trash2 } from "lucide-react";
import { Fragment, memo } from "react";
import { useTranslation } from "react-i18next";
import { useShallow } from "zustand/react/shallow";
import { formatDate } from "../../i18n/format";
import { MAX_LENGTH } from "../../protocol.gen";
import { useCanEdit, useDay, useGlow, useIsMember, useRoom, useRoomClient, useRoomState, useStopIds } from "../../store";
import { IconButton } from "../../ui/Button";
import { Editable } from "../../ui/Editable";
import { Menu, MenuItem, MenuLine } from "../../ui/Menu";
import { toast } from "../../ui/toast";
import { Held } from "../presence/Held";
import { RowFaces } from "../presence/RowFaces";
import { useSlots } from "../proposals/hooks";
import { DaySuggestions, Suggested } from "../proposals/Lazy";
import { sumCosts, useDayMark } from "../room/itinerary";
import { useColorOf, useReporter } from "../room/presence";
import { openThread } from "../talk/anchor";
import { CommentButton } from "../talk/CommentButton";
import { useText } from "../room/useText";
import { useView, view } from "../room/view";
import { AddStop } from "./AddStop";
import { gapId } from "./dnd";
import { StopRow } from "./StopRow";

export const DaySection = memo(function DaySection({ id }: { id: string }) {
  const day = useDay(id);
  const mark = useDayMark(id);
  const stopIds = useStopIds(id);
  const { t } = useTranslation();
  const glow = useGlow(id);
  const author = useColorOf(glow?.author ?? null);
  const adding = useView((s) => s.adding === id);
  const focused = useView((s) => s.day === id);
  const slots = useSlots(id);
  const canEdit = useCanEdit();
  if (!day) return null;
  return (
    <section
      className={`day ${focused ? "day-focused" : ""} ${glow ? "glow" : ""}`}
      data-testid={`day-${id}`} data-day={mark.color} data-day-id={id} data-anchor={id} data-who={glow ? author % 8 : undefined}
      aria-label={mark.n > 0 ? t("day.number", { n: mark.n }) : t("day.unscheduled")}
    >
      <DayHead id={id} />
      <DaySuggestions id={id} />
      <DayNotes id={id} />
      <ol className="stops">
        <Suggested slots={slots} after={null} />
        {stopIds.map((stopId, n) => (
          <Fragment key={stopId}>
            <StopRow id={stopId} n={n + 1} />
            <Suggested slots={slots} after={stopId} />
          </Fragment>
        ))}
      </ol>
      {stopIds.length === 0 && !adding && !slots ? <p className="day-empty">{t(canEdit ? "day.empty" : "day.nothing")}</p> : null}
      <AddStop list={id} open={adding} />
    </section>
  );
});

function DayHead({ id }: { id: string }) {
  const { t, language, costs, dayName } = useText();
  const day = useDay(id);
  const mark = useDayMark(id);
  const canEdit = useCanEdit();
  const client = useRoomClient();
  const reporter = useReporter();
  const { setNodeRef } = useDroppable({ id: gapId({ day: id, after: null }), data: { day: id, after: null } });
  const dropHere = useView((s) => s.drop !== null && s.drop.day === id && s.drop.after === null);
  const currency = useRoomState((s) => s.trip?.currency ?? "CNY");
  const cost = useRoomState((s) => costs(sumCosts((s.stopIds.get(id) ?? []).map((each) => s.stops.get(each)), currency)));
  if (!day) return null;
  const number = mark.n > 0 ? t("day.number", { n: mark.n }) : t("day.unscheduled");
  return (
    <header ref={setNodeRef} className={`day-head ${dropHere ? "drop-after" : ""}`}>
      <span className="day-block num" aria-hidden>{mark.n > 0 ? mark.n : "–"}</span>
      <div className="day-words">
        <h2 className="day-title">
          <span className="vh">{number}{day.title ? `: ${day.title}` : ""}</span>
          {canEdit ? <Held t="day" id={id} field="title">
            <Editable
              value={day.title} label={t("day.title", { n: mark.n })} placeholder={t("day.titlePlaceholder")} maxLength={MAX_LENGTH.day.title}
              onEditing={(what) => reporter.field({ t: "day", id, field: "title" }, what)}
              onCommit={(title) => client.submit({ kind: "day.set_fields", id, fields: { title } })}
            />
          </Held> : <span aria-hidden>{day.title || number}</span>}
        </h2>
        <p className="day-date num">
          <span>{day.date ? formatDate(day.date, language) : canEdit || day.title ? number : ""}</span>
          {cost ? <span>{cost}</span> : null}
        </p>
      </div>
      <RowFaces t="day" id={id} />
      <CommentButton t="day" id={id} what={dayName(day, mark)} quiet />
      <DayMenu id={id} />
    </header>
  );
}

function DayNotes({ id }: { id: string }) {
  const { t } = useTranslation();
  const notes = useRoomState((s) => s.days.find((day) => day.id === id)?.notes ?? "");
  const canEdit = useCanEdit();
  const client = useRoomClient();
  const reporter = useReporter();
  const wanted = useView((s) => s.adding === `notes:${id}`);
  if (!notes && !wanted) return null;
  return (
    <div className="day-notes">
      <Held t="day" id={id} field="notes">
        <Editable
          multiline value={notes} label={t("day.notes")} readOnly={!canEdit} placeholder={t("day.notesPlaceholder")} maxLength={MAX_LENGTH.day.notes} autoFocus={wanted}
          onEditing={(what) => {
            reporter.field({ t: "day", id, field: "notes" }, what);
            if (what === "blur" && wanted) view.add(null);
          }}
          onCommit={(text) => client.submit({ kind: "day.set_fields", id, fields: { notes: text } })}
        />
      </Held>
      {notes ? <CommentButton t="day" id={id} field="notes" what={t("day.notes")} quiet /> : null}
    </div>
  );
}

function DayMenu({ id }: { id: string }) {
  const { t } = useTranslation();
  const mark = useDayMark(id);
  const canEdit = useCanEdit();
  const member = useIsMember();
  const { client, store } = useRoom();
  const [before, twoBefore, after] = useRoomState(useShallow((s) => {
    const ids = s.days.map((day) => day.id);
    const at = ids.indexOf(id);
    return [ids[at - 1] ?? null, ids[at - 2] ?? null, ids[at + 1] ?? null];
  }));
  const remove = () => {
    const opId = client.submit({ kind: "day.remove", id });
    if (store.getState().draft.on) return;
    toast(t("day.removed"), { action: { label: t("common.undo"), run: () => client.undo(opId) } });
  };
  return (
    <Menu trigger={<IconButton className="row-menu" label={t("day.menu", { n: mark.n })} tip={false}><MoreHorizontal size={18} aria-hidden /></IconButton>}>
      <MenuItem icon={<MapPinned size={16} />} onSelect={() => { view.setDay(id); view.setTab("map"); }}>{t("day.fit")}</MenuItem>
      {member ? (
        <>
          <MenuItem icon={<MessageSquare size={16} />} onSelect={() => window.setTimeout(() => openThread({ t: "day", id }))}>{t("talk.comments")}</MenuItem>
          <MenuItem icon={<AtSign size={16} />} onSelect={() => view.mention("day", id)}>{t("talk.mentionInChat")}</MenuItem>
        </>
      ) : null}
      {canEdit ? (
        <>
          <MenuItem icon={<StickyNote size={16} />} onSelect={() => window.setTimeout(() => view.add(`notes:${id}`))}>{t("day.addNotes")}</MenuItem>
          <MenuItem icon={<ArrowUp size={16} />} disabled={before === null} onSelect={() => client.submit({ kind: "day.move", id, after: twoBefore })}>{t("day.moveUp")}</MenuItem>
          <MenuItem icon={<ArrowDown size={16} />} disabled={after === null} onSelect={() => client.submit({ kind: "day.move", id, after })}>{t("day.moveDown")}</MenuItem>
          <MenuLine />
          <MenuItem danger icon={<Trash2 size={16} />} onSelect={remove}>{t("day.remove")}</MenuItem>
        </>
      ) : null}
    </Menu>
  );
}
