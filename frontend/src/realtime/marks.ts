/**
 * How far everybody has read, and telling the room how far I have: at most once a second, never
 * backwards, and again after a reconnect when it did not get through.
 */
import type { ClientMessage, ReadBy } from '../protocol.gen'
import type { Clock, Timer } from './clock'

const INTERVAL_MS = 1_000

export class Marks {
  private reads: ReadonlyMap<string, number> = new Map()
  /** What the server is known to have, or was told over this connection. */
  private told = 0
  private wanted = 0
  private timer: Timer | null = null
  private lastAt = -Infinity

  constructor(
    private readonly clock: Clock,
    private readonly me: () => string | null,
    private readonly send: (message: ClientMessage) => boolean,
  ) {}

  map(): ReadonlyMap<string, number> {
    return this.reads
  }

  /** Up to where I have read; 0: nothing. */
  mine(): number {
    const me = this.me()
    return me === null ? 0 : (this.reads.get(me) ?? 0)
  }

  /** Somebody has read up to `seq`. True when that is news. */
  raise(user: string, seq: number): boolean {
    if (user === this.me()) this.told = Math.max(this.told, seq)
    if ((this.reads.get(user) ?? 0) >= seq) return false
    this.reads = new Map(this.reads).set(user, seq)
    return true
  }

  receive(message: ReadBy): boolean {
    return this.raise(message.user, message.seq)
  }

  /** I have seen everything up to `seq`. True when that is news. */
  seen(seq: number): boolean {
    const me = this.me()
    if (me === null || seq <= this.mine()) return false
    this.reads = new Map(this.reads).set(me, seq)
    this.wanted = seq
    this.schedule()
    return true
  }

  /** A new connection may not have heard of it. */
  joined(): void {
    if (this.wanted > this.told) this.schedule()
  }

  /** Seqs of another epoch mean nothing any more; in the same one, what was seen here stays seen. */
  clear(newEpoch: boolean): void {
    const me = this.me()
    const mine = this.mine()
    this.reads = newEpoch || me === null ? new Map() : new Map([[me, mine]])
    this.told = 0
    if (newEpoch) this.wanted = 0
  }

  stop(): void {
    if (this.timer !== null) this.clock.clearTimeout(this.timer)
    this.timer = null
  }

  private schedule(): void {
    if (this.timer !== null) return
    const wait = this.lastAt + INTERVAL_MS - this.clock.now()
    if (wait <= 0) {
      this.tell()
      return
    }
    this.timer = this.clock.setTimeout(() => {
      this.timer = null
      this.tell()
    }, wait)
  }

  private tell(): void {
    if (this.wanted <= this.told || !this.send({ t: 'read', seq: this.wanted })) return
    this.lastAt = this.clock.now()
  }
}
