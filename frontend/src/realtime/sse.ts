/**
 * Server-sent events read from a `fetch` body, and one answer of the assistant read to its end.
 *
 * `SseParser` follows the WHATWG rules for event streams. `readAnswer` owns the connection of one
 * answer: it comes back after a cut and continues exactly where it was (offsets in code points),
 * gives up when nothing helps, and never asks the question twice (the opener sends the same
 * idempotency key). Rooms do not need it: there answers grow by the room's socket.
 */
import { ApiError } from '../api/errors'
import type { AnswerEnded, AnswerOpened, Stream } from '../protocol.gen'
import { type Clock, type Timer, fullJitter } from './clock'
import type { AnswerStream } from './state'
import { type Grown, grow, NOTHING } from './streams'

export interface SseEvent {
  id: string
  event: string
  data: string
}

const LINE_END = /\r\n|\n|\r/

export class SseParser {
  private readonly decoder = new TextDecoder()
  private rest = ''
  /** The last chunk ended with CR: an LF that follows belongs to it. */
  private afterReturn = false
  private id = ''
  private event = ''
  private data: string[] = []

  /** The events that these bytes complete. A character or line may be cut anywhere. */
  push(bytes: Uint8Array): SseEvent[] {
    let text = this.decoder.decode(bytes, { stream: true })
    if (text === '') return []
    if (this.afterReturn && text.startsWith('\n')) text = text.slice(1)
    this.afterReturn = text.endsWith('\r')
    const lines = (this.rest + text).split(LINE_END)
    this.rest = lines.pop() as string
    return lines.flatMap((line) => this.line(line) ?? [])
  }

  private line(line: string): SseEvent | null {
    if (line === '') return this.dispatch()
    const colon = line.indexOf(':')
    if (colon === 0) return null
    const field = colon === -1 ? line : line.slice(0, colon)
    const value = colon === -1 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1)
    if (field === 'data') this.data.push(value)
    else if (field === 'event') this.event = value
    else if (field === 'id' && !value.includes('\0')) this.id = value
    return null
  }

  private dispatch(): SseEvent | null {
    const { event, data } = this
    this.event = ''
    this.data = []
    return data.length === 0 ? null : { id: this.id, event: event || 'message', data: data.join('\n') }
  }
}

// --- one answer -----------------------------------------------------------------------------

/** Silence longer than this means that the connection is dead: the server sends a comment every 15 s. */
const SILENCE_MS = 45_000
const BACKOFF_MS = 500
const BACKOFF_CAP_MS = 8_000
/** Tries in a row that bring nothing new. */
const MAX_TRIES = 8

export interface AnswerOptions {
  clock: Clock
  signal: AbortSignal
  /**
   * Ask for the stream. `answer` null: nothing has come yet, ask the question (again, with the same
   * idempotency key); otherwise the answer whose stream continues after `lastEventId`.
   */
  open(resume: { answer: string; lastEventId: string } | null, signal: AbortSignal): Promise<Response>
  onOpen(opened: AnswerOpened): void
  onGrow(shown: AnswerStream): void
  /** The connection was lost and comes back by itself (false: it has). */
  onLost(lost: boolean): void
}

/** Known already: an answer that is under way and is to be watched. */
export interface Known {
  answer: string
  text: string
  reasoning: string
}

/**
 * Resolves with how the answer ended. Rejects with an `ApiError` when that cannot be learnt, and
 * with an `AbortError` when `signal` says so.
 */
export async function readAnswer(options: AnswerOptions, known: Known | null = null): Promise<AnswerEnded> {
  const reader = new AnswerReader(options, known)
  for (let tries = 0; ; tries += 1) {
    const before = reader.progress
    try {
      const end = await reader.attempt()
      if (end !== null) return end
    } catch (problem) {
      options.signal.throwIfAborted()
      if (!(problem instanceof ApiError) || !problem.retryable) throw problem
      // Not asked yet: only the network, or a server that restarts, is worth asking the same again.
      if (!reader.opened && problem.status !== 0 && problem.code !== 'unavailable') throw problem
      if (tries >= MAX_TRIES) throw problem
    }
    if (reader.progress > before) tries = 0
    if (tries >= MAX_TRIES) throw new ApiError(0, 'network', 'the answer could not be followed to its end', true)
    options.onLost(true)
    await pause(options.clock, fullJitter(options.clock, tries, BACKOFF_MS, BACKOFF_CAP_MS), options.signal)
  }
}

class AnswerReader {
  /** Counts what came: a try that brings something new starts the count of tries anew. */
  progress = 0
  private answer: string | null
  private text: Grown
  private reasoning: Grown
  private status: AnswerStream['status'] = 'queued'
  private position = 0

