/**
 * A room server in memory that speaks the protocol: order, exactly once, resume, snapshot, undo of
 * plain fields, overwritten values. The network between is a queue each way with a delay, which the
 * test can cut, starve or silence.
 */
import type {
  Change, ClientMessage, Joined, Operation, Overwrite, Person, RoomEvent, ServerMessage, Snapshot, Submit,
} from '../../protocol.gen'
import type { Clock } from '../clock'
import { TripDocument } from '../document'
import { predict } from '../predict'
import { type AnyRecord, keyOf, same, valueOf } from '../records'
import type { WebSocketLike } from '../socket'
import { FakeProposals, isDecision } from './fakeProposals'
import { FakeTalk, isTalk } from './fakeTalk'

interface Refusal {
  code: string
  retryable: boolean
  details?: Record<string, unknown>
}

export class FakeServer {
  epoch = 'e1'
  seq = 0
  resumeLimit = 50
  pingIntervalMs = 20_000
  /** One way, in milliseconds. */
  delay: () => number = () => 5
  /** Asked before each operation: a refusal, or null to go on. */
  refuse: (submit: Submit) => Refusal | null = () => null
  /** Called with each frame about to be sent; false loses it. */
  pass: (message: ServerMessage) => boolean = () => true
  readonly log: RoomEvent[] = []
  readonly received: ClientMessage[] = []
  readonly sockets = new Set<FakeSocket>()
  connects = 0
  readonly proposals = new FakeProposals(this)
  readonly talk = new FakeTalk(this)
  /** Connections fail while true. */
  down = false
  private document = new TripDocument()
  private done = new Map<string, number>()
  private stamps = new Map<string, { seq: number; actor: string }>()

  constructor(
    readonly clock: Clock,
    snapshot: Snapshot,
  ) {
    this.document.reset(snapshot)
  }

  /** What a browser of `user` calls to open a socket. */
  opener(user: string): (url: string) => WebSocketLike {
    return () => {
      this.connects += 1
      return new FakeSocket(this, user)
    }
  }

  snapshot(): Snapshot {
    return structuredClone(this.document.snapshot() as Snapshot)
  }

  /** A new log, as after a restored backup. */
  restore(snapshot: Snapshot, epoch: string): void {
    this.document = new TripDocument()
    this.document.reset(snapshot)
    this.epoch = epoch
    this.seq = 0
    this.log.length = 0
    this.done.clear()
    this.stamps.clear()
    for (const socket of [...this.sockets]) socket.cut(1012, 'restart')
  }

  // --- the room -----------------------------------------------------------------------------

  /** Commit an operation as `actor` and tell everybody. Throws a refusal's code. */
  apply(actor: string, op: Operation, opId = `srv-${this.seq + 1}-${actor}`, base = this.seq): RoomEvent {
    if (isDecision(op)) return this.proposals.apply(actor, op, opId, base)
    if (isTalk(op)) return this.talk.apply(actor, op, opId)
    const undone = op.kind === 'undo' ? this.log.find((event) => event.seq === op.seq) : undefined
    const changes = op.kind === 'undo' ? this.invert(undone, actor) : this.decide(op, actor)
    const event: RoomEvent = {
      seq: this.seq + 1, op_id: opId, actor, at: new Date(this.clock.now()).toISOString(), kind: op.kind, changes,
    }
    if (undone !== undefined) event.undoes = undone.seq
    const overwrote = op.kind === 'undo' ? [] : this.overwritten(changes, actor, base)
    if (overwrote.length > 0) event.overwrote = overwrote
    this.commit(event)
    return event
  }

  handle(from: FakeSocket, message: ClientMessage): void {
    this.received.push(message)
    switch (message.t) {
      case 'join':
        this.join(from, message.epoch ?? null, message.since ?? null)
        break
      case 'submit':
        this.submit(from, message)
        break
      case 'ping':
        from.tell({ t: 'pong', seq: this.seq })
        break
      case 'presence':
        from.person = { ...from.person, looking: message.looking ?? null, editing: message.editing ?? null, typing: message.typing ?? false }
        this.broadcast({ t: 'people', put: [from.person] })
        break
      case 'read':
        this.talk.read(from.user, message.seq)
        break
      case 'cursor': {
        const { t: _, ...pointer } = message
        this.broadcast({ t: 'cursors', cursors: [{ session: from.person.session, ...pointer }] })
        break
      }
    }
  }

