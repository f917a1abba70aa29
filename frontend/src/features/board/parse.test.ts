import { expect, test } from "vitest";
import { isUrl, parseClock, parseDegrees, parseMinutes, withScheme } from "./parse";

test("times are understood the way people type them", () => {
  expect(["9", "930", "0930", "21:5", "9：30", "9.15"].map(parseClock)).toEqual(["09:00", "09:30", "09:30", "21:05", "09:30", "09:15"]);
  expect(parseClock("")).toBe("");
  expect(["24:00", "9:60", "noon"].map(parseClock)).toEqual([null, null, null]);
});

test("durations become minutes", () => {
  expect(["90", "1:30", "1h30", "1.5h", "2小时", "45 分钟"].map(parseMinutes)).toEqual(["90", "90", "90", "90", "120", "45"]);
  expect(["soon", "99999999"].map(parseMinutes)).toEqual([null, null]);
});

test("degrees stay on the globe, addresses on the web", () => {
  expect(parseDegrees("-25.6", 90)).toBe("-25.6");
  expect(parseDegrees("91", 90)).toBeNull();
  expect(isUrl("https://example.org")).toBe(true);
  expect(isUrl("javascript:alert(1)")).toBe(false);
});

test("a web address may be typed without its scheme", () => {
  expect(withScheme("example.org/menu")).toBe("https://example.org/menu");
  expect(withScheme("http://example.org")).toBe("http://example.org");
  expect(isUrl(withScheme("not a place"))).toBe(false);
  expect(isUrl(withScheme("javascript:alert(1)"))).toBe(false);
});
