/**
 * Own operations that the server has not confirmed: kept in order, sent, sent again, dropped.
 *
 * Each is sent with the same id until it is answered, so its effect happens once. Operations on the
 * same records go one after the other (a later one must not overtake one that is sent again); the
 * others go side by side. Knows nothing of predictions, storage or React: `OutboxEvents` tells.
 */
import type { Operation, Submit } from '../protocol.gen'
import { type Clock, type Timer, fullJitter } from './clock'
import { isSetFields, mergeFields, type Reach, reachOf, sameFields, touch } from './operations'

const RESEND_MS = 5_000
const MAX_IN_FLIGHT = 16
/** The server cuts a socket that sends more than 50 frames a second: stay well below it. */
const RATE_PER_S = 25
const BURST = 50
const RETRY_BASE_MS = 500
const RETRY_CAP_MS = 10_000
/** Typing: how long after the last key, and at most how long after the first, a text is sent. */
const TYPING_PAUSE_MS = 100
const TYPING_MAX_MS = 1_000

export interface Pending {
  readonly opId: string
  op: Operation
  base: number
  createdAt: number
  /** It left this device at least once: it may have been applied, and must not change any more. */
  sent: boolean
}

interface Entry extends Pending {
  reach: Reach
  /** Sent over the present connection and not answered, since. */
  inFlightSince: number | null
  attempts: number
  notBefore: number
  /** Applied as this event, which has not arrived here yet. */
  ackedSeq: number | null
}

export interface OutboxOptions {
  clock: Clock
  send(message: Submit): boolean
  /** False while nothing may be sent: not joined. */
  canSend(): boolean
  /** The queue changed; `removed`: the operation left it. */
  onStored(pending: Pending): void
  onRemoved(pending: Pending): void
}

export class Outbox {
  private entries: Entry[] = []
  private timer: Timer | null = null
  private tokens = BURST
  private countedAt = -Infinity

  constructor(private readonly options: OutboxOptions) {}

  get size(): number {
    return this.entries.length
  }

  list(): readonly Pending[] {
    return this.entries
  }

  find(opId: string): Pending | null {
    return this.entries.find((entry) => entry.opId === opId) ?? null
  }

  /**
   * Queue an operation. An unsent `set_fields` of the same record and fields at the end of its
   * record's line takes it in instead; the entry that holds it is returned. `typing` waits for a
   * short pause before sending.
   */
  add(opId: string, op: Operation, base: number, typing = false): { pending: Pending; merged: boolean } {
    const now = this.options.clock.now()
    const host = this.hostFor(op)
    if (host !== null) {
      host.op = mergeFields(host.op, op)
      host.notBefore = typing ? Math.min(now + TYPING_PAUSE_MS, host.createdAt + TYPING_MAX_MS) : 0
      this.options.onStored(host)
      this.pump()
      return { pending: host, merged: true }
    }
    const entry = this.entry({ opId, op, base, createdAt: now, sent: false })
    if (typing) entry.notBefore = now + TYPING_PAUSE_MS
    this.entries.push(entry)
    this.options.onStored(entry)
    this.pump()
    return { pending: entry, merged: false }
  }

  /** Take over operations from storage. They may have been sent by an earlier page. */
  adopt(stored: readonly Pending[]): void {
    const known = new Set(this.entries.map((entry) => entry.opId))
    const fresh = stored.filter((each) => !known.has(each.opId)).map((each) => this.entry({ ...each, sent: true }))
    this.entries = [...fresh, ...this.entries]
    this.pump()
  }

  /** Send what waits for a pause in typing, now. */
  flushTyping(): void {
    for (const entry of this.entries) if (!entry.sent) entry.notBefore = 0
    this.pump()
  }

  /** Applied as event `seq`, which is part of the confirmed state by now. */
  confirm(opId: string): Pending | null {
    return this.remove(opId)
  }

  /** Everything that was acknowledged up to `seq` is part of the confirmed state by now. */
  confirmUpTo(seq: number): Pending[] {
    const done = this.entries.filter((entry) => entry.ackedSeq !== null && entry.ackedSeq <= seq)
    for (const entry of done) this.remove(entry.opId)
    return done
  }

