import { expect, test } from "vitest";
import { en } from "./en";
import { sentences } from "./format";
import { zh } from "./zh";

type Tree = { [key: string]: string | Tree };

function leaves(tree: Tree, path = ""): [string, string][] {
  return Object.entries(tree).flatMap(([key, value]) =>
    typeof value === "string" ? [[path + key, value] as [string, string]] : leaves(value, `${path}${key}.`));
}

const english = new Map(leaves(en));
const chinese = new Map(leaves(zh));

test("both catalogues have the same keys, and none is empty", () => {
  expect([...chinese.keys()].sort()).toEqual([...english.keys()].sort());
  for (const [key, text] of [...english, ...chinese]) expect(text.trim(), key).not.toBe("");
});

test("both languages fill in the same placeholders", () => {
  const holes = (text: string) => [...text.matchAll(/\{\{(\w+)\}\}/g)].map((match) => match[1]).sort();
  for (const [key, text] of english) expect(holes(chinese.get(key) ?? ""), key).toEqual(holes(text));
});

test("Chinese texts use full-width punctuation", () => {
  for (const [key, text] of chinese) expect(/\p{Script=Han} ?[,;:!?()]/u.test(text), `${key}: ${text}`).toBe(false);
});

test("nothing stands between two Chinese sentences, and a space between two English ones", () => {
  for (const [key, text] of chinese) expect(/[，。！？；：、“”（）] | [，。！？；：、”（）]/u.test(text), `${key}: ${text}`).toBe(false);
  const said = (catalogue: Map<string, string>) => sentences((key, words) => (catalogue.get(key) ?? "").replace(/\{\{(\w+)\}\}/g, (_, hole: string) => String(words?.[hole])), "一。", "二。", "三。");
  expect(said(chinese)).toBe("一。二。三。");
  expect(said(english)).toBe("一。 二。 三。");
});
