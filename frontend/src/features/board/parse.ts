/** What people type into a stop's fields, as values; null when it cannot be one. Pure. */

/** "9" -> 09:00, "930" -> 09:30, "21:5" -> 21:05, "9：30" -> 09:30; empty stays empty. */
export function parseClock(text: string): string | null {
  const cleaned = text.trim().replace(/[：.．点h]/g, ":").replace(/:$/, "");
  if (cleaned === "") return "";
  const match = /^(\d{1,2}):(\d{1,2})$/.exec(cleaned) ?? /^(\d{1,2})(\d{2})$/.exec(cleaned) ?? /^(\d{1,2})()$/.exec(cleaned);
  if (!match) return null;
  const hours = Number(match[1]);
  const minutes = Number(match[2] || 0);
  if (hours > 23 || minutes > 59) return null;
  return `${String(hours).padStart(2, "0")}:${String(minutes).padStart(2, "0")}`;
}

/** Whole minutes: "90", "1:30", "1h30", "1.5h"; empty stays empty. */
export function parseMinutes(text: string): string | null {
  const cleaned = text.trim().toLowerCase();
  if (cleaned === "") return "";
  const clock = /^(\d+)\s*(?::|h|小时)\s*(\d{1,2})?\s*(?:m|min|分钟|分)?$/.exec(cleaned);
  if (clock) return bounded(Number(clock[1]) * 60 + Number(clock[2] ?? 0));
  const hours = /^(\d+(?:\.\d+)?)\s*(?:h|小时)$/.exec(cleaned);
  if (hours) return bounded(Math.round(Number(hours[1]) * 60));
  const minutes = /^(\d+)\s*(?:m|min|分钟|分)?$/.exec(cleaned);
  return minutes ? bounded(Number(minutes[1])) : null;
}

const bounded = (minutes: number): string | null => (minutes <= 60 * 24 * 30 ? String(minutes) : null);

export function parseDegrees(text: string, limit: 90 | 180): string | null {
  const cleaned = text.trim().replace("−", "-");
  if (cleaned === "") return "";
  if (!/^-?\d+(\.\d+)?$/.test(cleaned)) return null;
  return Math.abs(Number(cleaned)) <= limit ? cleaned : null;
}

/** What was typed as a web address, with the scheme that people leave out. */
export const withScheme = (text: string): string =>
  /^[a-z0-9-]+(\.[a-z0-9-]+)+([/?#:]\S*)?$/i.test(text) ? `https://${text}` : text;

export const isUrl = (text: string): boolean => /^https?:\/\/\S+$/.test(text) && text.length <= 2000;
