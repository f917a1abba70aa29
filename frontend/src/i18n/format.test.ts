import { expect, test } from "vitest";
import { addDays, formatAgo, formatDate, formatDistance, formatDuration, formatMoney, formatRange, parseMoney, pickNames } from "./format";

test("dates are written the way each reader expects", () => {
  expect(formatDate("2026-05-03", "zh")).toBe("5月3日 周日");
  expect(formatDate("2026-05-03", "en")).toBe("Sun 3 May");
});

test("adding days crosses months and years", () => {
  expect(addDays("2026-12-31", 1)).toBe("2027-01-01");
  expect(addDays("2026-03-01", -1)).toBe("2026-02-28");
});

test("money knows its currency's minor units", () => {
  expect(formatMoney(42000, "CNY", "en")).toContain("420");
  expect(formatMoney(1250, "JPY", "en")).toContain("1,250");
  expect(parseMoney("¥1,234.50", "CNY")).toBe(123450);
  expect(parseMoney("12,50", "EUR")).toBe(1250);
  expect(parseMoney("1，250", "CNY")).toBe(125000);
  expect(parseMoney("1,25,0", "CNY")).toBeNull();
  expect(parseMoney("1500", "JPY")).toBe(1500);
  expect(parseMoney("about 5", "CNY")).toBeNull();
});

test("a duration is short enough for a third of a phone", () => {
  expect([75, 600, 45].map((minutes) => formatDuration(minutes, "zh"))).toEqual(["1小时15分", "10小时", "45分钟"]);
  expect(formatDuration(75, "en")).toBe("1 h 15 min");
});

test("the name in the reader's language comes first", () => {
  expect(pickNames("大理古城", "Dali Old Town", "en")).toEqual({ main: "Dali Old Town", other: "大理古城" });
  expect(pickNames("Dali Old Town", "大理古城", "zh")).toEqual({ main: "大理古城", other: "Dali Old Town" });
  expect(pickNames("Café", "", "zh")).toEqual({ main: "Café", other: "" });
});

test("short distances are metres", () => {
  expect(formatDistance(0.234, "en")).toBe("230 m");
  expect(formatDistance(12.34, "en")).toBe("12 km");
});

test("ranges repeat nothing", () => {
  expect(formatRange("2026-05-01", "2026-05-08", "zh")).toBe("2026年5月1日 – 8日");
  expect(formatRange("2026-12-30", "2027-01-02", "zh")).toBe("2026年12月30日 – 2027年1月2日");
  expect(formatRange("2026-05-01", "2026-05-08", "en").replace(/\s/g, " ")).toMatch(/1\s?–\s?8 May 2026/);
});

test("how long ago, from the last minute on", () => {
  const now = Date.parse("2027-05-03T12:00:00Z");
  expect(formatAgo("2027-05-03T11:59:30Z", "en", now)).toBe("just now");
  expect(formatAgo("2027-05-03T11:59:30Z", "zh", now)).toBe("刚刚");
  expect(formatAgo("2027-05-03T11:40:00Z", "en", now)).toBe("20 minutes ago");
  expect(formatAgo("2027-05-02T11:00:00Z", "zh", now)).toBe("昨天");
});
