/** Who changed what and when, with the values before and after, and the way back to any of them. */
import { RotateCcw, X } from "lucide-react";
import { memo, useEffect, useMemo, useRef } from "react";
import { formatClock, formatDate } from "../../i18n/format";
import { type Change, type Photo, type RecordType, type RoomEvent } from "../../protocol.gen";
import { setField } from "../../realtime/operations";
import { useCanEdit, useRoom, useRoomState } from "../../store";
import { Button, IconButton } from "../../ui/Button";
import { Delayed, Empty, Notice, Skeleton } from "../../ui/States";
import { toast } from "../../ui/toast";
import { markOf } from "../room/itinerary";
import { useText } from "../room/useText";
import { useView, view } from "../room/view";
import { openComment } from "../talk/anchor";
import { AuthorFace, useAuthorName } from "../talk/people";
import { Fold } from "./Fold";
import { folded } from "./folds";
import { isTold, kindKey, subjectOf } from "./talkKinds";
import { type EventLog, RETRY_MS, useEvents } from "./useEvents";
import { Picture } from "../photos/Picture";
import { excerpt, fieldLabel, isPhoto, isSilent, showValue } from "./values";
import "./history.css";

const ENOUGH = 12;
const MAX_TRIES = 8;

const localDay = (iso: string): string => {
  const date = new Date(iso);
  return `${date.getFullYear()}-${String(date.getMonth() + 1).padStart(2, "0")}-${String(date.getDate()).padStart(2, "0")}`;
};

export function HistoryPanel() {
  const { t, language, name } = useText();
  const filter = useView((s) => s.historyOf);
  const stop = useRoomState((s) => (filter ? (s.stops.get(filter.id) ?? null) : null));
  const log = useEvents(filter ? `stop:${filter.id}` : null);
  const messages = useRoomState((s) => s.talk.messages);
  const told = useMemo(() => log.events.filter((event) => isTold(event, messages)), [log.events, messages]);
  const folds = useMemo(() => folded(told), [told]);
  // The oldest act that is loaded may go on in the next page.
  const cut = log.more ? folds.at(-1) : undefined;
  useEnough(folds.length, (folds.at(-1)?.length ?? 0) > 1, log);
  const shown = filter?.field ? told.filter((event) => event.changes.some((change) => change.id === filter.id && touches(change, filter.field ?? ""))) : told;
  const groups = new Map<string, RoomEvent[]>();
  for (const event of shown) {
    const day = localDay(event.at);
    groups.set(day, [...(groups.get(day) ?? []), event]);
  }
  return (
    <div className="history" data-testid="history">
      {filter ? (
        <p className="history-filter">
          <span>{t("history.of", { name: name(stop) })}{filter.field ? ` · ${fieldLabel("stop", filter.field, t)}` : ""}</span>
          <Button size="sm" variant="ghost" icon={<X size={14} aria-hidden />} onClick={view.clearHistoryFilter}>{t("history.showAll")}</Button>
        </p>
      ) : null}
      {log.status === "loading" ? <Delayed><div className="stack">{[0, 1, 2, 3].map((n) => <Skeleton key={n} h={44} />)}</div></Delayed> : null}
      {log.status === "failed" ? <Notice tone="bad" action={<Button size="sm" onClick={log.retry}>{t("common.retry")}</Button>}>{t("history.failed")}</Notice> : null}
      {log.status === "ready" && shown.length === 0 && !log.busy ? <Empty title={t("history.empty")} /> : null}
      {[...groups].map(([day, events]) => (
        <section key={day}>
          <h3 className="history-day">{formatDate(day, language)}</h3>
          <ol>{folded(events).map((fold) => {
            const entry = (event: RoomEvent) => <Entry key={event.seq} event={event} field={filter?.field ?? null} />;
            const [only, next] = fold;
            return only && next ? <Fold key={only.seq} events={fold} cut={cut?.includes(only) === true}>{entry}</Fold> : only ? entry(only) : null;
          })}</ol>
        </section>
      ))}
      {log.more ? <Button block variant="ghost" busy={log.busy} onClick={log.older}>{t("history.older")}</Button> : null}
    </div>
  );
}

/** A stretch of nothing but chat, or of what folds to a line, leaves a page with little to tell; and one that ends within a fold cannot
    say how much that was. Then the next is asked for, up to a point. */
function useEnough(told: number, folding: boolean, log: EventLog): void {
  const tries = useRef(0);
  const { status, more, busy, failures, older } = log;
  useEffect(() => {
    if (status !== "ready") tries.current = 0;
    if (status !== "ready" || (told >= ENOUGH && !folding) || !more || busy || tries.current >= MAX_TRIES) return;
    if (failures > 0) {
      const timer = window.setTimeout(older, RETRY_MS);
      return () => window.clearTimeout(timer);
    }
    tries.current += 1;
    older();
  }, [told, folding, status, more, busy, failures, older]);
}

const touches = (change: Change, field: string): boolean =>
  Object.keys(change.set).some((key) => key === field || (field === "links" && key.startsWith("links.")));

