import { Copy, ExternalLink, X } from "lucide-react";
import { useState } from "react";
import { useRoom, useRoomState, useTrip } from "../../store";
import { Button, IconButton } from "../../ui/Button";
import { copyText } from "../../ui/copy";
import { DatesButton } from "../room/TopBar";
import { sumCosts } from "../room/itinerary";
import { useText } from "../room/useText";
import { view } from "../room/view";
import { AskOpen, useHasStrip } from "./DayStrip";
import { TripSuggestions } from "../proposals/Lazy";
import { Cover } from "../photos/Cover";
import { CommentButton } from "../talk/CommentButton";
import { usePhone } from "../../app/useMedia";
import { demoLink, forgetDemoLink } from "../home/demoLink";

/** Above the days: the invitation of a fresh sample trip, what the trip is about, what it costs. */
export function Intro() {
  const { costs, t } = useText();
  const trip = useTrip();
  const phone = usePhone();
  const strip = useHasStrip();
  const stops = useRoomState((s) => s.stops);
  const total = costs(sumCosts(stops.values(), trip?.currency ?? "CNY"));
  return (
    <div className="intro">
      <Cover />
      <DemoCard />
      {phone || total ? (
        <div className="intro-line">
          {phone ? <DatesButton /> : null}
          {strip ? null : <AskOpen />}
          {total ? <span className="intro-total num">{t("room.totalCost", { amount: total })}</span> : null}
        </div>
      ) : null}
      <TripSuggestions />
      {trip?.description ? (
        <div className="intro-note">
          <button type="button" className="intro-text" onClick={() => view.dialog("details")}>{trip.description}</button>
          <CommentButton t="trip" id={trip.id} field="description" what={t("room.description")} quiet />
        </div>
      ) : null}
    </div>
  );
}

function DemoCard() {
  const { t } = useText();
  const { tripId } = useRoom();
  const [url, setUrl] = useState(() => demoLink(tripId));
  if (!url) return null;
  const full = new URL(url, window.location.origin).href;
  return (
    <section className="demo-card" aria-label={t("room.demoTitle")} data-testid="demo-link">
      <div className="demo-card-head">
        <b><span className="live-dot" aria-hidden />{t("room.demoTitle")}</b>
        <IconButton label={t("common.dismiss")} tip={false} onClick={() => { forgetDemoLink(tripId); setUrl(null); }}><X size={16} aria-hidden /></IconButton>
      </div>
      <p>{t("room.demoText")}</p>
      <input className="input input-mono" readOnly aria-label={t("people.link")} value={full} onFocus={(e) => e.currentTarget.select()} />
      <div className="demo-card-actions">
        <Button size="sm" variant="primary" icon={<Copy size={15} aria-hidden />} onClick={() => void copyText(full)}>{t("room.copyLink")}</Button>
        <a className="btn btn-secondary btn-sm" href={url} target="_blank" rel="noopener noreferrer"><ExternalLink size={15} aria-hidden />{t("room.demoOpen")}</a>
      </div>
    </section>
  );
}
