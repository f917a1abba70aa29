/**
 * Declining with a moment to think again: the decision shows at once and is sent when the moment is
 * over, because what was declined on the server cannot be brought back.
 *
 * Owns what waits and what is on its way. Sent early when the page may be about to go, and before
 * anything else is decided about the same proposal. Driven by `Review`.
 */
import type { Clock, Timer } from './clock'

/** How long a declining can be taken back. */
export const DECLINE_MS = 6_000

interface Declining {
  id: string
  /** Null: all of them. */
  pieces: readonly number[] | null
  /** Null: it was sent, as operation `opId`. */
  timer: Timer | null
  opId: string | null
  onSent: () => void
}

export interface DeclinesOptions {
  clock: Clock
  /** Send it; returns the operation's id, or null when there is nothing left to decline. */
  send(id: string, pieces: readonly number[] | null): string | null
  onChange(): void
}

export class Declines {
  private list: Declining[] = []

  constructor(private readonly options: DeclinesOptions) {}

  /** Whether this piece is declined here, and the room does not know yet. */
  covers(id: string, piece: number): boolean {
    return this.list.some((each) => each.id === id && (each.pieces === null || each.pieces.includes(piece)))
  }

  /** `onSent` is called once it cannot be taken back any more. Returns what takes it back: false when it is too late. */
  hold(id: string, pieces: readonly number[] | null, onSent: () => void): () => boolean {
    const declining: Declining = { id, pieces, timer: null, opId: null, onSent }
    declining.timer = this.options.clock.setTimeout(() => this.send(declining), DECLINE_MS)
    this.list.push(declining)
    this.options.onChange()
    return () => {
      if (declining.timer === null) return false
      this.options.clock.clearTimeout(declining.timer)
      declining.timer = null
      this.drop(declining)
      return true
    }
  }

  /** Send what waits now: of one proposal, or all. */
  flush(id: string | null = null): void {
    for (const declining of [...this.list]) {
      if (declining.timer === null || (id !== null && declining.id !== id)) continue
      this.options.clock.clearTimeout(declining.timer)
      this.send(declining)
    }
  }

  /** The room has decided about this operation, one way or the other. */
  answered(opId: string): void {
    const declining = this.list.find((each) => each.opId === opId)
    if (declining !== undefined) this.drop(declining)
  }

  private send(declining: Declining): void {
    declining.timer = null
    declining.opId = this.options.send(declining.id, declining.pieces)
    declining.onSent()
    if (declining.opId === null) this.drop(declining)
  }

  private drop(declining: Declining): void {
    this.list = this.list.filter((each) => each !== declining)
    this.options.onChange()
  }
}