function useSubject(event: RoomEvent): string {
  const { t, name, dayName } = useText();
  return useRoomState((s) => {
    const subject = subjectOf(event, s.talk.messages);
    if (subject?.t === "stop") return s.stops.has(subject.id) ? name(s.stops.get(subject.id)) : t("talk.recordGone");
    if (subject?.t === "day") return dayName(s.days.find((each) => each.id === subject.id), markOf(s, subject.id));
    const change = event.changes[0];
    if (!change) return subject?.t === "trip" ? (s.trip?.title ?? "") : t("talk.something");
    if (change.t === "stop") {
      const stop = s.stops.get(change.id);
      if (stop) return name(stop);
      const logged = change.set["name"] ?? change.old?.["name"];
      return typeof logged === "string" && logged ? logged : t("stop.unnamed");
    }
    if (change.t === "day") {
      const day = s.days.find((each) => each.id === change.id);
      return day ? dayName(day, markOf(s, day.id)) : t("day.unscheduled");
    }
    if (change.t === "member") return s.members.get(change.id)?.name ?? String(change.set["name"] ?? "");
    return s.trip?.title ?? "";
  });
}

const Entry = memo(function Entry({ event, field }: { event: RoomEvent; field: string | null }) {
  const { t, language } = useText();
  const what = useSubject(event);
  const moved = event.kind === "stop.move" ? event.changes.filter((change) => change.t === "stop").length : 1;
  const kind = event.kind === "member.remove" && event.changes[0]?.id === event.actor ? "member_leave" : kindKey(event);
  const sentence = t(`history.k.${kind}`, { what, count: moved, defaultValue: t("history.k.other") });
  const who = useAuthorName(event.actor);
  const comment = useRoomState((s) => (event.talk ? subjectOf(event, s.talk.messages) : null));
  // The log says that something was said; what was said may have been deleted since.
  const said = useRoomState((s) => s.talk.messages.get(event.talk?.[0]?.id ?? ""));
  const words = said && !said.deleted ? said.text : "";
  const target = event.changes.length === 1 && event.changes[0]?.t === "stop" ? event.changes[0].id : null;
  const changes = event.changes.filter((change) => !change.new && (field === null || touches(change, field))).slice(0, 6);
  return (
    <li className="entry" data-testid={`event-${event.seq}`} onMouseEnter={() => view.hover(target)} onMouseLeave={() => view.hover(null)}>
      <AuthorFace id={event.actor} size={24} />
      <div className="entry-body">
        <p className="entry-head"><span><b>{who}</b>{language === "zh" ? "" : " "}{sentence}{event.suggested ? <SuggestedBy by={event.suggested.by} /> : null}</span><time className="num" dateTime={event.at}>{formatClock(event.at, language)}</time></p>
        {comment && !said?.deleted ? <button type="button" className={words ? "entry-words" : "entry-show"} onClick={() => openComment(comment, event.talk?.[0]?.id ?? "")}>{words.slice(0, 240) || t("talk.showComment")}</button> : null}
        {changes.length > 0 ? <ul className="entry-changes">{changes.flatMap((change) => fieldsOf(change, field).map((key) => <FieldChange key={`${change.id}${key}`} change={change} field={key} />))}</ul> : null}
      </div>
    </li>
  );
});

/** An accepted piece of a proposal: it came about in the accepter's name, by another's idea. */
function SuggestedBy({ by }: { by: string }) {
  const { t } = useText();
  const name = useAuthorName(by);
  return <span className="entry-suggested">{t("history.suggestedBy", { name })}</span>;
}

/** A record that is made says nothing of what it does not have. */
const isNothing = (value: unknown): boolean => value === null || value === undefined || value === "";

const fieldsOf = (change: Change, field: string | null): string[] =>
  Object.keys(change.set).filter((key) => !isSilent(key) && !(isNothing(change.set[key]) && isNothing(change.old?.[key])) && (field === null || key === field || (field === "links" && key.startsWith("links."))));

function FieldChange({ change, field }: { change: Change; field: string }) {
  const text = useText();
  const { t } = text;
  const { client, store, tripId } = useRoom();
  const canEdit = useCanEdit();
  const currency = useRoomState((s) => s.stops.get(change.id)?.cost_currency ?? s.trip?.currency ?? "CNY");
  const dayWords = (id: unknown): string => {
    const state = store.getState();
    const day = state.days.find((each) => each.id === id);
    return id === null ? t("ideas.title") : day ? text.dayName(day, markOf(state, day.id)) : t("day.unscheduled");
  };
  const show = (value: unknown) => (field === "day_id" ? dayWords(value) : showValue(field, value, text, currency));
  const before = change.old?.[field];
  const [was, is] = excerpt(show(before), show(change.set[field]));
  const seen = (value: unknown) => isPhoto(field) && value != null ? <Picture className="entry-photo" tripId={tripId} photo={value as Photo} alt={show(value)} sizes="44px" /> : null;
  const op = canEdit && change.old && field in change.old ? setField(change.t as RecordType, change.id, field, before ?? null) : null;
  const exists = useRoomState((s) => (change.t === "stop" ? s.stops.has(change.id) : change.t === "day" ? s.days.some((day) => day.id === change.id) : true));
  function restore(): void {
    if (!op) return;
    const opId = client.submit(op);
    toast(t("history.restored"), { action: { label: t("common.undo"), run: () => client.undo(opId) } });
  }
  return (
    <li className="change">
      <span className="change-field">{fieldLabel(change.t, field, t)}</span>
      <span className="change-values">
        {change.old && field in change.old ? <><del>{seen(before) ?? was}</del><span className="vh"> {t("history.to")} </span><span className="change-arrow" aria-hidden>→</span></> : null}<ins>{seen(change.set[field]) ?? is}</ins>
      </span>
      {op && exists ? <IconButton className="change-restore" label={`${t("history.restore")}: ${show(before)}`} tip={false} title={t("history.restore")} onClick={restore}><RotateCcw size={14} aria-hidden /></IconButton> : null}
    </li>
  );
}
