/** The tile server to draw streets from: this browser's choice, else the installation's. */
import { create } from "zustand";
import { useSession } from "../../app/session";

export interface Tiles {
  url: string;
  attribution: string;
}

const KEY = "tongyou.tiles";
const NOTHING: Tiles = { url: "", attribution: "" };

export const isTileUrl = (url: string): boolean =>
  /^https?:\/\/\S+$/.test(url) && ["{z}", "{x}", "{y}"].every((hole) => url.includes(hole));

function kept(): Tiles | null {
  try {
    const value = JSON.parse(localStorage.getItem(KEY) ?? "null") as Partial<Tiles> | null;
    if (typeof value?.url !== "string" || (value.url !== "" && !isTileUrl(value.url))) return null;
    return { url: value.url, attribution: String(value.attribution ?? "") };
  } catch {
    return null;
  }
}

const useChoice = create<{ tiles: Tiles | null }>(() => ({ tiles: kept() }));

export function setTiles(tiles: Tiles): void {
  try {
    localStorage.setItem(KEY, JSON.stringify(tiles));
  } catch {
    // Without storage the choice lasts for this page only.
  }
  useChoice.setState({ tiles });
}

export function useTiles(): Tiles {
  const chosen = useChoice((s) => s.tiles);
  const url = useSession((s) => s.features["tile_url"]);
  const attribution = useSession((s) => s.features["tile_attribution"]);
  if (chosen) return chosen;
  if (typeof url !== "string" || !isTileUrl(url)) return NOTHING;
  return { url, attribution: typeof attribution === "string" ? attribution : "" };
}
