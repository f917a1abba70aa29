/**
 * The room's numbered events as they come in: in order, once each, and never with a hole.
 *
 * An event from the future is held for a moment (the missing one may be on its way); then the room
 * is asked again. Owns `epoch` and `seq` of the confirmed state; what events mean is the owner's.
 */
import type { RoomEvent } from '../protocol.gen'
import type { Clock, Timer } from './clock'

const HOLD_MS = 150
const MAX_HELD = 1_000

export interface LogOptions {
  clock: Clock
  /** The next event, in order. */
  onEvent(event: RoomEvent): void
  /** Something is missing: ask the room to resume after `seq`. */
  onMissing(): void
}

export class RoomLog {
  epoch: string | null = null
  seq = 0
  private held = new Map<number, RoomEvent>()
  /** The room is known to have come at least this far. */
  private target = 0
  private timer: Timer | null = null

  constructor(private readonly options: LogOptions) {}

  /** The confirmed state was replaced by one at `seq`; later events that were held are kept. */
  restart(epoch: string, seq: number): void {
    if (epoch !== this.epoch) {
      this.held.clear()
      this.target = seq
    }
    this.epoch = epoch
    this.seq = seq
    this.drain()
  }

  receive(events: readonly RoomEvent[]): void {
    for (const event of events) {
      if (event.seq > this.seq && this.held.size < MAX_HELD) this.held.set(event.seq, event)
      this.target = Math.max(this.target, event.seq)
    }
    this.drain()
  }

  /** The room stands at `seq`: when that is ahead of what is known, events were lost. */
  head(seq: number): void {
    this.target = Math.max(this.target, seq)
    if (this.target > this.seq) this.wait()
  }

  stop(): void {
    if (this.timer !== null) this.options.clock.clearTimeout(this.timer)
    this.timer = null
  }

  private drain(): void {
    for (let next = this.held.get(this.seq + 1); next !== undefined; next = this.held.get(this.seq + 1)) {
      this.held.delete(next.seq)
      this.seq = next.seq
      this.options.onEvent(next)
    }
    for (const seq of this.held.keys()) if (seq <= this.seq) this.held.delete(seq)
    if (this.target > this.seq) this.wait()
    else this.stop()
  }

  private wait(): void {
    if (this.timer !== null) return
    const from = this.seq
    this.timer = this.options.clock.setTimeout(() => {
      this.timer = null
      // Progress since: the rest may be on its way too, so it gets another moment.
      if (this.seq >= this.target) return
      if (this.seq > from) this.wait()
      else this.options.onMissing()
    }, HOLD_MS)
  }
}
