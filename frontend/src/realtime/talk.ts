/**
 * The talk of one room: messages from events and from pages, own ones that wait, read marks, answers
 * as they grow, counts of threads.
 *
 * Pages come from REST (`TalkSource`), everything since from the room's events, so a page that was
 * read before an event and arrives after it has the event applied to it again. Proposals are not
 * kept here: their changes are handed to who listens (`onProposal`). Free of React; driven by
 * `RoomClient`, which asks for `state()` whenever something may have changed.
 */
import type {
  Channel, ClientMessage, MessagePage, ReadBy, RoomEvent, Stream, TalkChange, ThreadList,
} from '../protocol.gen'
import { type Clock, type Timer, fullJitter } from './clock'
import { Marks } from './marks'
import { applyTalk, isProposalOperation, isTalkOperation, isUnderWay, normalizeMessage, overlay, recordOf } from './messages'
import type { Pending } from './outbox'
import { emptyTalk, type ListKey, NO_LIST, type RecordRef, type TalkList, type TalkMessage, type TalkState } from './state'
import { Streams } from './streams'
import { ThreadCounts } from './threads'

const PAGE = 40
/** Pages that are looked through for one message. */
const MAX_SEARCHED = 100
/** Lists that were opened last, after events were missed. */
const MAX_ASKED_AGAIN = 6
/** Everybody in the room hears of the same deletion: not all ask in the same moment. */
const UNREAD_MS = 500
const UNREAD_SPREAD_MS = 2_000

export interface MessageQuery {
  channel: Channel
  about?: string
  before?: number
  limit?: number
}

/** Where pages of talk come from. */
export interface TalkSource {
  messages(query: MessageQuery): Promise<MessagePage>
  threads(): Promise<ThreadList>
}

export interface TalkOptions {
  clock: Clock
  source: TalkSource | null
  me(): string | null
  send(message: ClientMessage): boolean
  onChange(): void
}

export type MessageListener = (message: TalkMessage) => void
export type ProposalListener = (change: TalkChange, event: RoomEvent) => void

/** What is loaded of one list: everything from seq `from` on. */
interface Loaded {
  from: number
  status: TalkList['status']
  more: boolean
  busy: boolean
  /** The request under way, for whoever waits for the same. */
  request: Promise<boolean> | null
}

export class TalkStore {
  private readonly confirmed = new Map<string, TalkMessage>()
  private readonly lists = new Map<ListKey, Loaded>()
  private readonly marks: Marks
  private readonly streams: Streams
  private readonly threads: ThreadCounts
  private readonly proposalListeners = new Set<ProposalListener>()
  private readonly messageListeners = new Set<MessageListener>()
  private readonly resetListeners = new Set<() => void>()
  private pending: readonly Pending[] = []
  private pendingKey = ''
  /** Changes that came while pages were under way; those may have been read before. */
  private recent: { seq: number; change: TalkChange }[] = []
  private requests = 0
  private unread = 0
  /** The server's count of what is unread is as of this seq. */
  private unreadSeq = 0
  private freshComments = false
  private unreadTimer: Timer | null = null
  /** Seen, though the read mark may not have moved past them. */
  private readonly seenIds = new Set<string>()
  /** Pages asked for before a reset are not used. */
  private generation = 0
  private member = false
  private told: TalkState = emptyTalk()
  private dirty = new Set<'messages' | 'lists'>()

  constructor(private readonly options: TalkOptions) {
    const { clock, source } = options
    this.marks = new Marks(clock, options.me, options.send)
    this.streams = new Streams(clock, (answer) => options.send({ t: 'watch', answer }))
    this.threads = new ThreadCounts(clock, async () => source?.threads() ?? null, options.onChange)
  }

  // --- what the room says -------------------------------------------------------------------

  /** Every event, in order, confirmed. */
  apply(event: RoomEvent): void {
    for (const change of event.talk ?? []) {
      if (change.t === 'message') this.applyMessage(change, event.seq)
      else for (const listener of this.proposalListeners) listener(change, event)
    }
  }

  stream(message: Stream): void {
    const known = this.confirmed.get(message.answer)
    if (known === undefined || isUnderWay(known)) this.streams.receive(message)
  }

  readBy(message: ReadBy): void {
    if (this.marks.receive(message) && message.user === this.options.me()) this.recount()
  }

