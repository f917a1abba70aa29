/** Every field of one stop, edited where it stands. Each field saves by itself. */
import { ChevronUp, Crosshair, ExternalLink, History, Plus, SquarePen, Trash2, X } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import type { ReactNode } from "react";
import { currencyDigits, formatDuration, parseMoney } from "../../i18n/format";
import { ASSISTANT, MAX_LENGTH, MAX_LINKS, STOP_KINDS, STOP_STATUSES, type Stop, type StopFields, type StopKind, type StopStatus } from "../../protocol.gen";
import { newId, useCanEdit, useIsMember, useMe, useMember, useRoomClient, useRoomState, useStop, useSuggesting, useTrip } from "../../store";
import { Button, IconButton } from "../../ui/Button";
import { Editable, type EditableProps } from "../../ui/Editable";
import { toast } from "../../ui/toast";
import { Held } from "../presence/Held";
import { CURRENCIES, timeZones } from "../trips/zones";
import { useLooking, useReporter } from "../room/presence";
import { hasPlace } from "../room/itinerary";
import { useText } from "../room/useText";
import { view } from "../room/view";
import { focusStop } from "../room/useRoomKeys";
import { StopPhoto } from "../photos/StopPhoto";
import { CommentButton } from "../talk/CommentButton";
import { isUrl, withScheme, parseClock, parseDegrees, parseMinutes } from "./parse";
import { KindIcon } from "./kinds";
import { nameFields, rename, setOther } from "./names";
import { useSuggest } from "../proposals/ModePill";
import { useStopActions } from "./StopMenu";

export function StopEditor({ id, sheet }: { id: string; sheet?: boolean }) {
  const stop = useStop(id);
  useLooking({ t: "stop", id });
  const box = useRef<HTMLDivElement>(null);
  // What is opened at the lower edge of the board would be out of sight. Where not all of it fits, its head does.
  useEffect(() => {
    if (!sheet) box.current?.closest("[data-stop]")?.scrollIntoView({ block: "nearest" });
  }, [sheet]);
  if (!stop) return null;
  return (
    <div className="editor" ref={box} data-no-drag data-testid="stop-editor">
      <StopPhoto stop={stop} />
      <div className="editor-grid">
        <Names stop={stop} />
        <Choice stop={stop} field="kind" />
        <Choice stop={stop} field="status" />
        <Clock stop={stop} field="start_time" />
        <Clock stop={stop} field="end_time" />
        <Duration stop={stop} />
        <Cost stop={stop} />
        <Place stop={stop} />
        <Text stop={stop} field="notes" wide multiline placeholder="stop.notesPlaceholder" />
        <Links stop={stop} />
        <Zone stop={stop} />
      </div>
      <EditorFoot stop={stop} sheet={sheet ?? false} />
    </div>
  );
}

type Name = keyof StopFields;

/** Label, history button, and who else is in this field. */
function Box({ stop, field, label, size = "half", children }: { stop: Stop; field: string; label: string; size?: "half" | "third" | "wide"; children: ReactNode }) {
  const { t, name } = useText();
  const member = useIsMember();
  return (
    <div className={`box box-${size}`}>
      <div className="box-head">
        <label htmlFor={`${stop.id}-${field}`}>{label}</label>
        <span className="box-tools">
          {member ? (
            <button type="button" className="box-history" aria-label={`${t("history.title")}: ${label}`} onClick={() => view.showHistory(stop.id, field)}>
              <History size={13} aria-hidden />
            </button>
          ) : null}
          {field === "notes" ? <CommentButton t="stop" id={stop.id} field="notes" what={`${name(stop)} · ${label}`} size={13} className="box-history" /> : null}
        </span>
      </div>
      <Held t="stop" id={stop.id} field={field}>{children}</Held>
    </div>
  );
}

function useSet(stop: Stop): (fields: StopFields) => void {
  const client = useRoomClient();
  return (fields) => void client.submit({ kind: "stop.set_fields", id: stop.id, fields });
}

