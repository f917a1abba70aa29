/**
 * How many comments there are on what, for the badges of the board: asked for once, then kept up
 * by the changes that come in; asked for again where a change does not say what it did.
 */
import type { TalkChange, ThreadCount } from '../protocol.gen'
import { type Clock, type Timer, fullJitter } from './clock'
import { recordOf } from './messages'
import type { RecordRef, TalkMessage, ThreadTotals } from './state'

const AGAIN_MS = 500
/** Everybody in the room hears of the same change: not all ask in the same moment. */
const SPREAD_MS = 2_000

export class ThreadCounts {
  private counts: ReadonlyMap<RecordRef, ThreadTotals> = new Map()
  private known = false
  private timer: Timer | null = null
  private turn = 0

  constructor(
    private readonly clock: Clock,
    private readonly read: () => Promise<ThreadCount[] | null>,
    private readonly onChange: () => void,
  ) {}

  map(): ReadonlyMap<RecordRef, ThreadTotals> {
    return this.counts
  }

  load(): void {
    if (!this.known) this.fetch()
  }

  /** `before` is null for a new message, and for one that is not known here. */
  absorb(before: TalkMessage | null, after: TalkMessage | null, change: TalkChange): void {
    if (after === null) {
      // A change of a message that was never loaded: only these two change a count.
      if ('deleted' in change.set || 'resolved_by' in change.set) this.soon()
      return
    }
    if (after.channel !== 'comment' || after.about === null) return
    const key = recordOf(after.about)
    if (before === null) this.add(key, after.reply_to === null ? 1 : 0, 1)
    else if (after.deleted !== before.deleted) this.soon()
    else if ((after.resolved_by === null) !== (before.resolved_by === null)) this.add(key, after.resolved_by === null ? 1 : -1, 0)
  }

  clear(): void {
    this.stop()
    this.known = false
    this.turn += 1
    this.counts = new Map()
  }

  stop(): void {
    if (this.timer !== null) this.clock.clearTimeout(this.timer)
    this.timer = null
  }

  private add(key: RecordRef, open: number, total: number): void {
    const before = this.counts.get(key) ?? { open: 0, total: 0 }
    this.counts = new Map(this.counts).set(key, { open: Math.max(0, before.open + open), total: before.total + total })
    // The answer under way may have been counted before this change.
    if (!this.known) this.soon()
  }

  private soon(): void {
    this.timer ??= this.clock.setTimeout(() => {
      this.timer = null
      this.fetch()
    }, AGAIN_MS + fullJitter(this.clock, 0, SPREAD_MS, SPREAD_MS))
  }

  private fetch(): void {
    const turn = ++this.turn
    this.known = false
    this.read().then(
      (threads) => {
        if (turn !== this.turn || threads === null) return
        this.counts = new Map(threads.map(({ t, id, open, total }) => [`${t}:${id}`, { open, total }]))
        this.known = true
        this.onChange()
      },
      // The board does without badges until the next join.
      () => undefined,
    )
  }
}
