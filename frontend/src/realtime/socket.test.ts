import { describe, expect, it } from 'vitest'
import { CLOSE, CLOSE_CODES, type ServerMessage } from '../protocol.gen'
import { fullJitter } from './clock'
import { mayResume, RESTART_MS, RoomSocket, type SocketState, type WebSocketLike } from './socket'
import { FakeClock } from './testing/fakeClock'
import { FakeSurroundings } from './testing/fakeSurroundings'

class Wire implements WebSocketLike {
  readyState = 0
  bufferedAmount = 0
  onopen: ((event: never) => void) | null = null
  onmessage: ((event: { data: unknown }) => void) | null = null
  onclose: ((event: { code: number; reason: string }) => void) | null = null
  onerror = null
  sent: string[] = []
  closedWith: number | undefined
  send(data: string): void {
    this.sent.push(data)
  }
  close(code?: number): void {
    this.closedWith = code
    this.readyState = 3
  }
  opened(): void {
    this.readyState = 1
    this.onopen?.(undefined as never)
  }
  got(message: ServerMessage): void {
    this.onmessage?.({ data: JSON.stringify(message) })
  }
}

function make(chance = () => 0.5) {
  const clock = new FakeClock(chance)
  const surroundings = new FakeSurroundings()
  const wires: Wire[] = []
  const states: SocketState[] = []
  const socket: RoomSocket = new RoomSocket({
    url: 'ws://test', clock, surroundings,
    open: () => {
      const wire = new Wire()
      wires.push(wire)
      return wire
    },
    onOpen: () => undefined,
    onMessage: (message) => message.t === 'joined' && socket.joined(message.ping_interval_ms),
    onState: (state) => states.push(state),
    seq: () => 7,
  })
  const last = () => wires.at(-1) as Wire
  const live = () => {
    last().opened()
    last().got({ t: 'joined', ping_interval_ms: 20_000 } as ServerMessage)
  }
  socket.start()
  return { clock, surroundings, wires, states, socket, last, live }
}

describe('close codes', () => {
  it.each(Object.entries(CLOSE_CODES))('%s: comes back exactly when the table allows it', (code, row) => {
    const { clock, wires, last, live, socket } = make()
    live()
    last().onclose?.({ code: Number(code), reason: row.reason })
    clock.advance(10 * 60_000)
    expect(wires.length > 1).toBe(row.resume)
    if (!row.resume) expect(socket.state).toMatchObject({ state: 'closed', code: Number(code) })
  })

  it('comes back after codes that the network or a proxy makes', () => {
    for (const code of [1001, 1005, 1006, 1011, 1013, 4123]) expect(mayResume(code)).toBe(true)
    expect(mayResume(4499)).toBe(false)
  })

  it('stays closed whatever the browser says, until it is asked to start again', () => {
    const { clock, surroundings, wires, last, live, socket } = make()
    live()
    last().onclose?.({ code: CLOSE.FORBIDDEN, reason: 'no access' })
    surroundings.say('offline')
    surroundings.say('online')
    surroundings.say('visible')
    clock.advance(600_000)
    expect(wires).toHaveLength(1)
    socket.start()
    expect(wires).toHaveLength(2)
  })
})

describe('coming back', () => {
  it('waits with full jitter, doubling up to a cap', () => {
    const clock = new FakeClock(() => 0.999_999)
    const waits = [0, 1, 2, 3, 10, 100].map((attempt) => Math.round(fullJitter(clock, attempt, 500, 20_000)))
    expect(waits).toEqual([500, 1_000, 2_000, 4_000, 20_000, 20_000])
    expect(fullJitter(new FakeClock(() => 0), 9, 500, 20_000)).toBe(0)
  })

  it('backs off while every attempt fails', () => {
    const { clock, wires, last, socket } = make(() => 0.999_999)
    const waits: number[] = []
    for (let n = 0; n < 5; n += 1) {
      last().onclose?.({ code: 1006, reason: '' })
      const at = socket.state.retryAt as number
      waits.push(Math.round(at - clock.now()))
      clock.advance(at - clock.now() + 1)
      expect(wires).toHaveLength(n + 2)
    }
    expect(waits).toEqual([500, 1_000, 2_000, 4_000, 8_000])
  })

  it('starts the backoff anew only after a connection that lasted', () => {
    const { clock, last, live, socket } = make(() => 0.999_999)
    const cutAndWait = () => {
      last().onclose?.({ code: 4000, reason: 'slow' })
      const wait = (socket.state.retryAt as number) - clock.now()
      clock.advance(wait + 1)
      return Math.round(wait)
    }
    live()
    expect(cutAndWait()).toBe(500)
    live()
    expect(cutAndWait()).toBe(1_000)
    live()
    clock.advance(10_000)
    expect(cutAndWait()).toBe(500)
  })

  it('follows the time that `closing` names', () => {
    const { clock, wires, last, live, socket } = make()
    live()
    last().got({ t: 'closing', code: 1012, reason: 'restart', resume: true, retry_after_ms: 3_000 })
    expect(socket.state).toMatchObject({ state: 'reconnecting', code: 1012, retryAt: clock.now() + 3_000 })
    clock.advance(2_999)
    expect(wires).toHaveLength(1)
    clock.advance(1)
    expect(wires).toHaveLength(2)
  })

  it('does not come back when `closing` says so', () => {
    const { clock, wires, last, live, socket } = make()
    live()
    last().got({ t: 'closing', code: 4401, reason: 'sign in', resume: false })
    clock.advance(600_000)
    expect(wires).toHaveLength(1)
    expect(socket.state).toMatchObject({ state: 'closed', code: 4401, reason: 'sign in' })
  })

  it('gives up a connection that is never answered', () => {
    const { clock, wires, last } = make(() => 0)
    clock.advance(10_000)
    expect(wires).toHaveLength(2)
    last().opened()
    clock.advance(10_000)
    expect(wires).toHaveLength(3)
  })

  it('does not hear a socket that it gave up', () => {
    const { clock, wires, socket } = make(() => 0)
    const old = wires[0] as Wire
    clock.advance(10_000)
    old.opened()
    old.got({ t: 'joined', ping_interval_ms: 1 } as ServerMessage)
    expect(socket.state.state).toBe('connecting')
  })
})

