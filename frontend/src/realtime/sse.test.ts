import { describe, expect, it } from 'vitest'
import { ApiError } from '../api/errors'
import type { AnswerEnded, Stream } from '../protocol.gen'
import { type AnswerOptions, readAnswer, type SseEvent, SseParser } from './sse'
import type { AnswerStream } from './state'
import { FakeClock, seeded } from './testing/fakeClock'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const parse = (...chunks: (string | Uint8Array)[]): SseEvent[] => {
  const parser = new SseParser()
  return chunks.flatMap((chunk) => parser.push(typeof chunk === 'string' ? bytes(chunk) : chunk))
}

describe('SseParser', () => {
  it('reads fields, several data lines, and all three line ends', () => {
    expect(parse('id: a.1.0\nevent: delta\ndata: one\ndata: two\n\n')).toEqual([{ id: 'a.1.0', event: 'delta', data: 'one\ntwo' }])
    expect(parse('data: x\r\n\r\ndata:y\r\rdata:  z\n\n').map((each) => each.data)).toEqual(['x', 'y', ' z'])
  })

  it('leaves out comments, unknown fields, events without data and what is cut at the end', () => {
    expect(parse(': heartbeat\n\nevent: ping\n\nretry: 5\nnonsense\ndata: kept\n\ndata: lost')).toEqual([{ id: '', event: 'message', data: 'kept' }])
  })

  it('keeps the last id, not one with NUL, and forgets the event name', () => {
    expect(parse('id: 1\nevent: a\ndata\n\nid: 2\0\ndata: x\n\n')).toEqual([
      { id: '1', event: 'a', data: '' }, { id: '1', event: 'message', data: 'x' },
    ])
  })

  it('takes a byte order mark, and CRLF cut in two, for what they are', () => {
    expect(parse(new Uint8Array([0xef, 0xbb, 0xbf]), 'data: a\r', '\n\r', '\ndata: b\n\n').map((each) => each.data)).toEqual(['a', 'b'])
  })

  it('understands the same however the bytes are cut', () => {
    const chance = seeded(20261123)
    const ends = ['\n', '\r\n', '\r']
    for (let round = 0; round < 300; round += 1) {
      // One kind a round: a CR before an LF would be one end and not two.
      const end = ends[round % 3] as string
      const texts = Array.from({ length: 1 + Math.floor(chance() * 6) }, (_, n) => ['大理古城 ☕', '👨‍👩‍👧 family', 'é', 'plain', '🚄→🏔'][Math.floor(chance() * 5)] + String(n))
      let whole = ''
      for (const text of texts) {
        if (chance() < 0.3) whole += `: 心跳${end}${end}`
        whole += `id: ${text}${end}event: delta${end}data: ${text}${end}data: 二${end}${end}`
      }
      const all = bytes(whole)
      const parser = new SseParser()
      const got: SseEvent[] = []
      for (let at = 0; at < all.length;) {
        const size = 1 + Math.floor(chance() * 7)
        got.push(...parser.push(all.slice(at, at + size)))
        at += size
      }
      expect(got, `round ${round}`).toEqual(texts.map((text) => ({ id: text, event: 'delta', data: `${text}\n二` })))
    }
  })
})

// --- one answer -----------------------------------------------------------------------------

const ended = (text: string): AnswerEnded => ({ answer: 'A', status: 'done', text })
const sse = (event: string, data: object) => `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`
const delta = (piece: Partial<Stream>) => sse('delta', { answer: 'A', status: 'streaming', ...piece })

/** A server that answers each connection from a list; a string chunk is a body, an Error a failure. */
function make(connections: (string[] | Error | Response)[], clock = new FakeClock(() => 0)) {
  const resumes: (string | null)[] = []
  const grown: AnswerStream[] = []
  const lost: boolean[] = []
  const opened: string[] = []
  const abort = new AbortController()
  const options: AnswerOptions = {
    clock, signal: abort.signal,
    open: async (resume) => {
      resumes.push(resume === null ? null : resume.lastEventId)
      const next = connections.shift() ?? new ApiError(404, 'not_found', 'no more', false)
      if (next instanceof Error) throw next
      if (next instanceof Response) return next
      const body = new ReadableStream<Uint8Array>({
        start(controller) {
          for (const chunk of next) controller.enqueue(bytes(chunk))
          controller.close()
        },
      })
      return new Response(body, { headers: { 'Content-Type': 'text/event-stream' } })
    },
    onOpen: (message) => opened.push(message.answer),
    onGrow: (shown) => grown.push(shown),
    onLost: (now) => { if (lost.at(-1) !== now) lost.push(now) },
  }
  /** The clock moves by itself: only the order of what happens matters here. */
  const run = async (known: Parameters<typeof readAnswer>[1] = null) => {
    let over = false
    const result = readAnswer(options, known).finally(() => { over = true })
    result.catch(() => undefined)
    for (let n = 0; n < 2_000 && !over; n += 1) {
      await Promise.resolve()
      if (n % 20 === 19) clock.advance(8_000)
      if (n % 50 === 49) await new Promise((resolve) => setTimeout(resolve))
    }
    return result
  }
  return { run, options, resumes, grown, lost, opened, abort }
}

const network = () => new ApiError(0, 'network', 'gone', true)

