/** The map of one trip: base map, numbered pins in day colours, lines of the days, pointers of others.
    Leaflet only, no React; `MapPane` feeds it. */
import L from "leaflet";
import type { Language } from "../../i18n";
import type { Pointer } from "../../protocol.gen";
import type { PieceRef, What } from "../proposals/marks";
import { BaseMap } from "./baseMap";
import { MapLabels } from "./mapLabels";

export interface Pin {
  id: string;
  lat: number;
  lng: number;
  /** Shown inside; empty for ideas. */
  number: string;
  color: number;
  day: string | null;
  label: string;
  title: string;
  who: number | null;
  dim: boolean;
  /** What somebody suggests about it; "" nothing. An added one is not in the trip yet. */
  mark: "" | What;
  /** Of a place that is only suggested: whose piece it is. */
  ref: PieceRef | null;
}

export interface MapCursor {
  pointer: Pointer;
  name: string;
  color: number;
}

export interface TripMapEvents {
  onHover(id: string | null): void;
  onOpen(id: string): void;
  onClick(lat: number, lng: number): void;
  onPointer(at: { x: number; y: number } | null): void;
  onBaseFailed(): void;
  onTilesFailed(): void;
}

export const BASE_CREDIT = '<a href="https://www.naturalearthdata.com/" target="_blank" rel="noopener">Made with Natural Earth</a> · Towns © <a href="https://www.geonames.org/" target="_blank" rel="noopener">GeoNames</a>, CC BY 4.0';
const reduced = (): boolean => window.matchMedia("(prefers-reduced-motion: reduce)").matches;

export class TripMap {
  readonly map: L.Map;
  private readonly base: BaseMap;
  private readonly labels: MapLabels;
  private readonly lines = L.layerGroup();
  private readonly svg: L.SVG;
  private readonly markers = new Map<string, { marker: L.Marker; pin: Pin }>();
  private readonly pointers = new Map<string, L.Marker>();
  private tiles: L.TileLayer | null = null;
  private day: string | null = null;
  private lit: string | null = null;
  private padBottom = 0;

  constructor(container: HTMLElement, private readonly events: TripMapEvents) {
    const calm = !reduced();
    this.map = L.map(container, {
      preferCanvas: true, zoomControl: false, attributionControl: false, minZoom: 2, maxZoom: 18, zoomSnap: 0.5, wheelPxPerZoomLevel: 90,
      zoomAnimation: calm, fadeAnimation: calm, markerZoomAnimation: calm, maxBounds: [[-85, -400], [85, 400]], maxBoundsViscosity: 0.8,
    }).setView([27, 101], 4);
    const attribution = L.control.attribution({ prefix: false, position: "bottomright" }).addTo(this.map);
    attribution.addAttribution(BASE_CREDIT);
    this.base = new BaseMap(this.map, () => events.onBaseFailed());
    this.labels = new MapLabels(this.map);
    const linePane = this.map.createPane("days");
    linePane.style.zIndex = "400";
    linePane.style.pointerEvents = "none";
    this.svg = L.svg({ pane: "days" });
    this.lines.addTo(this.map);
    this.map.createPane("pointers").style.zIndex = "680";
    this.map.on("zoomend moveend", this.declutter, this);
    this.map.on("click", (event: L.LeafletMouseEvent) => events.onClick(event.latlng.lat, event.latlng.wrap().lng));
    this.map.on("mousemove", (event: L.LeafletMouseEvent) => events.onPointer({ x: round(event.latlng.wrap().lng), y: round(event.latlng.lat) }));
    this.map.on("mouseout", () => events.onPointer(null));
  }

  destroy(): void {
    this.base.destroy();
    this.labels.destroy();
    this.map.remove();
  }

  resize(): void {
    this.map.invalidateSize({ pan: false });
  }

  restyle(): void {
    this.base.restyle();
  }

  setNames(language: Language): void {
    this.labels.set({ language, hidden: this.tiles !== null, avoid: () => [...this.markers.values()].map(({ pin }) => L.latLng(pin.lat, pin.lng)) });
  }

