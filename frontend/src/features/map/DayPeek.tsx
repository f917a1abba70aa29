import { useRoomState, useStop, useStopIds } from "../../store";
import { formatDate } from "../../i18n/format";
import { useDayGroups, useDayMark } from "../room/itinerary";
import { useText } from "../room/useText";
import { useView, view } from "../room/view";
import { KindIcon } from "../board/kinds";

/** On phones the map keeps a row of the chosen day's stops within reach of the thumb. */
export function DayPeek() {
  const { t, language, dayName } = useText();
  const { planned } = useDayGroups();
  const chosen = useView((s) => s.day);
  const id = chosen ?? planned[0] ?? null;
  const mark = useDayMark(id);
  const day = useRoomState((s) => s.days.find((each) => each.id === id) ?? null);
  const stopIds = useStopIds(id);
  if (!day) return null;
  return (
    <section className="peek" data-day={mark.color} aria-label={t("map.peek")}>
      <h2 className="peek-title"><span className="menu-dot" />{dayName(day, mark)}{day.title && day.date ? <small className="muted num">{formatDate(day.date, language)}</small> : null}</h2>
      <ol className="peek-row">
        {stopIds.map((stopId, n) => <PeekCard key={stopId} id={stopId} n={n + 1} />)}
        {stopIds.length === 0 ? <li className="muted peek-none">{t("day.stops", { count: 0 })}</li> : null}
      </ol>
    </section>
  );
}

function PeekCard({ id, n }: { id: string; n: number }) {
  const { name } = useText();
  const stop = useStop(id);
  const lit = useView((s) => s.hovered === id);
  if (!stop) return null;
  return (
    <li>
      <button type="button" className={`peek-card ${lit ? "peek-lit" : ""}`} onClick={() => { if (lit) view.open(id); else { view.hover(id); view.fit("stop", id); } }}>
        <span className="stop-num num" aria-hidden>{n}</span>
        <span className="peek-words"><b>{name(stop)}</b><small className="num"><KindIcon kind={stop.kind} size={13} /> {stop.start_time ?? ""}</small></span>
      </button>
    </li>
  );
}
