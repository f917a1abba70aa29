import { api } from "../../api";
import { loadSession } from "../../app/session";

/** The invitation link of a sample trip made in this tab: shown once inside the room. */
const key = (tripId: string): string => `tongyou.demo.${tripId}`;

export function keepDemoLink(tripId: string, url: string): void {
  try {
    sessionStorage.setItem(key(tripId), url);
  } catch {
    // Then the link is found under Share.
  }
}

export function demoLink(tripId: string): string | null {
  try {
    const url = sessionStorage.getItem(key(tripId));
    return url?.startsWith("/invite/") ? url : null;
  } catch {
    return null;
  }
}

export function forgetDemoLink(tripId: string): void {
  try {
    sessionStorage.removeItem(key(tripId));
  } catch {
    // Nothing was kept.
  }
}

/** Make a sample trip for me, or for a new guest of this name; the path of its room. Throws what the API throws. */
export async function openSample(name: string, language: "zh" | "en"): Promise<string> {
  const demo = await api.demo(name, language);
  await loadSession();
  keepDemoLink(demo.trip_id, demo.invite_url);
  return `/t/${demo.trip_id}`;
}