  constructor(private readonly options: AnswerOptions, known: Known | null) {
    this.answer = known?.answer ?? null
    this.text = grow(NOTHING, 0, known?.text ?? '') ?? NOTHING
    this.reasoning = grow(NOTHING, 0, known?.reasoning ?? '') ?? NOTHING
  }

  get opened(): boolean {
    return this.answer !== null
  }

  /** One connection, to its end; null: it broke off before the answer ended. */
  async attempt(): Promise<AnswerEnded | null> {
    const { clock, signal } = this.options
    const cut = new AbortController()
    const stop = () => cut.abort(signal.reason)
    signal.throwIfAborted()
    signal.addEventListener('abort', stop)
    const resume = this.answer === null ? null
      : { answer: this.answer, lastEventId: `${this.answer}.${this.text.length}.${this.reasoning.length}` }
    const watchdog = new Watchdog(clock, () => cut.abort(new ApiError(0, 'network', 'the server fell silent', true)))
    try {
      const response = await this.options.open(resume, cut.signal)
      if (response.headers.get('Content-Type')?.includes('json')) {
        const end = (await response.json()) as AnswerEnded
        return end.status === 'queued' || end.status === 'streaming' ? null : end
      }
      if (response.body === null) throw new ApiError(response.status, 'unreadable', 'the answer has no body', true)
      return await this.read(response.body.getReader(), watchdog, cut.signal)
    } catch (problem) {
      signal.throwIfAborted()
      throw problem instanceof ApiError ? problem : new ApiError(0, 'network', 'the connection broke', true)
    } finally {
      watchdog.stop()
      signal.removeEventListener('abort', stop)
      cut.abort()
    }
  }

  private async read(reader: ReadableStreamDefaultReader<Uint8Array>, watchdog: Watchdog, signal: AbortSignal): Promise<AnswerEnded | null> {
    const parser = new SseParser()
    // A body that does not notice the abort is left as well.
    const aborted = new Promise<never>((_, reject) => {
      const leave = () => reject(signal.reason as Error)
      if (signal.aborted) leave()
      else signal.addEventListener('abort', leave, { once: true })
    })
    aborted.catch(() => undefined)
    try {
      for (;;) {
        watchdog.feed()
        const { done, value } = await Promise.race([reader.read(), aborted])
        if (done) return null
        this.options.onLost(false)
        for (const event of parser.push(value)) {
          const outcome = this.take(event)
          if (outcome !== 'more') return outcome
        }
      }
    } finally {
      reader.cancel().catch(() => undefined)
    }
  }

  /** `null`: a piece is missing, the connection has to be made again. */
  private take(event: SseEvent): AnswerEnded | null | 'more' {
    if (event.event === 'open') {
      const opened = JSON.parse(event.data) as AnswerOpened
      if (this.answer === null) this.progress += 1
      this.answer = opened.answer
      this.options.onOpen(opened)
    } else if (event.event === 'delta') {
      return this.grow(JSON.parse(event.data) as Stream) ? 'more' : null
    } else if (event.event === 'end') {
      return JSON.parse(event.data) as AnswerEnded
    }
    return 'more'
  }

  private grow(piece: Stream): boolean {
    const text = grow(this.text, piece.at ?? 0, piece.text ?? '')
    const reasoning = grow(this.reasoning, piece.reasoning_at ?? 0, piece.reasoning ?? '')
    if (text === null || reasoning === null) return false
    const { status, position = 0 } = piece
    if (text !== this.text || reasoning !== this.reasoning || status !== this.status || position !== this.position) this.progress += 1
    Object.assign(this, { text, reasoning, status, position })
    this.options.onGrow({ status, position, text: text.text, reasoning: reasoning.text })
    return true
  }
}

/** Acts when it was not fed for a while. */
class Watchdog {
  private timer: Timer | null = null

  constructor(private readonly clock: Clock, private readonly act: () => void) {
    this.feed()
  }

  feed(): void {
    this.stop()
    this.timer = this.clock.setTimeout(this.act, SILENCE_MS)
  }

  stop(): void {
    if (this.timer !== null) this.clock.clearTimeout(this.timer)
    this.timer = null
  }
}

function pause(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = clock.setTimeout(() => {
      signal.removeEventListener('abort', stop)
      resolve()
    }, ms)
    const stop = () => {
      clock.clearTimeout(timer)
      reject(signal.reason as Error)
    }
    signal.addEventListener('abort', stop, { once: true })
  })
}