function useInput(stop: Stop, field: string, label: string): Pick<EditableProps, "id" | "label" | "readOnly" | "onEditing" | "className"> {
  const canEdit = useCanEdit();
  const reporter = useReporter();
  return {
    id: `${stop.id}-${field}`, label, readOnly: !canEdit, className: "boxed",
    onEditing: (what) => reporter.field({ t: "stop", id: stop.id, field }, what),
  };
}

/** The name that this reader sees, and the one in the other language. */
function Names({ stop }: { stop: Stop }) {
  const { t, language } = useText();
  const set = useSet(stop);
  const suggesting = useSuggesting();
  const { shown, other } = nameFields(stop, language);
  const label = t("stop.f.name");
  const otherLabel = t("stop.f.name_alt");
  function commit(text: string): void {
    const { fields, dropped } = rename(stop, language, text);
    set(fields);
    // What is only suggested shows in the suggestion, with what it would remove.
    if (dropped && !suggesting) toast(t("stop.renamed", { name: dropped }), { action: { label: t("stop.keepOther"), run: () => set({ name_alt: dropped }) } });
  }
  return (
    <>
      <Box stop={stop} field={shown} label={label} size="wide">
        <Editable {...useInput(stop, shown, label)} value={stop[shown]} required maxLength={MAX_LENGTH.stop[shown]} onCommit={commit} />
      </Box>
      <Box stop={stop} field={other} label={otherLabel} size="wide">
        <Editable {...useInput(stop, other, otherLabel)} value={stop[other]} maxLength={MAX_LENGTH.stop[other]} onCommit={(text) => set(setOther(stop, language, text))} />
      </Box>
    </>
  );
}

function Text({ stop, field, wide, multiline, placeholder }: {
  stop: Stop; field: "notes" | "place_name"; wide?: boolean; multiline?: boolean; placeholder?: string;
}) {
  const { t } = useText();
  const set = useSet(stop);
  const label = t(`stop.f.${field}`);
  return (
    <Box stop={stop} field={field} label={label} size={wide ? "wide" : "half"}>
      <Editable {...useInput(stop, field, label)} value={stop[field]} multiline={multiline ?? false} maxLength={MAX_LENGTH.stop[field]}
        placeholder={placeholder ? t(placeholder) : ""} onCommit={(value) => set({ [field]: value })} />
    </Box>
  );
}

function Choice({ stop, field }: { stop: Stop; field: "kind" | "status" }) {
  const { t } = useText();
  const canEdit = useCanEdit();
  const set = useSet(stop);
  const reporter = useReporter();
  const options: readonly (StopKind | StopStatus)[] = field === "kind" ? STOP_KINDS : STOP_STATUSES;
  const focus = { t: "stop" as const, id: stop.id, field };
  return (
    <Box stop={stop} field={field} label={t(`stop.f.${field}`)}>
      <span className={field === "kind" ? "with-icon" : undefined}>
        {field === "kind" ? <KindIcon kind={stop.kind} /> : null}
        <select
          id={`${stop.id}-${field}`} className="input select boxed" disabled={!canEdit} value={stop[field]}
          onFocus={() => reporter.field(focus, "focus")} onBlur={() => reporter.field(focus, "blur")}
          onChange={(e) => set({ [field]: e.target.value } as StopFields)}
        >
          {options.map((value) => <option key={value} value={value}>{t(`${field}.${value}`)}</option>)}
        </select>
      </span>
    </Box>
  );
}

function Clock({ stop, field }: { stop: Stop; field: "start_time" | "end_time" }) {
  const { t } = useText();
  const set = useSet(stop);
  const label = t(`stop.f.${field}`);
  return (
    <Box stop={stop} field={field} label={label} size="third">
      <Editable {...useInput(stop, field, label)} className="boxed num" value={stop[field] ?? ""} inputMode="text" placeholder="--:--" maxLength={8} selectOnFocus
        parse={parseClock} invalidText={t("stop.badTime")} onCommit={(value) => set({ [field]: value || null })} />
    </Box>
  );
}

