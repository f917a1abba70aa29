/** Dates, times, money, distances and names as the reader expects them. Pure functions. */
import type { Language } from "./index";

const HAN = /\p{Script=Han}/u;
const tag = (language: Language): string => (language === "zh" ? "zh-CN" : "en-GB");
const cache = new Map<string, Intl.DateTimeFormat>();

function dateFormat(language: Language, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = language + JSON.stringify(options);
  let format = cache.get(key);
  if (!format) {
    format = new Intl.DateTimeFormat(tag(language), options);
    cache.set(key, format);
  }
  return format;
}

/** An ISO date as midnight UTC, so that no time zone can move it to another day. */
export const utc = (iso: string): Date => new Date(`${iso}T00:00:00Z`);

export function addDays(iso: string, days: number): string {
  const date = utc(iso);
  date.setUTCDate(date.getUTCDate() + days);
  return date.toISOString().slice(0, 10);
}

export const daysBetween = (from: string, to: string): number =>
  Math.round((utc(to).getTime() - utc(from).getTime()) / 86_400_000);

/** "5月3日" or "3 May". */
export function formatDay(iso: string, language: Language): string {
  return dateFormat(language, { month: language === "zh" ? "long" : "short", day: "numeric", timeZone: "UTC" }).format(utc(iso));
}

/** "周日" or "Sun". */
export const formatWeekday = (iso: string, language: Language): string =>
  dateFormat(language, { weekday: "short", timeZone: "UTC" }).format(utc(iso));

/** "5月3日 周日" or "Sun 3 May". */
export function formatDate(iso: string, language: Language): string {
  const day = formatDay(iso, language);
  const weekday = formatWeekday(iso, language);
  return language === "zh" ? `${day} ${weekday}` : `${weekday} ${day}`;
}

/** "2026年5月1日 – 8日" or "1 – 8 May 2026". */
export function formatRange(start: string, end: string, language: Language): string {
  if (language === "zh") return chineseRange(start, end);
  const format = dateFormat(language, { year: "numeric", month: "short", day: "numeric", timeZone: "UTC" });
  return start === end ? format.format(utc(start)) : format.formatRange(utc(start), utc(end));
}

/** Browsers fall back to slashes here, so the parts are put together by hand. */
function chineseRange(start: string, end: string): string {
  const [year, month, day] = start.split("-").map(Number);
  const [endYear, endMonth, endDay] = end.split("-").map(Number);
  const first = `${year}年${month}月${day}日`;
  if (start === end) return first;
  const last = `${endYear === year ? "" : `${endYear}年`}${endYear === year && endMonth === month ? "" : `${endMonth}月`}${endDay}日`;
  return `${first} – ${last}`;
}

export function formatMoment(iso: string, language: Language): string {
  const date = new Date(iso);
  const sameYear = date.getFullYear() === new Date().getFullYear();
  return dateFormat(language, {
    ...(sameYear ? {} : { year: "numeric" }),
    month: language === "zh" ? "long" : "short", day: "numeric", hour: "2-digit", minute: "2-digit", hourCycle: "h23",
  }).format(date);
}

export const formatClock = (iso: string, language: Language): string =>
  dateFormat(language, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" }).format(new Date(iso));

/** "3 minutes ago", "昨天". */
export function formatAgo(iso: string, language: Language, now = Date.now()): string {
  const seconds = Math.round((new Date(iso).getTime() - now) / 1000);
  const relative = new Intl.RelativeTimeFormat(tag(language), { numeric: "auto" });
  const size = Math.abs(seconds);
  // The platform's word is "now", which reads wrong behind "changed".
  if (size < 60) return language === "zh" ? "刚刚" : "just now";
  if (size < 3600) return relative.format(Math.round(seconds / 60), "minute");
  if (size < 86_400) return relative.format(Math.round(seconds / 3600), "hour");
  if (size < 86_400 * 14) return relative.format(Math.round(seconds / 86_400), "day");
  return formatMoment(iso, language);
}

export function currencyDigits(currency: string): number {
  try {
    return new Intl.NumberFormat("en", { style: "currency", currency }).resolvedOptions().maximumFractionDigits ?? 2;
  } catch {
    return 2;
  }
}

/** Minor units as money: ¥420, €12.50. Whole amounts drop the decimals. */
export function formatMoney(minor: number, currency: string, language: Language): string {
  const digits = currencyDigits(currency);
  const amount = minor / 10 ** digits;
  const whole = Number.isInteger(amount);
  try {
    return new Intl.NumberFormat(tag(language), {
      style: "currency", currency, currencyDisplay: "narrowSymbol",
      minimumFractionDigits: whole ? 0 : digits, maximumFractionDigits: digits,
    }).format(amount);
  } catch {
    return `${amount} ${currency}`;
  }
}

/** What somebody typed as an amount, in minor units; null when it is not one. */
export function parseMoney(text: string, currency: string): number | null {
  let cleaned = text.replace(/[\s¥￥$€£]/g, "").replace(/，/g, ",");
  // A comma before three digits separates thousands, before one or two it is the decimal sign.
  if (/^\d{1,3}(,\d{3})+(\.\d+)?$/.test(cleaned)) cleaned = cleaned.replace(/,/g, "");
  else if (/^\d+,\d{1,2}$/.test(cleaned)) cleaned = cleaned.replace(",", ".");
  if (!/^\d+(\.\d+)?$/.test(cleaned)) return null;
  const minor = Math.round(Number(cleaned) * 10 ** currencyDigits(currency));
  return Number.isSafeInteger(minor) ? minor : null;
}

export function formatDistance(km: number, language: Language): string {
  if (km < 1) {
    const metres = Math.max(10, Math.round((km * 1000) / 10) * 10);
    return new Intl.NumberFormat(tag(language), { style: "unit", unit: "meter" }).format(metres);
  }
  const digits = km < 10 ? 1 : 0;
  return new Intl.NumberFormat(tag(language), { style: "unit", unit: "kilometer", maximumFractionDigits: digits }).format(km);
}

export function formatDuration(minutes: number, language: Language): string {
  const hours = Math.floor(minutes / 60);
  const rest = minutes % 60;
  // Both parts must fit a third of a phone's width.
  if (hours && rest) return language === "zh" ? `${hours}小时${rest}分` : `${hours} h ${rest} min`;
  const unit = (value: number, name: "hour" | "minute"): string =>
    new Intl.NumberFormat(tag(language), { style: "unit", unit: name, unitDisplay: language === "zh" ? "long" : "short" }).format(value);
  return [hours ? unit(hours, "hour") : "", rest || !hours ? unit(rest, "minute") : ""].filter(Boolean).join(" ");
}

/** The two names of a place, the one in the reader's language first. */
export function pickNames(name: string, alt: string, language: Language): { main: string; other: string } {
  if (!alt || alt === name) return { main: name, other: "" };
  const nameHan = HAN.test(name);
  const altHan = HAN.test(alt);
  if (nameHan === altHan || !name) return { main: name || alt, other: name ? alt : "" };
  return (language === "zh") === nameHan ? { main: name, other: alt } : { main: alt, other: name };
}

/** Sentences one after the other: in Chinese nothing stands between them. */
export function sentences(t: (key: string, options?: Record<string, unknown>) => string, first: string, ...more: string[]): string {
  return more.reduce((before, after) => t("common.sentences", { first: before, second: after }), first);
}