  /** Joined (again): members read talk, visitors have none. `missed`: events were skipped. */
  joined(member: boolean, missed: boolean, newEpoch = missed): void {
    if (missed || (this.member && !member)) this.reset(newEpoch)
    this.member = member
    this.streams.reconnected()
    if (!member) return
    this.marks.joined()
    for (const message of this.confirmed.values()) if (isUnderWay(message)) this.streams.ask(message.id)
    this.threads.load()
    // The chat at once: it says how much is unread. The others when somebody has looked at them.
    for (const key of new Set<ListKey>(['chat', ...this.lists.keys()])) void this.open(key)
  }

  /** Own operations that wait, in order. */
  setPending(all: readonly Pending[]): void {
    const mine = all.filter((each) => isTalkOperation(each.op) || isProposalOperation(each.op))
    const key = mine.map((each) => each.opId).join(' ')
    if (key === this.pendingKey) return
    this.pendingKey = key
    this.pending = mine.map((each) => ({ ...each }))
    this.touch()
  }

  // --- what the user does -------------------------------------------------------------------

  /** Load the newest page, unless it is there or under way. True when it is there. */
  open(key: ListKey): Promise<boolean> {
    const list = this.list(key)
    // The one opened last is the last.
    this.lists.delete(key)
    this.lists.set(key, list)
    if (list.status === 'ready') return Promise.resolve(true)
    return list.request ?? this.fetch(key, list, null)
  }

  /** Load the page before what is there. True when there was one. */
  async older(key: ListKey): Promise<boolean> {
    const list = this.list(key)
    if (list.status !== 'ready' || !list.more) return false
    return list.request ?? this.fetch(key, list, list.from)
  }

  /** Load older pages until the message is in the list; false when it is not to be found. */
  async find(key: ListKey, id: string): Promise<boolean> {
    await this.open(key)
    for (let page = 0; page < MAX_SEARCHED; page += 1) {
      const message = this.confirmed.get(id)
      if (message !== undefined && belongs(message, key) && message.seq >= this.list(key).from) return true
      if (!(await this.older(key))) return false
    }
    return false
  }

  /**
   * The user has really seen these messages of a list, and with the chat's newest all of the chat.
   * Comments move the read mark only as far as no message of the chat below is unseen.
   */
  see(key: ListKey, ids: readonly string[]): void {
    let newest = 0
    for (const id of ids) {
      this.seenIds.add(id)
      newest = Math.max(newest, this.confirmed.get(id)?.seq ?? 0)
    }
    if (key !== 'chat') for (const { seq, channel } of this.unseen()) if (channel === 'chat') newest = Math.min(newest, seq - 1)
    if (key === 'comments') this.freshComments = false
    this.marks.seen(newest)
    this.recount()
    this.options.onChange()
  }

  /** Hear of every message as it is said. Returns how to stop. */
  onMessage(listener: MessageListener): () => void {
    this.messageListeners.add(listener)
    return () => this.messageListeners.delete(listener)
  }

  /** Hear of every change of a proposal. Returns how to stop. */
  onProposal(listener: ProposalListener): () => void {
    this.proposalListeners.add(listener)
    return () => this.proposalListeners.delete(listener)
  }

  /** Hear that events were missed: what was known of talk may be out of date. */
  onReset(listener: () => void): () => void {
    this.resetListeners.add(listener)
    return () => this.resetListeners.delete(listener)
  }

  stop(): void {
    if (this.unreadTimer !== null) this.options.clock.clearTimeout(this.unreadTimer)
    this.unreadTimer = null
    this.marks.stop()
    this.threads.stop()
    this.generation += 1
  }

  // --- telling ------------------------------------------------------------------------------

  /** The same object until something changes. */
  state(): TalkState {
    const next = { ...this.told, reads: this.marks.map(), streams: this.streams.map(), threads: this.threads.map(), unread: this.unread, freshComments: this.freshComments }
    if (this.dirty.has('messages')) this.tellMessages(next)
    if (this.dirty.has('lists')) next.lists = this.tellLists(next)
    this.dirty.clear()
    const keys = Object.keys(next) as (keyof TalkState)[]
    if (keys.some((key) => !Object.is(next[key], this.told[key]))) this.told = next
    return this.told
  }

