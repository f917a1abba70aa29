/**
 * One WebSocket that comes back: connect, heartbeat, reconnect, and the honest state of all that.
 *
 * Knows frames only as JSON with a tag; what they mean is the room client's business, which sends
 * `join` in `onOpen` and calls `joined()` when the room answered. Comes back after every cut that
 * the close table (or the server's `closing`) allows, and never after the others.
 */
import { CLOSE, CLOSE_CODES, type ClientMessage, type ServerMessage } from '../protocol.gen'
import { type Clock, type Timer, fullJitter } from './clock'
import type { ConnectionState } from './state'

const BACKOFF_BASE_MS = 500
const BACKOFF_CAP_MS = 20_000
/** A connection that lasted this long starts the backoff anew. */
const STABLE_MS = 10_000
/** Connecting and joining each. */
const ANSWER_MS = 10_000
/** How long after a ping anything at all must have arrived. */
const PONG_MS = 10_000
const DEFAULT_PING_MS = 20_000
/** A planned restart that is over before this is nothing that anybody has to be told. */
export const RESTART_MS = 2_000
/** The browser says offline, but may be wrong: look now and then. */
const OFFLINE_PROBE_MS = 30_000

/** The part of a browser's WebSocket that is used. */
export interface WebSocketLike {
  readyState: number
  bufferedAmount: number
  onopen: ((event: never) => void) | null
  onmessage: ((event: { data: unknown }) => void) | null
  onclose: ((event: { code: number; reason: string }) => void) | null
  onerror: ((event: never) => void) | null
  send(data: string): void
  close(code?: number, reason?: string): void
}

/** What the browser tells: `online`, `offline`, and being looked at again. */
export interface Surroundings {
  isOnline(): boolean
  isVisible(): boolean
  listen(callback: (what: 'online' | 'offline' | 'visible' | 'hidden') => void): () => void
}

export interface SocketOptions {
  url: string
  open: (url: string) => WebSocketLike
  clock: Clock
  surroundings: Surroundings
  onOpen(): void
  onMessage(message: ServerMessage): void
  onState(state: SocketState): void
  /** Last applied seq, for the heartbeat. */
  seq(): number
}

export interface SocketState {
  state: ConnectionState
  code: number | null
  reason: string
  retryAt: number | null
  /** `reconnecting` because of a planned restart, and not for longer than such a thing takes. */
  restarting: boolean
}

/** Whether a cut with this code is to be followed by a new attempt. */
export function mayResume(code: number): boolean {
  const row = CLOSE_CODES[code]
  if (row !== undefined) return row.resume
  return code < 4400 || code > 4999
}

export class RoomSocket {
  private socket: WebSocketLike | null = null
  private current: SocketState = { state: 'connecting', code: null, reason: '', retryAt: null, restarting: false }
  private attempt = 0
  private wasLive = false
  private liveSince: number | null = null
  private lastHeard = 0
  private pingMs = DEFAULT_PING_MS
  private retryTimer: Timer | null = null
  private answerTimer: Timer | null = null
  private pingTimer: Timer | null = null
  private pongTimer: Timer | null = null
  private restartTimer: Timer | null = null
  private unlisten: (() => void) | null = null

  constructor(private readonly options: SocketOptions) {}

  get state(): SocketState {
    return this.current
  }

  get isLive(): boolean {
    return this.current.state === 'live'
  }

  /** Bytes that the browser could not pass on yet. */
  get backlog(): number {
    return this.socket?.bufferedAmount ?? 0
  }

  /** Connect, or, after `closed`, try once more (signed in again, invited again). */
  start(): void {
    if (this.socket !== null || this.retryTimer !== null) return
    this.unlisten ??= this.options.surroundings.listen((what) => this.onSurroundings(what))
    if (this.options.surroundings.isOnline()) this.connect()
    else this.goOffline()
  }

  /** Leave for good, politely. */
  stop(): void {
    this.unlisten?.()
    this.unlisten = null
    this.clear('retryTimer')
    this.drop(CLOSE.NORMAL)
    this.say({ state: 'closed', code: CLOSE.NORMAL, reason: 'left', retryAt: null })
  }

  /** False when it could not be sent: not connected. */
  send(message: ClientMessage): boolean {
    if (this.socket === null || this.socket.readyState !== 1) return false
    this.socket.send(JSON.stringify(message))
    return true
  }

  /** The room answered `join`: heartbeats start, and this counts as live. */
  joined(pingIntervalMs: number): void {
    this.clear('answerTimer')
    this.pingMs = Math.max(1_000, pingIntervalMs || DEFAULT_PING_MS)
    this.wasLive = true
    this.liveSince ??= this.options.clock.now()
    this.say({ state: 'live', code: null, reason: '', retryAt: null })
    this.schedulePing()
  }

  /** Expect an answer to a `join` that was just sent; without one the connection is given up. */
  expectJoined(): void {
    this.clear('answerTimer')
    this.answerTimer = this.options.clock.setTimeout(() => this.cut(CLOSE.HEARTBEAT_LOST, 'no answer'), ANSWER_MS)
  }

  /** Give this connection up and make another. */
  cut(code: number, reason: string): void {
    if (this.socket === null) return
    this.drop(code)
    this.retry(code, reason, null)
  }

  // --- connecting ---------------------------------------------------------------------------

