/** Marks of what somebody else changed a moment ago; each goes out by itself. */
import type { RoomEvent } from '../protocol.gen'
import type { Clock, Timer } from './clock'
import type { Glow } from './state'

export const GLOW_MS = 1_200

export class Glows {
  private marks: ReadonlyMap<string, Glow> = new Map()
  private timer: Timer | null = null

  constructor(
    private readonly clock: Clock,
    private readonly onChange: () => void,
  ) {}

  map(): ReadonlyMap<string, Glow> {
    return this.marks
  }

  absorb(event: RoomEvent): void {
    if (event.changes.length === 0) return
    const until = this.clock.now() + GLOW_MS
    const marks = new Map(this.marks)
    for (const change of event.changes) {
      const fields = new Set([...(marks.get(change.id)?.fields ?? []), ...Object.keys(change.set)])
      marks.set(change.id, { author: event.actor, fields: [...fields], until })
    }
    this.marks = marks
    this.schedule()
  }

  stop(): void {
    if (this.timer !== null) this.clock.clearTimeout(this.timer)
    this.timer = null
  }

  private schedule(): void {
    if (this.timer !== null || this.marks.size === 0) return
    const next = Math.min(...[...this.marks.values()].map((mark) => mark.until))
    this.timer = this.clock.setTimeout(() => {
      this.timer = null
      const now = this.clock.now()
      this.marks = new Map([...this.marks].filter(([, mark]) => mark.until > now))
      this.schedule()
      this.onChange()
    }, Math.max(0, next - this.clock.now()))
  }
}
