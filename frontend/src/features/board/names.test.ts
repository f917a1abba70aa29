import { expect, test } from "vitest";
import { pickNames } from "../../i18n/format";
import { isCorrection, nameFields, rename, setOther } from "./names";

const erhai = { name: "Lake Erhai", name_alt: "洱海" };

test("the first field is the name that the reader sees", () => {
  expect(nameFields(erhai, "en")).toEqual({ shown: "name", other: "name_alt" });
  expect(nameFields(erhai, "zh")).toEqual({ shown: "name_alt", other: "name" });
  expect(nameFields({ name: "洱海", name_alt: "" }, "en").shown).toBe("name");
  expect(nameFields({ name: "", name_alt: "洱海" }, "en").shown).toBe("name_alt");
  expect(nameFields({ name: "Dali", name_alt: "Dali" }, "zh").shown).toBe("name");
});

test.each(["en", "zh"] as const)("a new name by a reader of %s is what readers of both languages see", (language) => {
  const { fields, dropped } = rename(erhai, language, "Boat trip");
  const stop = { ...erhai, ...fields };
  expect((["en", "zh"] as const).map((reader) => pickNames(stop.name, stop.name_alt, reader).main)).toEqual(["Boat trip", "Boat trip"]);
  expect(dropped).toBe(language === "en" ? "洱海" : "Lake Erhai");
});

test("a stop with one name keeps one field to set", () => {
  expect(rename({ name: "Dali", name_alt: "" }, "zh", "大理")).toEqual({ fields: { name: "大理" }, dropped: "" });
});

test("a corrected name leaves the other as it is", () => {
  expect(rename({ name: "Lake Erhia", name_alt: "洱海" }, "en", "Lake Erhai")).toEqual({ fields: { name: "Lake Erhai" }, dropped: "" });
});

test.each([
  ["cafe de dali", "Café de Dali", true], ["Three Pagodsa", "Three Pagodas", true], ["Old Twon", "Old Town", true], ["Three Pagodas", "Three Pagodas at dusk", false],
  ["Cafe A", "Cafe B", false], ["Villa 12", "Villa 13", false], ["Restaraunt", "Restaurant", true], ["Lakeside", "Lake side", true], ["Day 1 hike", "Day 2 hike", false], ["洱海", "洱源", false], ["Bar", "Car", false], ["双廊", "双廊 ", true],
])("%s, then %s: a correction is %s", (before, after, expected) => {
  expect(isCorrection(before, after)).toBe(expected);
});

test("without the other name, the shown one is the name", () => {
  expect(setOther(erhai, "zh", "")).toEqual({ name: "洱海", name_alt: "" });
  expect(setOther(erhai, "zh", "Erhai")).toEqual({ name: "Erhai" });
  expect(setOther(erhai, "en", "")).toEqual({ name_alt: "" });
});
