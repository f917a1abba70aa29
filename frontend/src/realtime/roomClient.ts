/**
 * One trip room, seen from one tab: joins and stays joined, applies what happened, sends what the
 * user does, and tells the store what changed.
 *
 * Wires the parts of this folder together and decides nothing that they own: `RoomSocket` (the
 * connection), `RoomLog` (order), `TripDocument` (state), `OwnOperations` (what is done here),
 * `Conflicts`, `Glows`, `People`, `TalkStore`, `Review` (proposals). Created by the store; free of React.
 */
import {
  CLOSE, type ClientMessage, type Joined, type MoveCursor, type Operation, type RoomEvent, type ServerMessage, type SetPresence,
  VERSION,
} from '../protocol.gen'
import { type Clock, type Timer, within } from './clock'
import { Conflicts } from './conflicts'
import { TripDocument } from './document'
import { Glows } from './glow'
import { type DraftStorage, noDraftStorage } from './draft'
import { newClientId, newOpId } from './ids'
import { RoomLog } from './log'
import type { SetFields } from './operations'
import type { Pending } from './outbox'
import { OwnOperations } from './ownOperations'
import { OwnPresence, People } from './presence'
import type { ProposalOptions } from './proposals'
import { Review } from './review'
import { RoomSocket, type Surroundings, type WebSocketLike } from './socket'
import type { Connection, Me, RoomState } from './state'
import type { CachedRoom, RoomStorage } from './storage'
import { TalkStore, type TalkSource } from './talk'
import { Teller } from './teller'

const LOAD_MS = 1_500
const SAVE_MS = 2_000
/** Closed for these: the copy on the device is not this account's to see any more. */
const FORGET: ReadonlySet<number> = new Set([CLOSE.FORBIDDEN, CLOSE.NOT_FOUND])

export interface RoomClientOptions {
  tripId: string
  /** Null: nobody is signed in (a public trip). */
  userId: string | null
  url: string
  openSocket: (url: string) => WebSocketLike
  clock: Clock
  surroundings: Surroundings
  storage: RoomStorage
  /** Where pages of talk come from; without one there is only what is said from now on. */
  talk?: TalkSource
  /** Where proposals come from that were made before this page joined. */
  proposals?: NonNullable<ProposalOptions['source']>
  /** Where the draft of suggest mode outlives the page. */
  drafts?: DraftStorage
  /** What changed; called synchronously, once for each thing that happens. */
  onUpdate(update: Partial<RoomState>): void
  clientId?: string
}

export class RoomClient {
  /** What members say: pages, read marks, and who listens to proposals. */
  readonly talk: TalkStore
  /** Proposals, and the draft of suggest mode. */
  readonly review: Review
  private readonly clientId: string
  private readonly document = new TripDocument()
  private readonly people = new People()
  private readonly log: RoomLog
  private readonly own: OwnOperations
  private readonly socket: RoomSocket
  private readonly conflicts: Conflicts
  private readonly glows: Glows
  private readonly presence: OwnPresence
  private readonly teller: Teller
  private me: Me
  private status: RoomState['status'] = 'loading'
  private fromCache = false
  private joining = false
  /** The next `joined` has to bring a snapshot: our state cannot be continued. */
  private askSnapshot = false
  private started = false
  private stopped = false
  /** The device keeps no copy: this account may not see the room. */
  private forgotten = false
  private saveTimer: Timer | null = null

  constructor(private readonly options: RoomClientOptions) {
    const { clock, surroundings, storage } = options
    this.clientId = options.clientId ?? newClientId()
    this.me = { user: options.userId, session: null, role: null, color: 0 }
    this.teller = new Teller(options.onUpdate)
    this.log = new RoomLog({ clock, onEvent: (event) => this.onEvent(event), onMissing: () => this.join() })
    this.socket = new RoomSocket({
      url: options.url, open: options.openSocket, clock, surroundings,
      onOpen: () => {
        this.joining = false
        this.join()
      },
      onMessage: (message) => this.onMessage(message),
      onState: () => this.onConnection(),
      seq: () => this.log.seq,
    })
    const resubmit = (op: Operation) => void this.submit(op)
    this.conflicts = new Conflicts({ submit: resubmit, onChange: () => this.flush(), now: () => clock.now() })
    this.own = new OwnOperations({
      clock, document: this.document, storage, resubmit,
      send: (message) => this.socket.send(message),
      canSend: () => this.socket.isLive,
      seq: () => this.log.seq,
      me: () => this.me.user,
      onPredicted: () => this.review.draft.touch(),
      onRefused: (pending, code, details) => this.review.rejected(pending, code, details),
      onChange: () => this.flush(),
    })
    this.glows = new Glows(clock, () => this.flush())
    this.talk = new TalkStore({
      clock, source: options.talk ?? null, me: () => this.me.user,
      send: (message) => this.sendLive(message),
      onChange: () => this.flushLater(),
    })
    this.review = new Review({
      clock, source: options.proposals ?? null, canvas: this.document, storage: options.drafts ?? noDraftStorage,
      me: () => this.me.user,
      record: (key) => this.document.confirmedRecord(key),
      submit: (op) => this.flushed(this.own.submit(op, false)),
      revert: (seqs) => this.flushed(this.own.undo.revert(seqs)),
      onFull: (op) => this.own.failures.add(newOpId(), op, 'draft_full', 'a proposal holds no more than this', {}),
      onChange: () => this.flushLater(),
    })
    this.presence = new OwnPresence(clock, (message) => this.sendLive(message), () => this.socket.backlog)
  }

