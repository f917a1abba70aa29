/**
 * How many comments there are on what, for the badges of the board: asked for once, then kept up
 * by the changes that come in; asked for again where a change does not say what it did. An answer
 * says as of which seq it is: changes up to it are in it, whether they come before or after it.
 */
import type { TalkChange, ThreadList } from '../protocol.gen'
import { type Clock, type Timer, fullJitter } from './clock'
import { recordOf } from './messages'
import type { RecordRef, TalkMessage, ThreadTotals } from './state'

const AGAIN_MS = 500
/** Everybody in the room hears of the same change: not all ask in the same moment. */
const SPREAD_MS = 2_000
const RETRY_MS = 5_000

/** What a change did to a count. */
interface Step {
  seq: number
  key: RecordRef
  open: number
  total: number
}

export class ThreadCounts {
  private counts: ReadonlyMap<RecordRef, ThreadTotals> = new Map()
  /** Of the last answer; 0 before the first. */
  private seq = 0
  private known = false
  private asking = false
  /** What came while an answer was under way. */
  private meanwhile: Step[] = []
  private timer: Timer | null = null
  private turn = 0

  constructor(
    private readonly clock: Clock,
    private readonly read: () => Promise<ThreadList | null>,
    private readonly onChange: () => void,
  ) {}

  map(): ReadonlyMap<RecordRef, ThreadTotals> {
    return this.counts
  }

  load(): void {
    if (!this.known) this.fetch()
  }

  /**
   * Every change of a message, in order; `after` is null for one that is not known here. What was known
   * before does not matter: a page can have brought what the change says already.
   */
  absorb(seq: number, after: TalkMessage | null, change: TalkChange): void {
    if (seq <= this.seq) return
    // Who is resolved or reopened was not so before: the server says nothing otherwise.
    const resolution = 'resolved_by' in change.set && !change.new
    if ('deleted' in change.set && !change.new && after?.channel !== 'chat') this.soon()
    else if (after === null || after.deleted) {
      // Whether a thread counts whose first comment was deleted depends on its replies.
      if (resolution) this.soon()
    } else if (after.channel === 'comment' && after.about !== null) {
      const key = recordOf(after.about)
      if (change.new) this.add({ seq, key, open: after.reply_to === null ? 1 : 0, total: 1 })
      else if (resolution) this.add({ seq, key, open: change.set['resolved_by'] == null ? 1 : -1, total: 0 })
    }
  }

  clear(): void {
    this.stop()
    this.known = false
    this.turn += 1
    this.seq = 0
    this.asking = false
    this.meanwhile = []
    this.counts = new Map()
  }

  stop(): void {
    if (this.timer !== null) this.clock.clearTimeout(this.timer)
    this.timer = null
  }

  private add(step: Step): void {
    if (this.asking) this.meanwhile.push(step)
    this.counts = counted(this.counts, step)
    if (!this.known && !this.asking) this.soon()
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
    this.asking = true
    this.meanwhile = []
    this.read().then(
      (answer) => {
        if (turn !== this.turn) return
        const meanwhile = this.meanwhile
        this.asking = false
        this.meanwhile = []
        if (answer === null) return
        const counts = new Map(answer.threads.map(({ t, id, open, total }) => [`${t}:${id}` as RecordRef, { open, total }]))
        // A server of the version before does not say it.
        this.seq = answer.seq ?? 0
        this.counts = meanwhile.filter((step) => step.seq > this.seq).reduce(counted, counts)
        this.known = true
        this.onChange()
      },
      // The board does without badges, or with what it had, until the next join.
      () => {
        if (turn !== this.turn) return
        this.asking = false
        this.meanwhile = []
        this.timer ??= this.clock.setTimeout(() => {
          this.timer = null
          this.fetch()
        }, RETRY_MS)
      },
    )
  }
}

function counted(counts: ReadonlyMap<RecordRef, ThreadTotals>, { key, open, total }: Step): ReadonlyMap<RecordRef, ThreadTotals> {
  const before = counts.get(key) ?? { open: 0, total: 0 }
  return new Map(counts).set(key, { open: Math.max(0, before.open + open), total: before.total + total })
}