  setTiles(url: string, attribution: string): void {
    this.tiles?.remove();
    this.tiles = null;
    if (!url) return;
    const layer = L.tileLayer(url, { attribution: escapeHtml(attribution), maxZoom: 19, referrerPolicy: "strict-origin-when-cross-origin" });
    let loaded = 0;
    let failed = 0;
    layer.on("tileload", () => { loaded += 1; });
    layer.on("tileerror", () => {
      failed += 1;
      if (loaded === 0 && failed === 4) {
        layer.remove();
        if (this.tiles === layer) this.tiles = null;
        this.events.onTilesFailed();
      }
    });
    this.tiles = layer.addTo(this.map);
  }

  setPadding(bottom: number): void {
    this.padBottom = bottom;
  }

  // --- the trip -----------------------------------------------------------------------------

  setPins(pins: readonly Pin[]): void {
    const seen = new Set(pins.map((pin) => pin.id));
    for (const [id, { marker }] of this.markers) {
      if (seen.has(id)) continue;
      marker.remove();
      this.markers.delete(id);
    }
    for (const pin of pins) this.setPin(pin);
    this.drawLines(pins);
    this.declutter();
    this.labels.draw();
  }

  private setPin(pin: Pin): void {
    const known = this.markers.get(pin.id);
    if (known && same(known.pin, pin)) return;
    const icon = pinIcon(pin);
    if (known) {
      known.pin = pin;
      known.marker.setLatLng([pin.lat, pin.lng]).setIcon(icon);
      this.dress(known.marker, pin);
      return;
    }
    const marker = L.marker([pin.lat, pin.lng], { icon, keyboard: false, riseOnHover: true }).addTo(this.map);
    marker.on("mouseover", () => this.events.onHover(pin.id));
    marker.on("mouseout", () => this.events.onHover(null));
    marker.on("click", () => this.events.onOpen(pin.id));
    this.markers.set(pin.id, { marker, pin });
    this.dress(marker, pin);
  }

  private dress(marker: L.Marker, pin: Pin): void {
    const node = marker.getElement();
    if (!node) return;
    node.dataset["day"] = String(pin.color);
    node.dataset["testid"] = `pin-${pin.id}`;
    if (pin.who === null) delete node.dataset["who"];
    else node.dataset["who"] = String(pin.who);
    node.setAttribute("role", "img");
    node.setAttribute("aria-label", pin.label);
    node.classList.toggle("pin-glow", pin.who !== null);
    node.classList.toggle("pin-dim", pin.dim);
    for (const mark of MARKS) node.classList.toggle(`pin-sug-${mark}`, pin.mark === mark);
    node.classList.toggle("pin-off", this.day !== null && pin.day !== this.day && pin.ref === null);
    node.classList.toggle("pin-lit", this.lit === pin.id);
  }

  private drawLines(pins: readonly Pin[]): void {
    this.lines.clearLayers();
    const days = new Map<string, Pin[]>();
    for (const pin of pins) if (pin.day && !pin.dim) days.set(pin.day, [...(days.get(pin.day) ?? []), pin]);
    for (const [day, stops] of days) {
      if (stops.length < 2) continue;
      const off = this.day !== null && this.day !== day ? " day-line-off" : "";
      const points = stops.map((pin): L.LatLngTuple => [pin.lat, pin.lng]);
      const shared = { renderer: this.svg, pane: "days", interactive: false, smoothFactor: 0.5 };
      this.lines.addLayer(L.polyline(points, { ...shared, className: `day-line-case${off}`, weight: 6 }));
      this.lines.addLayer(L.polyline(points, { ...shared, className: `day-line day-line-${stops[0]?.color ?? 0}${off}`, weight: 3 }));
    }
  }