  // --- life ---------------------------------------------------------------------------------

  /** Show what the device has, then connect. */
  async start(): Promise<void> {
    if (this.started) return
    this.started = true
    const loaded = await within(this.options.clock, LOAD_MS, this.options.storage.load())
    if (this.stopped) return
    if (loaded?.cached != null) this.showCached(loaded.cached)
    this.review.draft.restore()
    this.own.adopt(loaded?.pending ?? [])
    this.flush()
    this.socket.start()
  }

  /** This room has been left: what is submitted now would stay on the device. */
  get isLeft(): boolean {
    return this.stopped
  }

  /** Leave the room. What was not confirmed stays on the device. */
  stop(): void {
    if (this.stopped) return
    this.review.flush()
    this.save()
    this.stopped = true
    for (const part of [this.own, this.log, this.glows, this.presence, this.talk, this.review]) part.stop()
    this.socket.stop()
    this.options.storage.close()
  }

  /** After `closed`: try again (signed in, invited again, reloaded rights). */
  reconnect(): void {
    if (!this.stopped) this.socket.start()
  }

  // --- what the user does -------------------------------------------------------------------

  /** Show the operation at once and see it through; in suggest mode, take it into the draft. Returns
   * its id, empty for a drafted one. */
  submit(op: Operation): string {
    return this.flushed(this.review.divert(op) ? '' : this.own.submit(op, false))
  }

  /** `submit` for text as it is typed: shown at once, sent after a short pause. */
  type(op: SetFields): string {
    return this.flushed(this.review.divert(op) ? '' : this.own.submit(op, true))
  }

  /** Send typed text now (blur, Enter). */
  flushTyping(): void {
    this.own.flushTyping()
    this.flush()
  }

  /** Take back the last thing done, or what `submit` gave this id. False: there is nothing to take back. */
  undo(opId = ''): boolean {
    const { draft } = this.review
    if (opId !== '') return this.flushed(this.own.undo.undo(opId))
    return this.flushed(draft.isOn ? draft.undo() : this.own.undo.undo())
  }

  redo(): boolean {
    const { draft } = this.review
    return this.flushed(draft.isOn ? draft.redo() : this.own.undo.redo())
  }

  /** What this tab looks at, edits and types; replaces what it said before. */
  setPresence(presence: Omit<SetPresence, 't'>): void {
    this.presence.setPresence(presence)
  }

  /** Null hides the pointer. */
  moveCursor(cursor: Omit<MoveCursor, 't'> | null): void {
    this.presence.moveCursor(cursor)
  }

  /** Keep the present state on the device now (the page may be about to go). */
  save(): void {
    if (this.saveTimer !== null) this.options.clock.clearTimeout(this.saveTimer)
    this.saveTimer = null
    const snapshot = this.document.snapshot()
    if (snapshot === null || this.log.epoch === null || this.stopped || this.forgotten) return
    const { role, color } = this.me
    void this.options.storage.saveRoom({ epoch: this.log.epoch, seq: this.log.seq, role, color, snapshot })
  }

  // --- what the server says -----------------------------------------------------------------

  private join(): void {
    if (this.joining) return
    const { epoch, seq } = this.log
    const known = epoch !== null && !this.askSnapshot ? { epoch, since: seq } : {}
    const sent = this.socket.send({ t: 'join', v: VERSION, room: this.options.tripId, client: this.clientId, ...known })
    if (!sent) return
    this.joining = true
    this.socket.expectJoined()
  }

  private onMessage(message: ServerMessage): void {
    switch (message.t) {
      case 'joined':
        this.onJoined(message)
        break
      case 'events':
        if (message.epoch === this.log.epoch) this.log.receive(message.events)
        else if (!this.joining) this.join()
        break
      case 'ack':
        // Its event has not come by yet: it is asked for if it does not come.
        if (this.own.acknowledged(message.op_id, message.seq)) this.log.head(message.seq)
        break
      case 'rejected':
        this.own.refused(message)
        break
      case 'people':
        this.people.diff(message, this.me.user)
        break
      case 'cursors':
        this.people.move(message.cursors)
        break
      case 'head':
      case 'pong':
        this.log.head(message.seq)
        break
      case 'read':
        this.talk.readBy(message)
        break
      case 'stream':
        this.talk.stream(message)
        break
      case 'role':
        this.onRole(message.role)
        break
      case 'error':
      case 'closing':
        break
    }
    this.flush()
  }

