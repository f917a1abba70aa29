/** What is in a message's text: links, mentions, and what is being typed at the caret. Pure. */

export type Token =
  | { kind: "text"; text: string }
  | { kind: "mention"; text: string }
  | { kind: "link"; text: string; href: string };

/** Somebody who can be mentioned, by any of these names. */
export interface Mentionable {
  id: string;
  names: readonly string[];
}

/** Up to white space, quotes, or the full-width marks that end an address in Chinese text. */
const ADDRESS = /https?:\/\/[^\s<>"'`\u3000-\u303f\uff00-\uff20\uff3b-\uff40\uff5b-\uff65\u2018-\u201f]+/giu;
const TRAILING = /[.,;:!?*_~)\]}]$/u;
const MAX_SHOWN = 48;

export function tokens(text: string, people: readonly Mentionable[]): Token[] {
  const found: Token[] = [];
  let at = 0;
  for (const match of text.matchAll(ADDRESS)) {
    const address = withoutTrail(match[0]);
    const link = asLink(address);
    if (link === null) continue;
    found.push(...mentionTokens(text.slice(at, match.index), people), link);
    at = match.index + address.length;
  }
  return [...found, ...mentionTokens(text.slice(at), people)];
}

/** A full stop or a bracket after an address belongs to the sentence, unless the bracket is paired. */
function withoutTrail(address: string): string {
  let kept = address;
  while (TRAILING.test(kept)) {
    const last = kept.at(-1);
    if (last === ")" && kept.split("(").length >= kept.split(")").length) break;
    kept = kept.slice(0, -1);
  }
  return kept;
}

/** Only plain web addresses; one with a name before the host pretends to lead elsewhere. */
function asLink(address: string): Token | null {
  let url: URL;
  try {
    url = new URL(address);
  } catch {
    return null;
  }
  if ((url.protocol !== "http:" && url.protocol !== "https:") || url.username || url.password) return null;
  return { kind: "link", href: url.href, text: shownAddress(url) };
}

/** The host always whole, so that it can be judged; of the rest as much as fits. */
function shownAddress(url: URL): string {
  const host = url.host.replace(/^www\./, "");
  let rest = url.pathname + url.search + url.hash;
  try {
    rest = decodeURI(rest);
  } catch {
    // Not valid UTF-8: shown as it is.
  }
  if (rest === "/") return host;
  const room = Math.max(8, MAX_SHOWN - host.length);
  const points = [...rest];
  return host + (points.length > room ? `${points.slice(0, room - 1).join("")}…` : rest);
}

function mentionTokens(text: string, people: readonly Mentionable[]): Token[] {
  if (text === "") return [];
  const pattern = mentionPattern(people);
  if (pattern === null) return [{ kind: "text", text }];
  const found: Token[] = [];
  let at = 0;
  for (const match of text.matchAll(pattern)) {
    if (match.index > at) found.push({ kind: "text", text: text.slice(at, match.index) });
    found.push({ kind: "mention", text: match[0] });
    at = match.index + match[0].length;
  }
  if (at < text.length) found.push({ kind: "text", text: text.slice(at) });
  return found;
}

const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&");

function mentionPattern(people: readonly Mentionable[]): RegExp | null {
  const names = people.flatMap((person) => person.names).filter((name) => name.trim() !== "");
  if (names.length === 0) return null;
  // The longest first: "@Mei Ling" is not "@Mei" and something. A Latin name ends where its word does.
  const choices = names.sort((a, b) => b.length - a.length).map((name) => escaped(name) + (/\w$/.test(name) ? "(?!\\w)" : ""));
  return new RegExp(`[@＠](?:${choices.join("|")})`, "giu");
}

/** Ids of those whose names stand behind an @. `picked` decides between people of the same name. */
export function mentionsIn(text: string, people: readonly Mentionable[], picked: ReadonlySet<string> = new Set()): string[] {
  const said = new Set(mentionTokens(text, people).flatMap((each) => (each.kind === "mention" ? [each.text.slice(1).toLowerCase()] : [])));
  const meant = people.filter((person) => person.names.some((name) => said.has(name.toLowerCase())));
  return meant.filter((person) => {
    if (picked.has(person.id)) return true;
    return !meant.some((other) => picked.has(other.id) && other.names.some((name) => person.names.includes(name)));
  }).map((person) => person.id);
}

export interface Trigger {
  kind: "@" | "#";
  query: string;
  /** Where the sign stands. */
  from: number;
}

/** The mention that is being typed in front of the caret. Full-width signs come from Chinese keyboards. */
export function triggerAt(text: string, caret: number): Trigger | null {
  const match = /(?:^|[^\w@＠#＃/])([@＠#＃])([^\n@＠#＃]{0,30})$/u.exec(text.slice(0, caret));
  if (match === null) return null;
  const query = match[2] ?? "";
  if (/^\s/.test(query) || /\s\S*\s/.test(query)) return null;
  return { kind: match[1] === "@" || match[1] === "＠" ? "@" : "#", query, from: caret - query.length - 1 };
}

/** A digit, # or * as a key: the only emoji that begin with ASCII. */
const KEYCAP = /^[0-9#*]\ufe0f?\u20e3$/;

/** One emoji, as the server accepts it: at most 16 code points. */
export function asEmoji(text: string): string | null {
  const trimmed = text.trim();
  const first = new Intl.Segmenter().segment(trimmed)[Symbol.iterator]().next();
  if (first.done) return null;
  const emoji = first.value.segment;
  if (KEYCAP.test(emoji)) return emoji;
  const fits = [...emoji].length <= 16 && !/[\x00-\x7f]/.test(emoji);
  return fits && /[\p{Extended_Pictographic}\p{Regional_Indicator}]/u.test(emoji) ? emoji : null;
}