  /** Pins that would cover another become dots until one zooms in. */
  private declutter(): void {
    const placed: L.Point[] = [];
    const order = [...this.markers.values()].sort((a, b) => weight(this.day, b.pin) - weight(this.day, a.pin));
    for (const { marker, pin } of order) {
      const point = this.map.latLngToLayerPoint([pin.lat, pin.lng]);
      const crowded = pin.id !== this.lit && placed.some((other) => other.distanceTo(point) < 19);
      marker.getElement()?.classList.toggle("pin-small", crowded);
      marker.setZIndexOffset(crowded ? -500 : weight(this.day, pin) * 100);
      if (!crowded) placed.push(point);
    }
  }

  setDay(day: string | null): void {
    this.day = day;
    for (const { marker, pin } of this.markers.values()) this.dress(marker, pin);
    this.drawLines([...this.markers.values()].map(({ pin }) => pin));
    this.declutter();
  }

  setLit(id: string | null): void {
    for (const each of [this.lit, id]) {
      const found = each ? this.markers.get(each) : undefined;
      found?.marker.getElement()?.classList.toggle("pin-lit", each === id);
      found?.marker.setZIndexOffset(each === id ? 2000 : 0);
      if (found && each === id) {
        const room = this.map.getSize().x - this.map.latLngToContainerPoint(found.marker.getLatLng()).x;
        found.marker.getElement()?.classList.toggle("pin-left", room < 250);
      }
    }
    this.lit = id;
  }

  fit(pins: readonly Pin[], maxZoom = 13): void {
    if (pins.length === 0) return;
    const bounds = L.latLngBounds(pins.map((pin): L.LatLngTuple => [pin.lat, pin.lng]));
    this.map.fitBounds(bounds, { paddingTopLeft: [48, 56], paddingBottomRight: [56, 48 + this.padBottom], maxZoom, animate: !reduced() });
  }

  show(pin: Pin): void {
    const inside = this.map.getBounds().pad(-0.15).contains([pin.lat, pin.lng]);
    const zoom = Math.max(this.map.getZoom(), 9);
    if (!inside || zoom !== this.map.getZoom()) this.map.setView([pin.lat, pin.lng], zoom, { animate: !reduced() });
  }

  // --- people -------------------------------------------------------------------------------

  setCursors(cursors: readonly MapCursor[]): void {
    const seen = new Set(cursors.map(({ pointer }) => pointer.session));
    for (const [session, marker] of this.pointers) {
      if (seen.has(session)) continue;
      marker.remove();
      this.pointers.delete(session);
    }
    for (const { pointer, name, color } of cursors) {
      const at: L.LatLngTuple = [pointer.y ?? 0, pointer.x ?? 0];
      const known = this.pointers.get(pointer.session);
      if (known) {
        known.setLatLng(at);
        continue;
      }
      const html = `<span class="cursor" data-who="${color % 8}"><svg width="17" height="17" viewBox="0 0 24 24" fill="currentColor"><path d="M4 4l7 17 2.5-7.5L21 11z"/></svg><b>${escapeHtml(name)}</b></span>`;
      const icon = L.divIcon({ className: "map-pointer", html, iconSize: [0, 0] });
      this.pointers.set(pointer.session, L.marker(at, { icon, pane: "pointers", interactive: false, keyboard: false }).addTo(this.map));
    }
  }
}

const MARKS = ["added", "changed", "moved", "removed"] as const;
const weight = (day: string | null, pin: Pin): number => pin.ref !== null ? 9 : (pin.mark !== "" ? 3 : 0) + (day !== null && pin.day === day ? 4 : pin.day !== null ? 2 : 1) - (pin.dim ? 1 : 0);
const round = (value: number): number => Math.round(value * 1e5) / 1e5;
const same = (a: Pin, b: Pin): boolean => (Object.keys(a) as (keyof Pin)[]).every((key) => a[key] === b[key]);

function pinIcon(pin: Pin): L.DivIcon {
  const html = `<span class="pin"><b>${escapeHtml(pin.number)}</b></span><span class="pin-title">${escapeHtml(pin.title)}</span>`;
  return L.divIcon({ className: "pin-holder", html, iconSize: [26, 26], iconAnchor: [13, 13] });
}

export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}