  leave(socket: FakeSocket): void {
    if (this.sockets.delete(socket)) this.broadcast({ t: 'people', gone: [socket.person.session] })
  }

  broadcast(message: ServerMessage): void {
    for (const socket of this.sockets) socket.tell(message)
  }

  submitsOf(opId: string): number {
    return this.received.filter((message) => message.t === 'submit' && message.op_id === opId).length
  }

  private join(from: FakeSocket, epoch: string | null, since: number | null): void {
    const fresh = !this.sockets.has(from)
    this.sockets.add(from)
    const recovered = epoch === this.epoch && since !== null && since <= this.seq && this.seq - since <= this.resumeLimit
    const answer: Joined = {
      t: 'joined', v: 1, room: 'trip', epoch: this.epoch, seq: this.seq, recovered, session: from.person.session,
      user: from.user, role: 'owner', color: 0, people: [...this.sockets].map((socket) => socket.person),
      ping_interval_ms: this.pingIntervalMs,
    }
    if (recovered) answer.events = this.log.filter((event) => event.seq > (since as number))
    else answer.snapshot = this.snapshot()
    from.tell(answer)
    if (fresh) this.broadcast({ t: 'people', put: [from.person] })
  }

  private submit(from: FakeSocket, message: Submit): void {
    const seen = this.done.get(message.op_id)
    if (seen !== undefined) {
      from.tell({ t: 'ack', op_id: message.op_id, seq: seen })
      return
    }
    const refusal = this.refuse(message)
    if (refusal !== null) {
      from.tell({ t: 'rejected', op_id: message.op_id, message: refusal.code, ...refusal })
      return
    }
    try {
      this.apply(from.user, message.op, message.op_id, message.base)
    } catch (error) {
      const code = (error as Error).message
      from.tell({ t: 'rejected', op_id: message.op_id, code, message: `refused: ${code}` })
    }
  }

  commit(event: RoomEvent): void {
    this.seq = event.seq
    this.log.push(structuredClone(event))
    this.done.set(event.op_id, event.seq)
    this.document.applyEvent(structuredClone(event))
    for (const change of event.changes) {
      for (const field of Object.keys(change.set)) {
        this.stamps.set(`${change.t}:${change.id}:${field}`, { seq: event.seq, actor: event.actor })
      }
    }
    this.broadcast({ t: 'events', epoch: this.epoch, events: [event] })
  }

  decide(op: Operation, actor: string): Change[] {
    const { document } = this
    if (op.kind === 'stop.add' && document.stop(op.id) !== null) throw new Error('exists')
    if ((op.kind === 'stop.add' || op.kind === 'stop.move') && op.day != null) this.needLive(document.day(op.day))
    if (op.kind === 'stop.set_fields' || op.kind === 'stop.remove') this.needLive(document.stop(op.id))
    if (op.kind === 'stop.restore' && document.stop(op.id) === null) throw new Error('not_found')
    if (op.kind === 'day.set_fields' || op.kind === 'day.remove' || op.kind === 'day.move') this.needLive(document.day(op.id))
    if (op.kind === 'stop.move' && op.ids.every((id) => document.stop(id)?.deleted !== false)) throw new Error('gone')
    return predict(document, op, actor).map((change) => this.withOld(change))
  }

  private needLive(record: AnyRecord | null): void {
    if (record === null) throw new Error('not_found')
    if (record.deleted) throw new Error('gone')
  }

  private withOld(change: Change): Change {
    const record = this.document.record(keyOf(change.t, change.id))
    if (change.new || record === null) return { ...change, old: { deleted: true } }
    const old = Object.fromEntries(Object.keys(change.set).map((field) => [field, valueOf(record, field)]))
    return { ...change, old }
  }

  private overwritten(changes: readonly Change[], actor: string, base: number): Overwrite[] {
    return changes.flatMap((change) => change.new ? [] : Object.entries(change.old ?? {}).flatMap(([field, value]) => {
      const stamp = this.stamps.get(`${change.t}:${change.id}:${field}`)
      if (stamp === undefined || field === 'pos' || stamp.seq <= base || stamp.actor === actor) return []
      return [{ t: change.t, id: change.id, field, value, by: stamp.actor, seq: stamp.seq }]
    }))
  }