  private tellMessages(next: TalkState): void {
    const messages = new Map(this.confirmed)
    for (const [id, message] of overlay(this.confirmed, this.pending, this.options.me() ?? '')) messages.set(id, message)
    next.messages = messages
    next.proposalOps = this.pending.filter((each) => isProposalOperation(each.op)).map(({ opId, op }) => ({ opId, op }))
  }

  private tellLists(next: TalkState): ReadonlyMap<ListKey, TalkList> {
    const waiting = this.pending.flatMap(({ op }) => (op.kind === 'message.post' ? next.messages.get(op.id) ?? [] : []))
    const sorted = [...this.confirmed.values()].sort((a, b) => a.seq - b.seq)
    const lists = new Map<ListKey, TalkList>()
    for (const [key, list] of this.lists) {
      const known = sorted.filter((message) => message.seq >= list.from && belongs(message, key))
      const fresh = waiting.filter((message) => message.seq === 0 && belongs(message, key))
      const ids = [...known, ...fresh].map((message) => message.id)
      const before = this.told.lists.get(key) ?? NO_LIST
      const shown: TalkList = { ids: sameIds(ids, before.ids) ? before.ids : ids, status: list.status, more: list.more, busy: list.busy }
      lists.set(key, sameList(shown, before) ? before : shown)
    }
    return lists
  }

  private touch(): void {
    this.dirty.add('messages').add('lists')
  }

  // --- messages -----------------------------------------------------------------------------

  private applyMessage(change: TalkChange, seq: number): void {
    if (this.requests > 0) this.recent.push({ seq, change })
    const before = this.confirmed.get(change.id) ?? null
    const message = applyTalk(before, change)
    this.threads.absorb(seq, message, change)
    if (message === null) {
      if (change.set['deleted'] === true && (this.unread > 0 || this.requests > 0)) this.askUnread()
      return
    }
    const wasUnseen = before !== null && this.isUnseen(before)
    this.confirmed.set(change.id, message)
    this.touch()
    if (message.answer !== null && !isUnderWay(message)) this.streams.finish(message.id)
    if (change.new && this.isUnseen(message)) {
      if (seq > this.unreadSeq) this.unread += 1
      if (message.channel === 'comment') this.freshComments = true
    } else if (message.deleted && wasUnseen && seq > this.unreadSeq) this.unread = Math.max(0, this.unread - 1)
    if (change.new && !message.deleted) for (const listener of this.messageListeners) listener(message)
  }

  private isUnseen({ id, seq, author, deleted }: TalkMessage): boolean {
    return seq > this.marks.mine() && author !== this.options.me() && !deleted && !this.seenIds.has(id)
  }

  private unseen(): TalkMessage[] {
    return [...this.confirmed.values()].filter((message) => this.isUnseen(message))
  }

  /** Less is unread: only what is known can be counted, the server said how much there was at most. */
  private recount(): void {
    this.unread = Math.min(this.unseen().length, this.unread)
  }

  // --- pages --------------------------------------------------------------------------------

  private list(key: ListKey): Loaded {
    let list = this.lists.get(key)
    if (list === undefined) {
      list = { from: Infinity, status: 'idle', more: false, busy: false, request: null }
      this.lists.set(key, list)
    }
    return list
  }

  private fetch(key: ListKey, list: Loaded, before: number | null): Promise<boolean> {
    const { source } = this.options
    if (source === null || !this.member) {
      // Own messages that wait show before there is a connection.
      this.touchLists()
      return Promise.resolve(false)
    }
    if (before === null) list.status = 'loading'
    list.busy = true
    this.touchLists()
    const generation = this.generation
    this.requests += 1
    list.request = source.messages({ ...queryOf(key), limit: PAGE, ...(before === null ? {} : { before }) }).then(
      (page) => generation === this.generation && this.merge(key, list, page, before === null),
      () => {
        if (generation === this.generation && before === null) list.status = 'failed'
        return false
      },
    ).finally(() => {
      this.requests -= 1
      if (this.requests === 0) this.recent = []
      list.request = null
      list.busy = false
      this.touchLists()
    })
    return list.request
  }

