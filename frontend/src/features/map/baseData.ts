/** The built-in map's files: fetched once each, on demand. Formats: public/map/SOURCES.md. */
import type { Feature, FeatureCollection, GeoJsonObject } from "geojson";
import { feature } from "topojson-client";
import type { GeometryCollection, Topology } from "topojson-specification";

export type LayerName = "land" | "lakes" | "borders" | "rivers" | "admin1";
export type BaseLayers = Partial<Record<LayerName, GeoJsonObject>>;
export interface Cell {
  file: string;
  bbox: [west: number, south: number, east: number, north: number];
}
export type Town = [en: string, zh: string | null, lat: number, lng: number, rank: number];
export type Label = [kind: "country" | "province" | "water" | "river" | "peak", en: string, zh: string, lat: number, lng: number, rank: number];

const LAYERS: readonly LayerName[] = ["land", "lakes", "borders", "rivers", "admin1"];
const cache = new Map<string, Promise<unknown>>();

function json<T>(path: string): Promise<T> {
  let found = cache.get(path) as Promise<T> | undefined;
  if (!found) {
    found = fetch(`/map/${path}`).then((response) => {
      if (!response.ok) throw new Error(`${path}: ${response.status}`);
      return response.json() as Promise<T>;
    });
    found.catch(() => cache.delete(path));
    cache.set(path, found);
  }
  return found;
}

async function layers(path: string): Promise<BaseLayers> {
  const topology = await json<Topology>(path);
  const result: BaseLayers = {};
  for (const name of LAYERS) {
    const object = topology.objects[name] as GeometryCollection | undefined;
    if (object) result[name] = feature(topology, object) as Feature | FeatureCollection;
  }
  return result;
}

export const loadWorld = (): Promise<BaseLayers> => layers("world.topo.json");
export const loadCell = (file: string): Promise<BaseLayers> => layers(file.startsWith("cells/") ? file : `cells/${file}`);
export const loadCells = (): Promise<{ min_zoom: number; cells: Cell[] }> => json("cells.json");
export const loadTowns = (): Promise<Town[]> => json("towns.json");
export const loadMoreTowns = (): Promise<Town[]> => json("towns-more.json");
/** What every map begins with, kept for when it is opened. Fails silently: opening it asks again. */
export function fetchBase(): void {
  for (const path of ["world.topo.json", "cells.json", "towns.json", "labels.json"]) json(path).catch(() => undefined);
}

export const loadLabels = (): Promise<Label[]> => json("labels.json");
