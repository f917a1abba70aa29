import { expect, test } from "vitest";
import { excerpt } from "./values";

test("short values are shown whole", () => {
  expect(excerpt("09:00", "10:30")).toEqual(["09:00", "10:30"]);
});

test("long values are cut down to what differs", () => {
  const text = "An old noodle house by the lake. Meat goes into the broth first, then greens and noodles.";
  const [before, after] = excerpt(text, text.replace("first", "last"));
  expect(before).toBe("…nto the broth first, then green…");
  expect(after).toBe("…nto the broth last, then green…");
});

test("an empty side stays as it is said", () => {
  expect(excerpt("empty", "x".repeat(80))[0]).toBe("empty");
});
