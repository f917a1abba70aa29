/** One stop of the board: a line to read, and on wide screens the editor that opens beneath it. */
import { useDraggable, useDroppable } from "@dnd-kit/core";
import { Check } from "lucide-react";
import { memo, useCallback } from "react";
import type { MouseEvent, ReactNode } from "react";
import { usePhone } from "../../app/useMedia";
import { formatDistance, formatDuration, formatMoney, pickNames } from "../../i18n/format";
import type { Stop } from "../../protocol.gen";
import { useCanEdit, useEditors, useGlow, usePending, useRoom, useRoomState, useStop } from "../../store";
import { CommentButton } from "../talk/CommentButton";
import { RowFaces } from "../presence/RowFaces";
import { useStopMarks } from "../proposals/hooks";
import { StopSuggestions } from "../proposals/Lazy";
import { StopThumb } from "../photos/StopPhoto";
import { boardOrder, useDayMark, useLeg } from "../room/itinerary";
import { useColorOf } from "../room/presence";
import { useText } from "../room/useText";
import { useView, view } from "../room/view";
import { gapId } from "./dnd";
import { KindIcon } from "./kinds";
import { StopEditor } from "./StopEditor";
import { StopMenu } from "./StopMenu";

export const StopRow = memo(function StopRow({ id, n }: { id: string; n: number }) {
  const { t, name } = useText();
  const stop = useStop(id);
  const phone = usePhone();
  const canEdit = useCanEdit();
  const open = useView((s) => s.openStop === id);
  const lit = useView((s) => s.hovered === id);
  const selected = useView((s) => s.selected.has(id));
  const lifted = useView((s) => s.dragging.includes(id));
  const dropHere = useView((s) => s.drop !== null && s.drop.after === id);
  const glow = useGlow(id);
  const author = useColorOf(glow?.author ?? null);
  const editors = useEditors("stop", id);
  const mark = useDayMark(stop?.day_id ?? null);
  const marks = useStopMarks(id);
  const editing = open && !phone;
  if (!stop) return null;
  const holder = editors[0];
  const classes = [
    "stop", `stop-${stop.status}`, editing ? "stop-editing" : "", lit ? "stop-lit" : "", selected ? "stop-selected" : "",
    lifted ? "stop-lifted" : "", dropHere ? "drop-after" : "", glow ? "glow" : "", holder ? "stop-held" : "",
    ...marks.map((mark) => `stop-sug-${mark.what} ${mark.ref.proposal === null ? "stop-sug-mine" : ""}`),
  ];
  return (
    <DragItem
      id={id}
      day={stop.day_id}
      enabled={canEdit && !editing}
      label={canEdit && !editing ? t("stop.drag", { name: name(stop) }) : null}
      className={classes.join(" ")}
      color={mark.color}
      who={glow ? author % 8 : holder ? holder.color % 8 : undefined}
    >
      <Leg id={id} />
      <Line stop={stop} n={n} open={open} />
      <StopSuggestions id={id} marks={marks} />
      <StopMenu id={id} />
      {editing ? <StopEditor id={id} /> : null}
    </DragItem>
  );
});

interface DragItemProps {
  id: string;
  day: string | null;
  enabled: boolean;
  /** Name of the handle for the keyboard; null: no handle. */
  label: string | null;
  className: string;
  color: number;
  who: number | undefined;
  children: ReactNode;
}

/** The part that every step of a drag renders again: kept thin, its children stay as they are. */
function DragItem({ id, day, enabled, label, className, color, who, children }: DragItemProps) {
  const gap = { day, after: id };
  const { setNodeRef: dropRef } = useDroppable({ id: gapId(gap), data: gap });
  const { setNodeRef: dragRef, setActivatorNodeRef, listeners, attributes } = useDraggable({ id, disabled: !enabled });
  const setRef = useCallback((node: HTMLElement | null) => { dropRef(node); dragRef(node); }, [dropRef, dragRef]);
  return (
    <li
      ref={setRef}
      className={className}
      data-testid={`stop-${id}`} data-stop={id} data-anchor={id} data-day={color} data-who={who}
      onPointerEnter={(e) => { if (e.pointerType === "mouse") view.hover(id); }}
      onPointerLeave={() => view.hover(null)}
      {...(enabled ? listeners : {})}
    >
      {label !== null ? (
        <button type="button" ref={setActivatorNodeRef} className="stop-grip" {...attributes} role="button" aria-label={label} tabIndex={0}>
          <svg width="15" height="15" viewBox="0 0 24 24" fill="none" stroke="currentColor" strokeWidth="3" strokeLinecap="round" aria-hidden>
            <path d="M9 5h.01M9 12h.01M9 19h.01M15 5h.01M15 12h.01M15 19h.01" />
          </svg>
        </button>
      ) : null}
      {children}
    </li>
  );
}