  /** Applied as event `seq`, not seen yet: not to be sent again. */
  acknowledge(opId: string, seq: number): void {
    const entry = this.entries.find((each) => each.opId === opId)
    if (entry === undefined) return
    entry.ackedSeq = seq
    entry.inFlightSince = null
    this.pump()
  }

  /** Refused for now: the same again after a pause. */
  postpone(opId: string, retryAfterMs: number): void {
    const entry = this.entries.find((each) => each.opId === opId)
    if (entry === undefined) return
    const { clock } = this.options
    entry.inFlightSince = null
    entry.notBefore = clock.now() + retryAfterMs + fullJitter(clock, entry.attempts, RETRY_BASE_MS, RETRY_CAP_MS)
    entry.attempts += 1
    this.pump()
  }

  /** Refused for good, or taken back before it was ever sent. */
  drop(opId: string): Pending | null {
    return this.remove(opId)
  }

  /** The connection is gone: what was in flight is to be sent again on the next one. */
  disconnected(): void {
    for (const entry of this.entries) entry.inFlightSince = null
    this.clearTimer()
  }

  /** Epochs differ: what was seen or acknowledged in the old one means nothing in this one. */
  rebase(seq: number): void {
    for (const entry of this.entries) {
      entry.base = Math.min(entry.base, seq)
      entry.ackedSeq = null
    }
  }

  stop(): void {
    this.clearTimer()
  }

  // --- sending ------------------------------------------------------------------------------

  /** Send all that may be sent, and wake up when the next may. */
  pump(): void {
    this.clearTimer()
    if (!this.options.canSend()) return
    const now = this.options.clock.now()
    let inFlight = 0
    let wake = Infinity
    const ahead: Entry[] = []
    for (const entry of this.entries) {
      if (entry.ackedSeq !== null) continue
      const blocked = ahead.some((earlier) => touch(earlier.reach, entry.reach))
      ahead.push(entry)
      if (entry.inFlightSince !== null && now - entry.inFlightSince < RESEND_MS) {
        inFlight += 1
        wake = Math.min(wake, entry.inFlightSince + RESEND_MS)
      } else if (blocked || inFlight >= MAX_IN_FLIGHT) {
        continue
      } else if (entry.notBefore > now) {
        wake = Math.min(wake, entry.notBefore)
      } else if (!this.mayTransmit(now)) {
        wake = Math.min(wake, now + Math.ceil(1_000 / RATE_PER_S))
        break
      } else if (this.transmit(entry, now)) {
        inFlight += 1
        wake = Math.min(wake, now + RESEND_MS)
      }
    }
    if (wake < Infinity) {
      this.timer = this.options.clock.setTimeout(() => this.pump(), Math.max(0, wake - now))
    }
  }

  /** A long queue, as after an offline day, goes out at a steady pace. */
  private mayTransmit(now: number): boolean {
    this.tokens = Math.min(BURST, this.tokens + ((now - this.countedAt) / 1_000) * RATE_PER_S)
    this.countedAt = now
    if (this.tokens < 1) return false
    this.tokens -= 1
    return true
  }

  private transmit(entry: Entry, now: number): boolean {
    if (!entry.sent) {
      entry.sent = true
      this.options.onStored(entry)
    }
    if (!this.options.send({ t: 'submit', op_id: entry.opId, base: entry.base, op: entry.op })) return false
    entry.inFlightSince = now
    return true
  }

  // --- pieces -------------------------------------------------------------------------------

  private entry(pending: Pending): Entry {
    return {
      ...pending, reach: reachOf(pending.op), inFlightSince: null, attempts: 0, notBefore: 0, ackedSeq: null,
    }
  }

  private hostFor(op: Operation): Entry | null {
    if (!isSetFields(op)) return null
    const reach = reachOf(op)
    const last = this.entries.findLast((entry) => touch(entry.reach, reach))
    if (last === undefined || last.sent || !isSetFields(last.op)) return null
    return sameFields(last.op, op) ? last : null
  }

  private remove(opId: string): Pending | null {
    const index = this.entries.findIndex((entry) => entry.opId === opId)
    if (index === -1) return null
    const [entry] = this.entries.splice(index, 1) as [Entry]
    this.options.onRemoved(entry)
    this.pump()
    return entry
  }

  private clearTimer(): void {
    if (this.timer !== null) this.options.clock.clearTimeout(this.timer)
    this.timer = null
  }
}
