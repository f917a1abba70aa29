/** The two names of a stop as one reader edits them: the one that the reader sees, and the other.
    A new name is for everybody: readers of the other language must not go on reading what the stop was called
    before, so the other name, which said the same in another language, goes with the old one. */
import type { Language } from "../../i18n";
import { pickNames } from "../../i18n/format";
import type { Stop, StopFields } from "../../protocol.gen";

type NameField = "name" | "name_alt";
type Named = Pick<Stop, NameField>;

/** Which field holds the name that this reader sees, and which the other. */
export function nameFields(stop: Named, language: Language): { shown: NameField; other: NameField } {
  const isAlt = stop.name !== stop.name_alt && pickNames(stop.name, stop.name_alt, language).main === stop.name_alt;
  return isAlt ? { shown: "name_alt", other: "name" } : { shown: "name", other: "name_alt" };
}

/** What a reader's new name sets. `dropped`: the name in the other language that went with the old one, or nothing. */
export function rename(stop: Named, language: Language, text: string): { fields: StopFields; dropped: string } {
  const { shown, other } = nameFields(stop, language);
  if (stop[other] !== "" && isCorrection(stop[shown], text)) return { fields: { [shown]: text }, dropped: "" };
  return { fields: stop.name_alt === "" ? { name: text } : { name: text, name_alt: "" }, dropped: stop[other] };
}

/** What the name in the other language sets; without it the shown one is the name. */
export function setOther(stop: Named, language: Language, text: string): StopFields {
  const { other } = nameFields(stop, language);
  return other === "name" && text === "" ? { name: stop.name_alt, name_alt: "" } : { [other]: text };
}

/** A slip of the pen put right: the other name still says the same. Chinese has no such small change, another
    number is another thing, and so is another short word ("Cafe A", "Cafe B"). */
export function isCorrection(before: string, after: string): boolean {
  const [a, b] = [words(before), words(after)];
  if (a.join("") === b.join("")) return true;
  return a.length === b.length && a.every((word, n) => {
    const other = b[n] as string;
    if (word === other) return true;
    const length = Math.min(word.length, other.length);
    return length >= 4 && !/[\p{Script=Han}\p{N}]/u.test(word + other) && slips(word, other) <= (length >= 8 ? 2 : 1);
  });
}

/** Without what a correction often is: case, accents, spaces, punctuation. */
const words = (text: string): string[] => text.normalize("NFKD").toLowerCase().replace(/[\p{M}\p{P}]/gu, "").split(/\p{Z}+/u).filter(Boolean);

/** Letters to put in, take out, change, or swap with their neighbour (optimal string alignment). */
function slips(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, n) => n)];
  const at = (i: number, j: number): number => rows[i]?.[j] ?? 0;
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i];
    rows.push(row);
    for (let j = 1; j <= b.length; j += 1) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1] ? at(i - 2, j - 2) + 1 : Infinity;
      row.push(Math.min(at(i - 1, j) + 1, at(i, j - 1) + 1, at(i - 1, j - 1) + same, swapped));
    }
  }
  return at(a.length, b.length);
}