function Leg({ id }: { id: string }) {
  const { t, language } = useText();
  const km = useLeg(id);
  if (km === null) return null;
  const text = formatDistance(km, language);
  return <p className="leg num"><span className="vh">{t("stop.between", { km: text })}</span><span aria-hidden>{text}</span></p>;
}

function Line({ stop, n, open }: { stop: Stop; n: number; open: boolean }) {
  const { t, language, name } = useText();
  const room = useRoom();
  const names = pickNames(stop.name, stop.name_alt, language);
  const pending = usePending(stop.id);
  const currency = useRoomState((s) => s.trip?.currency ?? "CNY");
  const tripZone = useRoomState((s) => s.trip?.time_zone);
  const firstNote = stop.notes.split("\n").find((line) => line.trim()) ?? "";

  function onClick(event: MouseEvent): void {
    if (event.ctrlKey || event.metaKey) {
      view.toggleSelected(stop.id);
      return;
    }
    if (event.shiftKey) {
      selectRange(stop.id);
      return;
    }
    if (useView.getState().selected.size > 0 && window.matchMedia("(pointer: coarse)").matches) view.toggleSelected(stop.id);
    else view.toggle(stop.id);
  }
  function selectRange(to: string): void {
    const order = boardOrder(room.store.getState());
    const { selected } = useView.getState();
    const anchor = order.findIndex((id) => selected.has(id));
    const at = order.indexOf(to);
    const [from, until] = anchor === -1 ? [at, at] : [Math.min(anchor, at), Math.max(anchor, at)];
    view.select([...selected, ...order.slice(from, until + 1)]);
  }

  return (
    <div className="stop-line">
      <StopThumb stop={stop} />
      <span className="stop-time num">
        {stop.start_time ? <b>{stop.start_time}</b> : null}
        {stop.end_time ? <span>{stop.end_time}</span> : stop.duration_min && stop.start_time ? <span>{formatDuration(stop.duration_min, language)}</span> : null}
      </span>
      <span className="stop-num num" aria-hidden>{stop.status === "done" ? <Check size={14} strokeWidth={3} /> : n > 0 ? n : <KindIcon kind={stop.kind} size={13} />}</span>
      <p className="stop-name">
        <button type="button" className="stop-open" aria-expanded={open} aria-label={t("stop.open", { name: name(stop) })} onClick={onClick}>
          {n > 0 ? <span className="stop-kind"><KindIcon kind={stop.kind} /></span> : null}
          <span className="stop-main">{names.main || t("stop.unnamed")}</span>
        </button>
      </p>
      <div className="stop-side">
        {stop.cost_amount ? <span className="stop-cost num">{formatMoney(stop.cost_amount, stop.cost_currency ?? currency, language)}</span> : null}
        {stop.status === "booked" || stop.status === "cancelled" || (stop.status === "idea" && n > 0) ? <span className={`badge badge-${stop.status}`}>{t(`status.${stop.status}`)}</span> : null}
        {stop.time_zone && stop.time_zone !== tripZone && stop.start_time ? <span className="stop-zone">{stop.time_zone.split("/").at(-1)?.replaceAll("_", " ")}</span> : null}
        {pending ? <span className="pending-dot" role="img" aria-label={t("stop.waiting")} title={t("stop.waiting")} /> : null}
        <CommentButton t="stop" id={stop.id} what={name(stop)} quiet />
        <RowFaces t="stop" id={stop.id} />
      </div>
      {names.other ? <p className="stop-alt">{names.other}</p> : null}
      {firstNote && !open ? <p className="stop-note">{firstNote}</p> : null}
    </div>
  );
}