  private onRole(role: NonNullable<Me['role']>): void {
    const wasMember = this.me.role !== 'spectator'
    this.me = { ...this.me, role }
    if (wasMember) return
    // Events came without talk until now.
    this.talk.joined(true, true)
    this.review.joined(true, true)
  }

  private onJoined(message: Joined): void {
    this.joining = false
    this.me = { user: message.user || null, session: message.session, role: message.role, color: message.color }
    const newEpoch = message.epoch !== this.log.epoch
    const isResume = message.recovered && !newEpoch && !this.askSnapshot
    if (isResume) this.log.receive(message.events ?? [])
    else if (message.snapshot != null && (newEpoch || this.askSnapshot || message.seq >= this.log.seq)) {
      this.replace(message, newEpoch)
    }
    if (this.log.epoch !== message.epoch || this.log.seq < message.seq) {
      // The answer left a hole: only a whole state helps, over a new connection if need be.
      if (this.askSnapshot) this.socket.cut(CLOSE.RESYNC, 'no usable state')
      this.askSnapshot = true
      this.join()
      return
    }
    this.askSnapshot = false
    this.status = 'ready'
    this.fromCache = false
    this.forgotten = false
    this.people.joined(message)
    this.own.confirmUpToNow()
    this.socket.joined(message.ping_interval_ms)
    this.presence.joined()
    this.talk.joined(message.role !== 'spectator', !isResume, newEpoch)
    this.review.joined(message.role !== 'spectator', !isResume)
    this.own.pump()
    // A first snapshot is kept at once: who goes offline right after joining still has the trip.
    if (message.recovered) this.scheduleSave()
    else this.save()
    void this.options.storage.adoptOrphans().then((orphans) => this.onOrphans(orphans))
  }

  private replace(message: Joined, newEpoch: boolean): void {
    if (message.snapshot == null) return
    if (newEpoch && this.log.epoch !== null) {
      this.conflicts.clear()
      this.own.rebase(message.seq)
    }
    this.document.reset(message.snapshot)
    this.log.restart(message.epoch, message.seq)
    this.own.repredict()
  }

  private onEvent(event: RoomEvent): void {
    this.document.applyEvent(event)
    const own = this.own.applied(event)
    if (this.review.isOwn(event)) this.own.undo.adopt(event.op_id, event.seq)
    this.review.apply(event)
    this.talk.apply(event)
    if (event.actor !== this.me.user) this.glows.absorb(event)
    this.conflicts.absorb(event, this.me.user, own)
    this.own.confirmUpToNow()
    this.scheduleSave()
  }

  private onOrphans(orphans: readonly Pending[]): void {
    if (orphans.length === 0 || this.stopped) return
    this.own.adopt(orphans)
    this.flush()
  }

  // --- telling ------------------------------------------------------------------------------

  private onConnection(): void {
    const { state, code } = this.socket.state
    if (state !== 'live') this.own.disconnected()
    if (state === 'offline' || state === 'closed') this.people.clear()
    if (state === 'closed' && code !== null && FORGET.has(code)) this.forget()
    if (!this.stopped) this.flush()
  }

  /** Hand out everything that is not what it was. Values keep their identity while unchanged. */
  private flush(): void {
    // The draft lies over the trip, so it comes first.
    const draft = this.review.draft.state()
    const update: Partial<RoomState> = this.document.collect()
    this.talk.setPending(this.own.list())
    const all: Partial<RoomState> = {
      status: this.status,
      fromCache: this.fromCache,
      seq: this.log.seq,
      me: this.me,
      connection: this.connection(),
      people: this.people.grouped(),
      cursors: this.people.cursors(),
      failures: this.own.failures.list(),
      conflicts: this.conflicts.list(),
      glow: this.glows.map(),
      undo: draft.on ? { canUndo: draft.canUndo, canRedo: draft.canRedo } : this.own.undo.state,
      talk: this.talk.state(),
      proposals: this.review.proposals.state(),
      outcome: this.review.lastOutcome(),
      draft,
    }
    this.teller.tell(update, all)
  }

  /** For parts that may speak up while something is being worked on. */
  private flushLater(): void {
    if (!this.stopped && this.started) this.flush()
  }

  private flushed<T>(result: T): T {
    this.flush()
    return result
  }

  private connection(): Connection {
    const { state } = this.socket.state
    return { ...this.socket.state, pendingCount: this.own.size, offline: state !== 'live' && this.status === 'ready' }
  }

  // --- pieces -------------------------------------------------------------------------------

  private showCached(cached: CachedRoom): void {
    this.document.reset(cached.snapshot)
    this.log.restart(cached.epoch, cached.seq)
    this.me = { ...this.me, role: cached.role, color: cached.color }
    this.status = 'ready'
    this.fromCache = true
  }

  private forget(): void {
    this.forgotten = true
    void this.options.storage.forgetRoom()
  }

  private sendLive(message: ClientMessage): boolean {
    return this.socket.isLive && this.socket.send(message)
  }

  private scheduleSave(): void {
    this.saveTimer ??= this.options.clock.setTimeout(() => this.save(), SAVE_MS)
  }
}