  private connect(): void {
    this.clear('retryTimer')
    const { open, url } = this.options
    this.say({ ...this.current, state: this.wasLive ? 'reconnecting' : 'connecting', retryAt: null })
    let socket: WebSocketLike
    try {
      socket = open(url)
    } catch {
      this.retry(1006, 'cannot connect', null)
      return
    }
    this.socket = socket
    this.expectJoined()
    socket.onopen = () => {
      this.lastHeard = this.options.clock.now()
      this.expectJoined()
      this.options.onOpen()
    }
    socket.onmessage = (event) => this.onFrame(event.data)
    socket.onclose = (event) => this.onClose(event.code, event.reason)
    // An error is always followed by a close, which says all that can be known.
    socket.onerror = () => undefined
  }

  private onFrame(data: unknown): void {
    this.lastHeard = this.options.clock.now()
    this.clear('pongTimer')
    let message: ServerMessage
    try {
      message = JSON.parse(String(data)) as ServerMessage
    } catch {
      this.cut(CLOSE.RESYNC, 'unreadable frame')
      return
    }
    if (message.t === 'closing') {
      this.drop(CLOSE.NORMAL)
      this.after(message.code, message.reason, message.resume, message.retry_after_ms ?? 0)
      return
    }
    this.options.onMessage(message)
  }

  private onClose(code: number, reason: string): void {
    this.drop(null)
    this.after(code, reason, mayResume(code), null)
  }

  private after(code: number, reason: string, resume: boolean, retryAfterMs: number | null): void {
    if (resume) {
      this.retry(code, reason, retryAfterMs)
      return
    }
    this.say({ state: 'closed', code, reason, retryAt: null })
  }

  /** `retryAfterMs` is the server's wish; it is followed at first, then the backoff takes over. */
  private retry(code: number, reason: string, retryAfterMs: number | null): void {
    const { clock, surroundings } = this.options
    if (code === CLOSE.RESTART && this.isLive) this.expectRestart()
    if (this.liveSince !== null && clock.now() - this.liveSince >= STABLE_MS) this.attempt = 0
    this.liveSince = null
    if (!surroundings.isOnline()) {
      this.goOffline(code, reason)
      return
    }
    const jitter = fullJitter(clock, this.attempt, BACKOFF_BASE_MS, BACKOFF_CAP_MS)
    const delay = retryAfterMs === null ? jitter : retryAfterMs + (this.attempt === 0 ? 0 : jitter)
    this.attempt += 1
    const state = this.wasLive ? 'reconnecting' : 'connecting'
    this.say({ state, code, reason, retryAt: clock.now() + delay })
    this.clear('retryTimer')
    this.retryTimer = clock.setTimeout(() => this.connect(), delay)
  }

  private goOffline(code: number | null = null, reason = ''): void {
    this.liveSince = null
    this.say({ state: 'offline', code, reason, retryAt: null })
    this.clear('retryTimer')
    this.retryTimer = this.options.clock.setTimeout(() => this.connect(), OFFLINE_PROBE_MS)
  }

  private onSurroundings(what: 'online' | 'offline' | 'visible' | 'hidden'): void {
    if (this.current.state === 'closed') return
    if (what === 'offline') {
      this.drop(CLOSE.NORMAL)
      this.goOffline()
    } else if (what === 'online' || what === 'visible') {
      if (this.retryTimer !== null && this.options.surroundings.isOnline()) this.connect()
      else if (this.isLive) this.ping()
    }
  }

  // --- heartbeat ----------------------------------------------------------------------------

  private schedulePing(): void {
    this.clear('pingTimer')
    this.pingTimer = this.options.clock.setTimeout(() => {
      this.ping()
      this.schedulePing()
    }, this.pingMs)
  }

  private ping(): void {
    const sentAt = this.options.clock.now()
    if (!this.send({ t: 'ping', seq: this.options.seq() })) return
    if (this.pongTimer !== null) return
    this.pongTimer = this.options.clock.setTimeout(() => {
      this.pongTimer = null
      if (this.lastHeard <= sentAt) this.cut(CLOSE.HEARTBEAT_LOST, 'heartbeat lost')
    }, PONG_MS)
  }

  // --- pieces -------------------------------------------------------------------------------

  /** Forget the socket; late events of it are not heard. */
  private drop(code: number | null): void {
    for (const timer of ['answerTimer', 'pingTimer', 'pongTimer'] as const) this.clear(timer)
    const socket = this.socket
    this.socket = null
    if (socket === null) return
    socket.onopen = socket.onmessage = socket.onclose = null
    if (code === null) return
    try {
      socket.close(code)
    } catch {
      // A socket that is still connecting may refuse a code: it is forgotten all the same.
    }
  }

  private clear(timer: 'retryTimer' | 'answerTimer' | 'pingTimer' | 'pongTimer' | 'restartTimer'): void {
    if (this[timer] !== null) this.options.clock.clearTimeout(this[timer])
    this[timer] = null
  }

  private expectRestart(): void {
    this.clear('restartTimer')
    this.restartTimer = this.options.clock.setTimeout(() => {
      this.restartTimer = null
      this.say(this.current)
    }, RESTART_MS)
  }

  private say(state: Omit<SocketState, 'restarting'>): void {
    if (state.state !== 'reconnecting') this.clear('restartTimer')
    this.current = { ...state, restarting: this.restartTimer !== null }
    this.options.onState(this.current)
  }
}
