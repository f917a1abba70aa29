/** Where a Chinese title may break: between phrases, not inside one. Browsers break Chinese anywhere, and
    their dictionaries know few names of places, so a break needs a reason. Pure; see `Phrases`. */

/** A title of fewer characters than a line holds is broken only where its grammar parts it. */
const LONG = 8;
const HAN = /^\p{Script=Han}+$/u;
const LATIN = /^\p{Script=Latin}/u;
const PARTICLES = new Set(["的", "之"]);

let words: Intl.Segmenter | null | undefined;

/** The title in pieces that are to stay whole; joined they are the title. Punctuation and spaces stay
    inside: there the browser breaks by itself, and knows the rules. */
export function phrases(title: string): string[] {
  words ??= "Segmenter" in Intl ? new Intl.Segmenter("zh", { granularity: "word" }) : null;
  if (words === null) return [title];
  const found = [...words.segment(title)];
  const out: string[] = [];
  found.forEach(({ segment, index }, n) => {
    const before = found[n - 1]?.segment ?? "";
    const atPhrase = PARTICLES.has(before) && found[n - 2] !== undefined && /^\p{Script=Han}{2}/u.test(title.slice(index));
    const atScript = (HAN.test(before) && LATIN.test(segment)) || (LATIN.test(before) && HAN.test(segment));
    if (n === 0 || atPhrase || atScript) out.push(segment);
    else out.push((out.pop() ?? "") + segment);
  });
  return out.flatMap((phrase) => ([...phrase].length >= LONG ? knownWords(phrase, words as Intl.Segmenter) : [phrase]));
}

/** Known words are of two characters and more: single ones are mostly pieces of names, and cling to what is around. */
function knownWords(phrase: string, segmenter: Intl.Segmenter): string[] {
  const out: string[] = [];
  let before = "";
  for (const { segment } of segmenter.segment(phrase)) {
    if (isKnown(before) && isKnown(segment)) out.push(segment);
    else out.push((out.pop() ?? "") + segment);
    before = segment;
  }
  return out;
}

const isKnown = (word: string): boolean => [...word].length > 1 && HAN.test(word);
