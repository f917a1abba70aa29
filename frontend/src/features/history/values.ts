/** Field names and values of the log in the reader's words. */
import { formatDate, formatDuration, formatMoney } from "../../i18n/format";
import type { Language } from "../../i18n";
import type { Link, RecordType } from "../../protocol.gen";

type T = (key: string, options?: Record<string, unknown>) => string;

export function fieldLabel(record: RecordType, field: string, t: T): string {
  const plain = field.startsWith("links.") ? "links" : field;
  const key = record === "stop" ? `stop.f.${plain}` : `history.f.${plain}`;
  return t(key, { defaultValue: t(`history.f.${plain}`, { defaultValue: plain }) });
}

export function showValue(field: string, value: unknown, { t, language }: { t: T; language: Language }, currency: string): string {
  if (value === null || value === undefined || value === "") return t("history.empty_value");
  if (isPhoto(field)) return t("photo.value");
  if (field.startsWith("links.")) return (value as Link).title || (value as Link).url;
  if (field === "cost_amount" && typeof value === "number") return formatMoney(value, currency, language);
  if (field === "duration_min" && typeof value === "number") return formatDuration(value, language);
  if (field === "status" || field === "kind" || field === "role") return t(`${field}.${String(value)}`, { defaultValue: String(value) });
  if (field === "visibility") return t(`room.${String(value)}`, { defaultValue: String(value) });
  if ((field === "date" || field.endsWith("_date")) && typeof value === "string") return formatDate(value, language);
  if (typeof value === "number" && (field === "lat" || field === "lng")) return value.toFixed(5);
  if (typeof value === "object") return JSON.stringify(value);
  return String(value);
}

/** Fields whose value is to be seen, not read. */
export const isPhoto = (field: string): boolean => field === "cover" || field === "photo";

/** Fields that say nothing to a reader, or that the sentence above already says. */
const SILENT = new Set(["pos", "id", "deleted", "color", "joined_at", "created_at", "created_by", "proposed_by"]);

export const isSilent = (field: string): boolean => SILENT.has(field);

/** Two long texts cut down to where they differ, with a little of what stands around. */
export function excerpt(before: string, after: string, around = 14): [string, string] {
  if (before.length <= 48 && after.length <= 48) return [before, after];
  const a = [...before];
  const b = [...after];
  let head = 0;
  while (head < a.length && head < b.length && a[head] === b[head]) head += 1;
  let tail = 0;
  while (tail < a.length - head && tail < b.length - head && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail += 1;
  const cut = (text: string[]): string => {
    const from = Math.max(0, head - around);
    const to = Math.min(text.length, text.length - tail + around);
    return `${from > 0 ? "…" : ""}${text.slice(from, to).join("")}${to < text.length ? "…" : ""}`;
  };
  return [cut(a), cut(b)];
}
