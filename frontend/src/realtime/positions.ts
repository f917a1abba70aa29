/**
 * Fractional index keys for predictions, by the server's rules (domain/positions.py).
 *
 * The server's event always has the last word; this only has to show the same order meanwhile.
 */
import { generateNKeysBetween } from 'fractional-indexing'

const MAX_KEY_LENGTH = 24

export interface Placed {
  pos: string
  id: string
}

/** By position, then id; keys are ASCII, and `<` compares them as bytes. */
export function byPlace(a: Placed, b: Placed): number {
  if (a.pos !== b.pos) return a.pos < b.pos ? -1 : 1
  return a.id < b.id ? -1 : a.id > b.id ? 1 : 0
}

export const keysBetween = (before: string | null, after: string | null, count: number): string[] =>
  generateNKeysBetween(before, after, count)

/**
 * New keys for `moved`, put behind `anchor` (null: first; `'end'`: last) in the ordered list without
 * them. Other records of the list appear in the result when it had to be numbered anew.
 */
export function place(ordered: readonly Placed[], moved: readonly string[], anchor: Placed | null | 'end'): Map<string, string> {
  const index = anchor === 'end' ? ordered.length : anchor === null ? 0 : behind(ordered, anchor)
  const before = ordered[index - 1]?.pos ?? null
  const after = ordered[index]?.pos ?? null
  if (before === null || after === null || before < after) {
    const keys = keysBetween(before, after, moved.length)
    if (keys.every((key) => key.length <= MAX_KEY_LENGTH)) {
      return new Map(moved.map((id, n) => [id, keys[n] as string]))
    }
  }
  const ids = ordered.map((each) => each.id)
  ids.splice(index, 0, ...moved)
  const fresh = keysBetween(null, null, ids.length)
  const current = new Map(ordered.map((each) => [each.id, each.pos]))
  return new Map(ids.map((id, n): [string, string] => [id, fresh[n] as string]).filter(([id, key]) => current.get(id) !== key))
}

function behind(ordered: readonly Placed[], anchor: Placed): number {
  const index = ordered.findIndex((each) => byPlace(each, anchor) > 0)
  return index === -1 ? ordered.length : index
}