function Duration({ stop }: { stop: Stop }) {
  const { t, language } = useText();
  const set = useSet(stop);
  const label = t("stop.f.duration_min");
  const value = stop.duration_min === null ? "" : formatDuration(stop.duration_min, language);
  return (
    <Box stop={stop} field="duration_min" label={label} size="third">
      <Editable {...useInput(stop, "duration_min", label)} className="boxed num" value={value} placeholder={t("stop.minutes")} selectOnFocus maxLength={20}
        parse={(text) => (text === value ? value : parseMinutes(text))} invalidText={t("stop.badNumber")} onCommit={(minutes) => set({ duration_min: minutes ? Number(minutes) : null })} />
    </Box>
  );
}

function Cost({ stop }: { stop: Stop }) {
  const { t } = useText();
  const set = useSet(stop);
  const canEdit = useCanEdit();
  const tripCurrency = useTrip()?.currency ?? "CNY";
  const currency = stop.cost_currency ?? tripCurrency;
  const label = t("stop.f.cost_amount");
  const value = stop.cost_amount === null ? "" : (stop.cost_amount / 10 ** currencyDigits(currency)).toString();
  const commit = (text: string) => set({ cost_amount: text === "" ? null : parseMoney(text, currency), ...(stop.cost_currency === null ? { cost_currency: currency } : {}) });
  return (
    <>
      <Box stop={stop} field="cost_amount" label={label}>
        <Editable {...useInput(stop, "cost_amount", label)} className="boxed num" value={value} inputMode="decimal" selectOnFocus maxLength={20}
          parse={(text) => (text === "" || parseMoney(text, currency) !== null ? text : null)} invalidText={t("stop.badCost")} onCommit={commit} />
      </Box>
      <Box stop={stop} field="cost_currency" label={t("stop.f.cost_currency")}>
        <select id={`${stop.id}-cost_currency`} className="input select boxed" disabled={!canEdit} value={currency} onChange={(e) => set({ cost_currency: e.target.value })}>
          {[...new Set([currency, tripCurrency, ...CURRENCIES])].map((code) => <option key={code}>{code}</option>)}
        </select>
      </Box>
    </>
  );
}

function Place({ stop }: { stop: Stop }) {
  const { t } = useText();
  const canEdit = useCanEdit();
  const set = useSet(stop);
  const degrees = (field: "lat" | "lng", limit: 90 | 180) => ({
    value: stop[field] === null ? "" : String(Number(stop[field].toFixed(5))), inputMode: "decimal" as const, selectOnFocus: true, maxLength: 14,
    parse: (text: string) => parseDegrees(text, limit), invalidText: t(field === "lat" ? "stop.badLat" : "stop.badLng"),
    onCommit: (value: string) => set({ [field]: value === "" ? null : Number(value) }),
  });
  const lat = useInput(stop, "lat", t("stop.f.lat"));
  const lng = useInput(stop, "lng", t("stop.f.lng"));
  return (
    <>
      <Text stop={stop} field="place_name" wide />
      <Box stop={stop} field="lat" label={t("stop.f.lat")} size="third"><Editable {...lat} {...degrees("lat", 90)} className="boxed num" /></Box>
      <Box stop={stop} field="lng" label={t("stop.f.lng")} size="third"><Editable {...lng} {...degrees("lng", 180)} className="boxed num" /></Box>
      {canEdit ? (
        <div className="box box-third box-action">
          <Button size="md" icon={<Crosshair size={15} aria-hidden />} onClick={() => view.pick(stop.id)} aria-label={t("stop.pick")}>{t("room.map")}</Button>
          {hasPlace(stop) ? <IconButton label={t("stop.clearPosition")} onClick={() => set({ lat: null, lng: null })}><X size={16} aria-hidden /></IconButton> : null}
        </div>
      ) : null}
    </>
  );
}