  private merge(key: ListKey, list: Loaded, page: MessagePage, newest: boolean): true {
    for (const message of [...page.messages, ...page.quoted]) {
      const known = normalizeMessage(message)
      this.confirmed.set(known.id, known)
      if (isUnderWay(known)) this.streams.ask(known.id)
    }
    for (const { change } of this.recent) {
      const message = applyTalk(this.confirmed.get(change.id) ?? null, change)
      if (message !== null) this.confirmed.set(change.id, message)
    }
    list.status = 'ready'
    list.more = page.next_before !== null
    list.from = page.next_before === null ? 0 : Math.min(page.next_before, ...page.messages.map((each) => each.seq ?? 0))
    for (const [user, seq] of Object.entries(page.reads)) this.marks.raise(user, seq)
    if (newest) {
      this.count(page)
      // The page goes back to the mark and does not hold all that is unread: the rest are comments.
      if (key === 'chat' && list.from <= this.marks.mine() + 1 && page.unread > this.unseen().length) this.freshComments = true
    }
    this.touch()
    return true
  }

  /** What the server counted, brought up to what is known here. An answer that was overtaken says nothing new. */
  private count(page: MessagePage): void {
    // A server of the version before does not say it.
    const asOf = page.seq ?? Infinity
    if (asOf < this.unreadSeq) return
    const me = this.options.me() ?? ''
    const mark = page.reads[me] ?? 0
    let known = 0
    let since = 0
    let seen = 0
    for (const message of this.confirmed.values()) {
      if (this.isUnseen(message)) {
        known += 1
        if (message.seq > asOf) since += 1
      } else if (message.author !== me && message.seq > mark && message.seq <= asOf) {
        // It was counted: it is seen and the server does not know it yet, or it was deleted since.
        if (!message.deleted || this.deletedSince(message.id, asOf)) seen += 1
      }
    }
    const unread = Math.max(page.unread - seen + since, 0)
    // The own mark is on its way: what it has passed and is not known here cannot be told apart.
    this.unread = this.marks.mine() > mark ? Math.min(unread, known) : unread
    this.unreadSeq = page.seq ?? 0
  }

  private deletedSince(id: string, seq: number): boolean {
    return this.recent.some((each) => each.seq > seq && each.change.id === id && each.change.set['deleted'] === true)
  }

  /** Something that is not known here was deleted: only the server knows whether it had been counted. */
  private askUnread(): void {
    const { clock } = this.options
    this.unreadTimer ??= clock.setTimeout(() => {
      this.unreadTimer = null
      void this.recountThere()
    }, UNREAD_MS + fullJitter(clock, 0, UNREAD_SPREAD_MS, UNREAD_SPREAD_MS))
  }

  private async recountThere(): Promise<void> {
    const { source, onChange } = this.options
    if (source === null) return
    const { generation } = this
    this.requests += 1
    try {
      const page = await source.messages({ channel: 'chat', limit: 1 })
      if (generation !== this.generation) return
      this.count(page)
      onChange()
    } catch {
      // The number stays until the next page.
    } finally {
      this.requests -= 1
      if (this.requests === 0) this.recent = []
    }
  }

  private touchLists(): void {
    this.dirty.add('lists')
    this.options.onChange()
  }

  private reset(newEpoch: boolean): void {
    this.generation += 1
    this.confirmed.clear()
    this.recent = []
    this.streams.clear()
    this.threads.clear()
    this.marks.clear(newEpoch)
    this.unread = 0
    this.unreadSeq = 0
    this.freshComments = false
    // What is on the screen is asked for again, not what somebody looked at an hour ago; `open` waits until
    // this is a member's room.
    const open = [...this.lists.keys()].filter((key, n, all) => key === 'comments' || n >= all.length - MAX_ASKED_AGAIN)
    this.lists.clear()
    for (const key of open) this.lists.set(key, { ...this.list(key), status: 'failed' })
    this.touch()
    for (const listener of this.resetListeners) listener()
  }
}


export function belongs(message: TalkMessage, key: ListKey): boolean {
  if (key === 'chat') return message.channel === 'chat'
  if (message.channel !== 'comment') return false
  return key === 'comments' || (message.about !== null && recordOf(message.about) === key)
}

function queryOf(key: ListKey): MessageQuery {
  if (key === 'chat') return { channel: 'chat' }
  return key === 'comments' ? { channel: 'comment' } : { channel: 'comment', about: key satisfies RecordRef }
}

const sameIds = (a: readonly string[], b: readonly string[]): boolean => a.length === b.length && a.every((id, n) => id === b[n])

const sameList = (a: TalkList, b: TalkList): boolean =>
  a.ids === b.ids && a.status === b.status && a.more === b.more && a.busy === b.busy