describe('heartbeat', () => {
  it('pings at the interval that the server named, with the last applied seq', () => {
    const { clock, last, live } = make()
    live()
    clock.advance(20_000)
    expect(last().sent).toEqual(['{"t":"ping","seq":7}'])
    last().got({ t: 'pong', seq: 7 })
    clock.advance(20_000)
    expect(last().sent).toHaveLength(2)
  })

  it('gives up a half-open connection and comes back', () => {
    const { clock, wires, live, last } = make(() => 0)
    live()
    clock.advance(30_000)
    expect((wires[0] as Wire).closedWith).toBe(CLOSE.HEARTBEAT_LOST)
    expect(wires).toHaveLength(2)
    live()
    clock.advance(20_000)
    last().got({ t: 'head', seq: 1 })
    clock.advance(10_000)
    expect(wires).toHaveLength(2)
  })

  it('looks at once when the page is seen again', () => {
    const { surroundings, last, live } = make()
    live()
    surroundings.say('visible')
    expect(last().sent).toHaveLength(1)
  })
})

describe('a planned restart', () => {
  const restart = (ms: number) => ({ t: 'closing', code: CLOSE.RESTART, reason: 'restart', resume: true, retry_after_ms: ms }) as ServerMessage

  it('is not worth a word while it is short, failed attempts included', () => {
    const { clock, wires, states, socket, live, last } = make(() => 0)
    live()
    last().got(restart(500))
    expect(socket.state).toMatchObject({ state: 'reconnecting', code: CLOSE.RESTART, restarting: true })
    clock.advance(500)
    last().onclose?.({ code: 1006, reason: '' })
    expect(socket.state).toMatchObject({ state: 'reconnecting', code: 1006, restarting: true })
    clock.advance(RESTART_MS - 501)
    expect(socket.state.restarting).toBe(true)
    live()
    expect(socket.state).toMatchObject({ state: 'live', restarting: false })
    const told = states.length
    clock.advance(RESTART_MS)
    expect(states.slice(told)).toEqual([])
    expect(wires.length).toBeGreaterThan(1)
  })

  it('is told as soon as it takes longer', () => {
    const { clock, states, socket, live, last } = make()
    live()
    last().got(restart(60_000))
    clock.advance(RESTART_MS)
    expect(socket.state).toMatchObject({ state: 'reconnecting', code: CLOSE.RESTART, restarting: false })
    expect(states.at(-1)).toBe(socket.state)
  })

  it('covers up nothing else: no network, no other cut, no first connection', () => {
    const { socket, last } = make()
    last().got(restart(0))
    expect(socket.state).toMatchObject({ state: 'connecting', restarting: false })
    const other = make()
    other.live()
    other.last().onclose?.({ code: 1006, reason: '' })
    expect(other.socket.state).toMatchObject({ state: 'reconnecting', restarting: false })
    const third = make()
    third.live()
    third.last().got(restart(100))
    third.surroundings.say('offline')
    expect(third.socket.state).toMatchObject({ state: 'offline', restarting: false })
    third.surroundings.say('online')
    expect(third.socket.state).toMatchObject({ state: 'reconnecting', restarting: false })
  })
})

describe('offline', () => {
  it('says so, waits, and connects when the browser is back', () => {
    const { surroundings, wires, live, socket } = make()
    live()
    surroundings.say('offline')
    expect(socket.state.state).toBe('offline')
    expect(wires).toHaveLength(1)
    surroundings.say('online')
    expect(wires).toHaveLength(2)
    expect(socket.state.state).toBe('reconnecting')
  })

  it('looks now and then, because browsers are wrong about it', () => {
    const { clock, surroundings, wires, live, socket } = make()
    live()
    surroundings.say('offline')
    clock.advance(30_000)
    expect(wires).toHaveLength(2)
    live()
    expect(socket.state.state).toBe('live')
  })

  it('leaves for good', () => {
    const { clock, surroundings, wires, live, socket, last } = make()
    live()
    socket.stop()
    expect(last().closedWith).toBe(1000)
    surroundings.say('online')
    clock.advance(600_000)
    expect(wires).toHaveLength(1)
    expect(clock.waiting).toBe(0)
  })
})