  private invert(target: RoomEvent | undefined, actor: string): Change[] {
    if (target === undefined) throw new Error('not_found')
    if (target.actor !== actor) throw new Error('forbidden')
    const changes = target.changes.flatMap((change): Change[] => {
      const back = Object.entries(change.old ?? {}).filter(([field]) => {
        const stamp = this.stamps.get(`${change.t}:${change.id}:${field}`)
        if (stamp?.seq === target.seq) return true
        // One's own later undo may have brought this event's value back.
        const record = this.document.record(keyOf(change.t, change.id))
        return stamp?.actor === actor && record !== null && same(valueOf(record, field), change.set[field])
      })
      if (back.length === 0) return []
      return [this.withOld(this.complete({ t: change.t, id: change.id, set: Object.fromEntries(back) }))]
    })
    if (changes.length === 0) throw new Error('changed_since')
    return changes
  }

  /** A record that comes back may be unknown to those who joined meanwhile: all of it is told. */
  private complete(change: Change): Change {
    const record = this.document.record(keyOf(change.t, change.id))
    if (change.set['deleted'] !== false || record === null) return change
    const { id: _, ...fields } = record
    return { ...change, set: { ...fields, ...change.set }, new: true }
  }

  /** Whether a client's visible records are exactly the room's. */
  differences(seen: Snapshot): string[] {
    const mine = this.snapshot()
    const problems: string[] = []
    for (const part of ['days', 'stops', 'members'] as const) {
      const theirs = new Map<string, AnyRecord>(seen[part].map((record) => [record.id, record]))
      for (const record of mine[part]) {
        if (!same(record, theirs.get(record.id) ?? null)) problems.push(`${part}:${record.id}`)
        theirs.delete(record.id)
      }
      for (const id of theirs.keys()) problems.push(`${part}:${id} is not in the room`)
    }
    if (!same(mine.trip, seen.trip)) problems.push('trip')
    return problems
  }
}

let sessions = 0

export class FakeSocket implements WebSocketLike {
  readyState = 0
  bufferedAmount = 0
  onopen: ((event: never) => void) | null = null
  onmessage: ((event: { data: unknown }) => void) | null = null
  onclose: ((event: { code: number; reason: string }) => void) | null = null
  onerror: ((event: never) => void) | null = null
  person: Person
  closedWith: number | null = null
  /** Half-open: nothing arrives any more, and nobody is told. */
  silent = false
  private upAt = 0
  private downAt = 0

  constructor(
    private readonly server: FakeServer,
    readonly user: string,
  ) {
    this.person = { session: `s${++sessions}`, user, name: user, color: 0, role: 'owner' }
    this.later('down', () => {
      if (server.down) this.end(1006, '')
      else if (this.readyState === 0) {
        this.readyState = 1
        this.onopen?.(undefined as never)
      }
    })
  }

  send(data: string): void {
    if (this.readyState !== 1) throw new Error('not open')
    const message = JSON.parse(data) as ClientMessage
    this.later('up', () => this.server.handle(this, message))
  }

  close(code = 1005): void {
    if (this.closedWith === null) this.closedWith = code
    this.end(code, '')
  }

  tell(message: ServerMessage): void {
    if (!this.server.pass(message)) return
    const data = JSON.stringify(message)
    this.later('down', () => this.onmessage?.({ data }))
  }

  /** The server closes, politely. */
  cut(code: number, reason: string, closing?: { resume: boolean; retryAfterMs: number }): void {
    if (closing !== undefined) {
      this.tell({ t: 'closing', code, reason, resume: closing.resume, retry_after_ms: closing.retryAfterMs })
    }
    this.later('down', () => this.end(code, reason))
    this.server.leave(this)
  }

  /** The network breaks: what is under way is lost, both ways. */
  break(): void {
    this.end(1006, '')
  }

  private end(code: number, reason: string): void {
    if (this.readyState === 3) return
    this.readyState = 3
    this.server.leave(this)
    this.onclose?.({ code, reason })
  }

  /** Frames of one direction never overtake each other. */
  private later(way: 'up' | 'down', act: () => void): void {
    const { clock, delay } = this.server
    const key = way === 'up' ? 'upAt' : 'downAt'
    this[key] = Math.max(this[key], clock.now() + delay())
    clock.setTimeout(() => {
      if (this.readyState !== 3 && !this.silent) act()
    }, this[key] - clock.now())
  }
}
