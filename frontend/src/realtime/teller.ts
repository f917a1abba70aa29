/** Tells the store what is not what it was, so that nothing re-renders for a value made anew. */
import type { RoomState } from './state'

export class Teller {
  private readonly told: Partial<RoomState> = {}

  constructor(private readonly onUpdate: (update: Partial<RoomState>) => void) {}

  /** `update` is known to be new; of `all`, only what differs from the last time is told. */
  tell(update: Partial<RoomState>, all: Partial<RoomState>): void {
    for (const key of Object.keys(all) as (keyof RoomState)[]) {
      if (sameShallow(this.told[key], all[key])) continue
      Object.assign(update, { [key]: all[key] })
      Object.assign(this.told, { [key]: all[key] })
    }
    if (Object.keys(update).length > 0) this.onUpdate(update)
  }
}

/** Small plain objects are made anew at every look: compare what is in them. */
function sameShallow(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true
  if (!isPlain(a) || !isPlain(b)) return false
  const keys = Object.keys(a)
  return keys.length === Object.keys(b).length && keys.every((key) => Object.is(a[key], b[key]))
}

function isPlain(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype
}
