/** The map beside the board (or as a tab on phones). Feeds `TripMap` from the room and the view. */
import { Maximize, Minus, Plus, SlidersHorizontal } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import "leaflet/dist/leaflet.css";
import { useTheme } from "../../app/theme";
import { useCanEdit, useCursors, usePeople, useRoom, useStop } from "../../store";
import { Button, IconButton } from "../../ui/Button";
import { Notice } from "../../ui/States";
import { toast } from "../../ui/toast";
import { DayStrip } from "../board/DayStrip";
import { useText } from "../room/useText";
import { useView, view } from "../room/view";
import { reviewUi } from "../proposals/ui";
import { focusStop } from "../room/useRoomKeys";
import "./map.css";
import { DayPeek } from "./DayPeek";
import { useTiles } from "./tiles";
import { TripMap } from "./TripMap";
import { usePins } from "./usePins";

export default function MapPane({ phone }: { phone: boolean }) {
  const { t } = useText();
  const box = useRef<HTMLDivElement>(null);
  const [map, setMap] = useState<TripMap | null>(null);
  const [failed, setFailed] = useState(false);
  const { client } = useRoom();
  const pins = usePins();
  const known = useRef(pins);
  known.current = pins;
  const picking = useView((s) => s.picking);

  useEffect(() => {
    if (!box.current) return;
    const made = new TripMap(box.current, {
      onHover: (id) => view.hover(id),
      onOpen: (id) => {
        const ref = known.current.find((pin) => pin.id === id)?.ref;
        if (ref) {
          if (ref.proposal === null) reviewUi.draft(true);
          else reviewUi.review(ref.proposal, ref.piece);
          return;
        }
        view.open(id);
        window.setTimeout(() => focusStop(id));
      },
      onClick: (lat, lng) => {
        const id = useView.getState().picking;
        if (!id) return;
        const round = (value: number) => Math.round(value * 1e6) / 1e6;
        client.submit({ kind: "stop.set_fields", id, fields: { lat: round(lat), lng: round(lng) } });
        view.pick(null);
        view.open(id);
      },
      onPointer: (at) => client.moveCursor(at ? { surface: "map", ...at } : null),
      onBaseFailed: () => setFailed(true),
      onTilesFailed: () => toast(t("map.tilesFailed"), { tone: "bad" }),
    });
    setMap(made);
    const watch = new ResizeObserver(() => made.resize());
    watch.observe(box.current);
    return () => {
      watch.disconnect();
      made.destroy();
      setMap(null);
    };
    // One map for the life of the pane; words of rare notices may be of the first language.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [client]);

  useFeed(map, pins, phone);
  return (
    <section className={`map-pane ${picking ? "map-picking" : ""}`} aria-label={t("map.label")} data-testid="map">
      <div ref={box} className="map-box" />
      {phone ? <div className="map-strip"><DayStrip /></div> : null}
      <div className="map-buttons">
        <IconButton label={t("map.fitTrip")} onClick={() => view.setDay(null)}><Maximize size={17} aria-hidden /></IconButton>
        <IconButton label={t("map.zoomIn")} onClick={() => map?.map.zoomIn()}><Plus size={18} aria-hidden /></IconButton>
        <IconButton label={t("map.zoomOut")} onClick={() => map?.map.zoomOut()}><Minus size={18} aria-hidden /></IconButton>
        <IconButton label={t("map.settings")} onClick={() => view.dialog("mapSettings")}><SlidersHorizontal size={16} aria-hidden /></IconButton>
      </div>
      {picking ? <PickBar id={picking} /> : null}
      {failed ? <div className="map-note"><Notice tone="bad">{t("map.failed")}</Notice></div> : pins.length === 0 && !picking ? <EmptyNote /> : null}
      {phone ? <DayPeek /> : null}
    </section>
  );
}

function useFeed(map: TripMap | null, pins: ReturnType<typeof usePins>, phone: boolean): void {
  const { language } = useText();
  const theme = useTheme((s) => s.shown);
  const tiles = useTiles();
  const hovered = useView((s) => s.hovered ?? s.openStop);
  const day = useView((s) => s.day);
  const fit = useView((s) => s.fit);
  const cursors = useCursors();
  const people = usePeople();
  const fitted = useRef(-1);

  useEffect(() => { map?.setPadding(phone ? 150 : 0); }, [map, phone]);
  useEffect(() => { map?.setTiles(tiles.url, tiles.attribution); map?.setNames(language); }, [map, tiles.url, tiles.attribution, language]);
  useEffect(() => { map?.restyle(); }, [map, theme]);
  useEffect(() => { map?.setDay(day); }, [map, day]);
  useEffect(() => { map?.setPins(pins); }, [map, pins]);
  useEffect(() => { map?.setLit(hovered); }, [map, hovered]);
  useEffect(() => {
    if (!map || pins.length === 0 || fitted.current === fit.n) return;
    fitted.current = fit.n;
    const pin = fit.what === "stop" ? pins.find((each) => each.id === fit.id) : undefined;
    if (pin) map.show(pin);
    else if (fit.what === "day") map.fit(pins.filter((each) => each.day === fit.id));
    else if (fit.what === "trip") map.fit(mainPins(pins));
  }, [map, pins, fit]);
  useEffect(() => () => { fitted.current = -1; }, [map]);
  useEffect(() => {
    map?.setCursors([...cursors.values()].flatMap((pointer) => {
      const person = pointer.surface === "map" ? people.find((each) => each.tabs.some((tab) => tab.session === pointer.session)) : undefined;
      return person ? [{ pointer, name: person.name, color: person.color }] : [];
    }));
  }, [map, cursors, people]);
}

/** What the whole trip is: its days, where there are any on the map; ideas or suggestions only otherwise. */
function mainPins(pins: ReturnType<typeof usePins>): ReturnType<typeof usePins> {
  const real = pins.filter((pin) => pin.ref === null);
  const planned = real.filter((pin) => pin.day !== null);
  return planned.length > 0 ? planned : real.length > 0 ? real : pins;
}

function PickBar({ id }: { id: string }) {
  const { t, name } = useText();
  const stop = useStop(id);
  return (
    <div className="pick-bar" role="status">
      <span>{t("stop.picking", { name: name(stop) })}</span>
      <Button size="sm" onClick={() => view.pick(null)}>{t("stop.pickCancel")}</Button>
    </div>
  );
}

function EmptyNote() {
  const { t } = useText();
  const canEdit = useCanEdit();
  return <div className="map-note"><div className="map-empty"><b>{t("map.noPositions")}</b>{canEdit ? <span>{t("map.noPositionsHint")}</span> : null}</div></div>;
}