function Links({ stop }: { stop: Stop }) {
  const { t } = useText();
  const canEdit = useCanEdit();
  const set = useSet(stop);
  const [adding, setAdding] = useState(false);
  const entries = Object.entries(stop.links);
  const input = useInput(stop, "links", t("stop.linkUrl"));
  if (!canEdit && entries.length === 0) return null;
  return (
    <div className="box box-wide">
      <div className="box-head"><span className="box-label">{t("stop.f.links")}</span></div>
      <ul className="links">
        {entries.map(([key, link]) => (
          <li key={key}>
            <a href={isUrl(link.url) ? link.url : undefined} target="_blank" rel="noopener noreferrer"><ExternalLink size={14} aria-hidden />{link.title || link.url.replace(/^https?:\/\/(www\.)?/, "")}</a>
            {canEdit ? <IconButton label={`${t("common.remove")}: ${link.title || link.url}`} tip={false} onClick={() => set({ links: { [key]: null } })}><X size={15} aria-hidden /></IconButton> : null}
          </li>
        ))}
      </ul>
      {adding ? (
        <Held t="stop" id={stop.id} field="links">
          <Editable {...input} value="" type="text" inputMode="url" autoFocus placeholder="https://" parse={(text) => (text === "" || isUrl(withScheme(text)) ? withScheme(text) : null)} invalidText={t("stop.badLink")} maxLength={MAX_LENGTH.link.url}
            onEditing={(what) => { input.onEditing?.(what); }}
            onCommit={(url) => { setAdding(false); if (url) set({ links: { [newId()]: { url, title: "" } } }); }} />
        </Held>
      ) : canEdit && entries.length < MAX_LINKS ? (
        <Button size="sm" variant="ghost" icon={<Plus size={15} aria-hidden />} onClick={() => setAdding(true)}>{t("stop.addLink")}</Button>
      ) : null}
    </div>
  );
}

function Zone({ stop }: { stop: Stop }) {
  const { t } = useText();
  const canEdit = useCanEdit();
  const set = useSet(stop);
  const tripZone = useRoomState((s) => s.trip?.time_zone ?? "UTC");
  return (
    <Box stop={stop} field="time_zone" label={t("stop.f.time_zone")} size="wide">
      <select id={`${stop.id}-time_zone`} className="input select boxed" disabled={!canEdit} value={stop.time_zone ?? ""} onChange={(e) => set({ time_zone: e.target.value || null })}>
        <option value="">{t("stop.tripZone", { zone: tripZone })}</option>
        {timeZones().map((zone) => <option key={zone} value={zone}>{zone}</option>)}
      </select>
    </Box>
  );
}

function EditorFoot({ stop, sheet }: { stop: Stop; sheet: boolean }) {
  const { t, name } = useText();
  const member = useIsMember();
  const canEdit = useCanEdit();
  const byAssistant = stop.proposed_by === ASSISTANT;
  const proposer = useMember(byAssistant ? null : stop.proposed_by);
  const viewer = useMe().role === "viewer";
  const suggest = useSuggest();
  const actions = useStopActions();
  const close = () => {
    view.open(null);
    focusStop(stop.id);
  };
  return (
    <footer className="editor-foot">
      {proposer || byAssistant ? <span className="muted editor-by">{t("stop.f.proposed_by")} {byAssistant ? t("ai.name") : proposer?.name}</span> : <span />}
      {viewer && !canEdit ? <Button size="sm" icon={<SquarePen size={14} aria-hidden />} onClick={() => suggest(true)}>{t("proposal.suggestChanges")}</Button> : null}
      <CommentButton t="stop" id={stop.id} what={name(stop)} size={17} />
      {member ? <IconButton label={t("stop.history")} onClick={() => view.showHistory(stop.id)}><History size={17} aria-hidden /></IconButton> : null}
      {canEdit ? <IconButton label={t("common.remove")} onClick={() => { view.open(null); actions.remove([stop.id]); }}><Trash2 size={17} aria-hidden /></IconButton> : null}
      {sheet ? null : <Button size="sm" icon={<ChevronUp size={15} aria-hidden />} onClick={close}>{t("common.done")}</Button>}
    </footer>
  );
}
