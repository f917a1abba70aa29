/** E-mail addresses as people type or paste them: in any order, with any separator, with names. */

export const MOST_ADDRESSES = 20;

export interface Addresses {
  good: string[];
  /** What is no address, as it was typed. */
  bad: string[];
}

/** Every address once. What an address really is, the server decides; this finds slips while typing. */
export function readAddresses(text: string): Addresses {
  const good = new Map<string, string>();
  const bad: string[] = [];
  // `Ann Lee <ann@example.org>`: the name goes, with what separates it.
  const plain = text.replace(/(?:"[^"]*"\s*|[^<>,;\n，；、]*)<([^<>]*)>/g, " $1 ");
  for (const word of plain.split(/[\s,;，；、]+/)) {
    if (!word) continue;
    if (/^[^@\s]+@[^@\s.]+(?:\.[^@\s.]+)+$/.test(word)) good.set(word.toLowerCase(), good.get(word.toLowerCase()) ?? word);
    else bad.push(word);
  }
  return { good: [...good.values()], bad };
}
