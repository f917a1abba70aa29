/** Names on the built-in map, as text that never overlaps. Drawn again after every move. */
import L from "leaflet";
import type { Language } from "../../i18n";
import { type Label, loadLabels, loadMoreTowns, loadTowns, type Town } from "./baseData";

interface Item {
  kind: "country" | "province" | "water" | "river" | "peak" | "town";
  text: string;
  lat: number;
  lng: number;
  rank: number;
}

interface Box {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

const MAX_LABELS = 90;

export class MapLabels {
  private readonly layer: HTMLElement;
  private towns: Town[] = [];
  private moreTowns: Town[] = [];
  private labels: Label[] = [];
  private language: Language = "en";
  private hidden = false;
  private gone = false;
  private avoid: () => L.LatLng[] = () => [];

  constructor(private readonly map: L.Map) {
    const pane = map.createPane("names");
    pane.style.zIndex = "450";
    pane.style.pointerEvents = "none";
    this.layer = L.DomUtil.create("div", "map-names leaflet-zoom-hide", pane);
    this.layer.setAttribute("aria-hidden", "true");
    map.on("moveend", this.draw, this);
    void loadTowns().then((towns) => { this.towns = towns; this.draw(); }, () => undefined);
    void loadLabels().then((labels) => { this.labels = labels; this.draw(); }, () => undefined);
  }

  destroy(): void {
    this.gone = true;
    this.map.off("moveend", this.draw, this);
  }

  set(options: { language: Language; hidden: boolean; avoid: () => L.LatLng[] }): void {
    this.language = options.language;
    this.hidden = options.hidden;
    this.avoid = options.avoid;
    this.draw();
  }

  draw(): void {
    // Names may still be on their way when the map is gone.
    if (this.gone) return;
    const zoom = this.map.getZoom();
    if (zoom === undefined || this.hidden) {
      this.layer.replaceChildren();
      return;
    }
    if (zoom >= 6 && this.moreTowns.length === 0) void loadMoreTowns().then((towns) => { if (this.moreTowns.length === 0) { this.moreTowns = towns; this.draw(); } }, () => undefined);
    const taken: Box[] = this.avoid().map((at) => around(this.map.latLngToLayerPoint(at), 30, 30));
    const bounds = this.map.getBounds().pad(0.05);
    const nodes: HTMLElement[] = [];
    for (const item of this.ordered(zoom)) {
      if (nodes.length >= MAX_LABELS) break;
      if (!bounds.contains([item.lat, item.lng])) continue;
      const point = this.map.latLngToLayerPoint([item.lat, item.lng]);
      const box = around(item.kind === "town" ? point.add([0, -9]) : point, textWidth(item) + 10, 18);
      if (taken.some((other) => overlap(other, box))) continue;
      taken.push(box);
      nodes.push(node(item, point));
    }
    this.layer.replaceChildren(...nodes);
  }

  private *ordered(zoom: number): Generator<Item> {
    const zh = this.language === "zh";
    const label = (kind: Item["kind"], from: (rank: number) => number, to = 99): Item[] => zoom > to ? [] : this.labels
      .filter((each) => each[0] === kind && zoom >= from(each[5]))
      .map(([, en, cn, lat, lng, rank]) => ({ kind, text: zh ? cn : latin(en), lat, lng, rank }));
    const town = (ranks: number[], list: Town[]): Item[] => list
      .filter((each) => ranks.includes(each[4]) && zoom >= each[4] + 2)
      .map(([en, cn, lat, lng, rank]) => ({ kind: "town" as const, text: (zh ? cn : null) ?? latin(en), lat, lng, rank }));
    yield* label("country", (rank) => rank + 1, 7);
    yield* town([1, 2, 3], this.towns);
    yield* label("province", () => 5, 7);
    yield* town([4], this.towns);
    yield* label("water", (rank) => rank);
    yield* town([5], this.moreTowns);
    yield* label("peak", (rank) => rank);
    yield* label("river", (rank) => rank);
    yield* town([6, 7], this.moreTowns);
  }
}

/** Fonts for Chinese give U+2019 a whole square, which tears Xi’an apart. */
const latin = (name: string): string => name.replaceAll("’", "'");

const textWidth = (item: Item): number =>
  [...item.text].reduce((sum, char) => sum + (char.charCodeAt(0) > 0x2e7f ? 12 : 6.4), 0) * (item.kind === "country" ? 1.25 : 1);

const around = (point: L.Point, width: number, height: number): Box => ({ left: point.x - width / 2, right: point.x + width / 2, top: point.y - height / 2, bottom: point.y + height / 2 });

const overlap = (a: Box, b: Box): boolean => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;

function node(item: Item, point: L.Point): HTMLElement {
  const span = document.createElement("span");
  span.className = `map-name map-name-${item.kind} map-rank-${item.rank}`;
  span.textContent = item.text;
  span.style.transform = `translate(${Math.round(point.x)}px, ${Math.round(point.y)}px) translate(-50%, ${item.kind === "town" ? "calc(-100% - 3px)" : "-50%"})`;
  if (item.kind !== "town") return span;
  const group = document.createDocumentFragment();
  const dot = document.createElement("i");
  dot.className = "map-dot";
  dot.style.transform = `translate(${Math.round(point.x) - 2}px, ${Math.round(point.y) - 2}px)`;
  group.append(dot, span);
  const holder = document.createElement("div");
  holder.append(group);
  return holder;
}