describe('readAnswer', () => {
  it('tells what grows, and how it ended', async () => {
    const { run, grown, opened, resumes } = make([[
      sse('open', { answer: 'A', question: 'Q' }), delta({ status: 'queued', position: 2 }),
      delta({ at: 0, text: '大理' }), delta({ at: 2, text: '三天', reasoning_at: 0, reasoning: '想' }), sse('end', ended('大理三天')),
    ]])
    expect(await run()).toEqual(ended('大理三天'))
    expect(opened).toEqual(['A'])
    expect(grown.at(0)).toMatchObject({ status: 'queued', position: 2 })
    expect(grown.at(-1)).toEqual({ status: 'streaming', position: 0, text: '大理三天', reasoning: '想' })
    expect(resumes).toEqual([null])
  })

  it('continues after a cut exactly where it was, in code points', async () => {
    const { run, grown, resumes } = make([
      [sse('open', { answer: 'A' }), delta({ at: 0, text: '🏔️去' }), delta({ at: 3, text: '', reasoning_at: 0, reasoning: '👍🏽' })],
      [sse('open', { answer: 'A' }), delta({ at: 1, text: '️去大理' }), delta({ at: 5, text: '。' }), sse('end', ended('🏔️去大理。'))],
    ])
    await run()
    expect(resumes).toEqual([null, 'A.3.2'])
    expect(grown.at(-1)?.text).toBe('🏔️去大理。')
  })

  it('asks the question again only when no answer was opened', async () => {
    const { run, resumes, lost } = make([network(), [], [sse('open', { answer: 'A' })], network(), [sse('end', ended('x'))]])
    expect((await run()).text).toBe('x')
    expect(resumes).toEqual([null, null, null, 'A.0.0', 'A.0.0'])
    expect(lost).toEqual([true, false, true, false])
  })

  it('asks again when the server restarts, with the same key', async () => {
    const { run, resumes } = make([
      new ApiError(503, 'unavailable', 'this server restarts', true), [sse('open', { answer: 'A' }), sse('end', ended('x'))],
    ])
    expect((await run()).text).toBe('x')
    expect(resumes).toEqual([null, null])
  })

  it('connects again when a piece is missing', async () => {
    const { run, resumes, grown } = make([
      [sse('open', { answer: 'A' }), delta({ at: 0, text: 'ab' }), delta({ at: 5, text: 'late' })],
      [delta({ at: 2, text: 'cde' }), sse('end', ended('abcde'))],
    ])
    await run()
    expect(resumes).toEqual([null, 'A.2.0'])
    expect(grown.map((each) => each.text)).toEqual(['ab', 'abcde'])
  })

  it('goes on with what is known of an answer under way', async () => {
    const { run, resumes, grown } = make([[delta({ at: 2, text: '古城' }), sse('end', ended('大理古城'))]])
    await run({ answer: 'A', text: '大理', reasoning: '' })
    expect(resumes).toEqual(['A.2.0'])
    expect(grown[0]?.text).toBe('大理古城')
  })

  it('does not come back after a refusal', async () => {
    const off = make([new ApiError(503, 'ai_off', 'no key', true)])
    await expect(off.run()).rejects.toMatchObject({ code: 'ai_off' })
    expect(off.resumes).toEqual([null])
    const gone = make([[sse('open', { answer: 'A' })], new ApiError(404, 'not_found', 'deleted', false)])
    await expect(gone.run()).rejects.toMatchObject({ code: 'not_found' })
  })

  it('gives up when connecting brings nothing new', async () => {
    const again = () => [sse('open', { answer: 'A' }), delta({ at: 0, text: 'x' })]
    const { run, resumes } = make([again(), ...Array.from({ length: 40 }, again)])
    await expect(run()).rejects.toMatchObject({ code: 'network' })
    expect(resumes.length).toBeLessThan(15)
  })

  it('leaves a connection that fell silent', async () => {
    const silent = new Response(new ReadableStream(), { headers: { 'Content-Type': 'text/event-stream' } })
    const { run, resumes } = make([[sse('open', { answer: 'A' }), delta({ at: 0, text: 'x' })], silent, [sse('end', ended('xy'))]])
    expect((await run()).text).toBe('xy')
    expect(resumes).toEqual([null, 'A.1.0', 'A.1.0'])
  })

  it('takes a finished answer as JSON, but not one under way', async () => {
    const { run } = make([[sse('open', { answer: 'A' })], Response.json({ answer: 'A', status: 'streaming', text: 'h' }), Response.json(ended('whole'))])
    expect((await run()).text).toBe('whole')
  })

  it('ends when it is told to, also in a pause', async () => {
    const reading = make([new Response(new ReadableStream(), { headers: { 'Content-Type': 'text/event-stream' } })])
    const first = reading.run()
    reading.abort.abort()
    await expect(first).rejects.toMatchObject({ name: 'AbortError' })
    const clock = new FakeClock(() => 1)
    const waiting = make([network()], clock)
    const second = readAnswer(waiting.options)
    second.catch(() => undefined)
    while (waiting.lost.length === 0) await Promise.resolve()
    waiting.abort.abort()
    await expect(second).rejects.toMatchObject({ name: 'AbortError' })
    expect(clock.waiting).toBe(0)
  })
})
