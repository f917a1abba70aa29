/** Draws the built-in map on one canvas: the world from afar, cells of finer detail from near.
    Colours come from the design tokens, so that both themes are one map. */
import L from "leaflet";
import { type BaseLayers, type Cell, type LayerName, loadCell, loadCells, loadWorld } from "./baseData";

const ORDER: readonly LayerName[] = ["land", "admin1", "lakes", "rivers", "borders"];

export class BaseMap {
  private readonly renderer: L.Canvas;
  private readonly drawn = new Map<string, L.LayerGroup>();
  private index: { min_zoom: number; cells: Cell[] } | null = null;
  private turn = 0;

  constructor(private readonly map: L.Map, private readonly onFailed: () => void) {
    map.createPane("base").style.zIndex = "150";
    this.renderer = L.canvas({ pane: "base", padding: 0.4 });
    map.on("moveend", this.update, this);
    loadCells().then((index) => {
      this.index = index;
      this.update();
    }, () => undefined);
    this.update();
  }

  destroy(): void {
    this.turn = -1;
    this.map.off("moveend", this.update, this);
  }

  /** Colours have changed: draw again what is shown. */
  restyle(): void {
    const style = styles(this.map.getContainer());
    for (const group of this.drawn.values()) {
      group.eachLayer((layer) => {
        const name = (layer as L.GeoJSON & { baseName: LayerName }).baseName;
        (layer as L.GeoJSON).setStyle((each) => style(name, each?.properties as Properties));
      });
    }
  }

  private async update(): Promise<void> {
    const turn = ++this.turn;
    const wanted = this.wanted();
    try {
      const loaded = await Promise.all(wanted.map(async (file): Promise<[string, BaseLayers]> => [file, await (file === "world" ? loadWorld() : loadCell(file))]));
      if (turn !== this.turn) return;
      for (const [file, group] of this.drawn) {
        if (!wanted.includes(file)) {
          group.remove();
          this.drawn.delete(file);
        }
      }
      for (const [file, layers] of loaded) if (!this.drawn.has(file)) this.drawn.set(file, this.draw(layers));
    } catch {
      if (turn === this.turn && this.drawn.size === 0) this.onFailed();
    }
  }

  private wanted(): string[] {
    if (!this.index || this.map.getZoom() < this.index.min_zoom) return ["world"];
    const view = this.map.getBounds().pad(0.2);
    const near = this.index.cells.filter(({ bbox: [west, south, east, north] }) =>
      view.getWest() < east && view.getEast() > west && view.getSouth() < north && view.getNorth() > south);
    return near.length > 0 ? near.map((cell) => cell.file) : ["world"];
  }

  private draw(layers: BaseLayers): L.LayerGroup {
    const style = styles(this.map.getContainer());
    const group = L.layerGroup();
    for (const name of ORDER) {
      const data = layers[name];
      if (!data) continue;
      const options: L.GeoJSONOptions & { renderer: L.Renderer; interactive: boolean; pane: string; smoothFactor: number } = {
        renderer: this.renderer, interactive: false, pane: "base", smoothFactor: 0.8,
        style: (each) => style(name, each?.properties as Properties),
      };
      const layer = L.geoJSON(data, options) as L.GeoJSON & { baseName: LayerName };
      layer.baseName = name;
      group.addLayer(layer);
    }
    return group.addTo(this.map);
  }
}

type Properties = { kind?: string; rank?: number } | null | undefined;

function styles(node: HTMLElement): (name: LayerName, properties: Properties) => L.PathOptions {
  const css = getComputedStyle(node);
  const color = (name: string): string => css.getPropertyValue(name).trim();
  const land = color("--land");
  const sea = color("--sea");
  const border = color("--border-line");
  const river = color("--river");
  return (name, properties) => {
    switch (name) {
      case "land": return { stroke: false, fill: true, fillColor: land, fillOpacity: 1 };
      case "lakes": return { stroke: true, color: color("--coast"), weight: 0.5, fill: true, fillColor: sea, fillOpacity: 1 };
      case "rivers": return { color: river, weight: Math.max(0.6, 2 - (properties?.rank ?? 5) * 0.16), fill: false };
      case "admin1": return { color: border, weight: 0.7, opacity: 0.75, dashArray: "2 3", fill: false };
      case "borders": return { color: border, weight: 1.2, fill: false, ...(properties?.kind === "disputed" ? { dashArray: "4 4" } : {}) };
    }
  };
}
