/**
 * Answers as they grow: pieces put together by their place, counted in code points as the server
 * counts them. A piece that would leave a hole is not used: the text so far is asked for instead.
 */
import type { Stream } from '../protocol.gen'
import type { Clock } from './clock'
import type { AnswerStream } from './state'

/** Asked, and no answer yet: not again before this has passed. */
const WATCH_AGAIN_MS = 2_000

/** A text and how long it is. */
export interface Grown {
  text: string
  /** Code points in `text`. */
  length: number
}

interface Entry {
  text: Grown
  reasoning: Grown
  shown: AnswerStream
  watchedAt: number
}

export const NOTHING: Grown = { text: '', length: 0 }

export class Streams {
  private entries = new Map<string, Entry>()
  private told: ReadonlyMap<string, AnswerStream> = new Map()

  constructor(
    private readonly clock: Clock,
    /** Ask for the text so far; false: nothing can be sent now. */
    private readonly watch: (answer: string) => boolean,
  ) {}

  map(): ReadonlyMap<string, AnswerStream> {
    return this.told
  }

  receive(message: Stream): void {
    const entry = this.entry(message.answer)
    const text = grow(entry.text, message.at ?? 0, message.text ?? '')
    const reasoning = grow(entry.reasoning, message.reasoning_at ?? 0, message.reasoning ?? '')
    if (text === null || reasoning === null) this.ask(message.answer)
    else entry.watchedAt = -Infinity
    entry.text = text ?? entry.text
    entry.reasoning = reasoning ?? entry.reasoning
    entry.shown = {
      status: message.status, position: message.position ?? 0, text: entry.text.text, reasoning: entry.reasoning.text,
    }
    this.tell()
  }

  /** An answer is under way and pieces of it may have passed by: ask for what there is. */
  ask(answer: string): void {
    const entry = this.entry(answer)
    const now = this.clock.now()
    if (now - entry.watchedAt < WATCH_AGAIN_MS) return
    if (this.watch(answer)) entry.watchedAt = now
  }

  /** A new connection: whatever was asked over the old one is not answered any more. */
  reconnected(): void {
    for (const entry of this.entries.values()) entry.watchedAt = -Infinity
  }

  /** The finished text has come with an event. */
  finish(answer: string): void {
    if (this.entries.delete(answer)) this.tell()
  }

  clear(): void {
    this.entries.clear()
    this.tell()
  }

  private entry(answer: string): Entry {
    let entry = this.entries.get(answer)
    if (entry === undefined) {
      const shown: AnswerStream = { status: 'queued', position: 0, text: '', reasoning: '' }
      entry = { text: NOTHING, reasoning: NOTHING, shown, watchedAt: -Infinity }
      this.entries.set(answer, entry)
    }
    return entry
  }

  private tell(): void {
    this.told = new Map([...this.entries].map(([answer, entry]) => [answer, entry.shown]))
  }
}

/** What there is with `piece` put at code point `at`; null when that would leave a hole. */
export function grow(before: Grown, at: number, piece: string): Grown | null {
  if (at > before.length) return null
  if (piece === '') return before
  const points = [...piece]
  const fresh = points.slice(before.length - at)
  if (fresh.length === 0) return before
  return { text: before.text + fresh.join(''), length: before.length + fresh.length }
}
