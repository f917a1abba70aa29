/**
 * The talk of the server in memory: messages said, changed, reacted to, resolved; pages of them; read
 * marks. Who may do what is left to the real server, but a message belongs to its author.
 */
import type {
  DeleteMessage, EditMessage, Message, MessagePage, Operation, PostMessage, ReactToMessage, ResolveComment, RoomEvent, TalkChange,
  ThreadCount,
} from '../../protocol.gen'
import { belongs, type MessageQuery, type TalkSource } from '../talk'
import { normalizeMessage } from '../messages'
import type { ListKey } from '../state'
import type { FakeServer } from './fakeServer'

type TalkOperation = PostMessage | EditMessage | DeleteMessage | ReactToMessage | ResolveComment

export const isTalk = (op: Operation): op is TalkOperation => op.kind.startsWith('message.') || op.kind === 'comment.resolve'

export class FakeTalk {
  readonly all = new Map<string, Message>()
  readonly marks = new Map<string, number>()
  readonly queries: MessageQuery[] = []
  /** Answers of REST are read at once, but held back while this is set. */
  hold: Promise<void> | null = null
  /** REST fails while true. */
  down = false

  constructor(private readonly server: FakeServer) {}

  source(user: string): TalkSource {
    const answer = async <T>(read: () => T): Promise<T> => {
      if (this.down) throw new Error('down')
      const value = structuredClone(read())
      if (this.hold !== null) await this.hold
      return value
    }
    return {
      messages: (query) => answer(() => this.page(query, user)),
      threads: () => answer(() => ({ seq: this.server.seq, threads: this.threads() })),
    }
  }

  apply(actor: string, op: TalkOperation, opId: string): RoomEvent {
    const event: RoomEvent = {
      seq: this.server.seq + 1, op_id: opId, actor, at: new Date(this.server.clock.now()).toISOString(), kind: op.kind, changes: [],
    }
    const same = op.kind === 'comment.resolve' && (this.all.get(op.id)?.resolved_by != null) === (op.resolved ?? true)
    event.talk = same ? [] : [this.change(actor, op, event)]
    return this.tell(event)
  }

  /** Something that no operation says: an answer that is opened or finished. */
  say(kind: string, actor: string, change: Omit<TalkChange, 't'>): RoomEvent {
    const seq = this.server.seq + 1
    const at = new Date(this.server.clock.now()).toISOString()
    const set = change.new ? { seq, author: actor, at, ...change.set } : change.set
    return this.tell({ seq, op_id: `srv-${seq}`, actor, at, kind, changes: [], talk: [{ t: 'message', ...change, set }] })
  }

  read(user: string, seq: number): void {
    if ((this.marks.get(user) ?? 0) >= seq) return
    this.marks.set(user, seq)
    this.server.broadcast({ t: 'read', user, seq })
  }

  private tell(event: RoomEvent): RoomEvent {
    for (const change of event.talk ?? []) {
      const before = this.all.get(change.id) ?? { id: change.id }
      this.all.set(change.id, { ...before, ...structuredClone(change.set) } as Message)
    }
    this.server.commit(event)
    return event
  }

  private change(actor: string, op: TalkOperation, event: RoomEvent): TalkChange {
    if (op.kind === 'message.post') {
      const { kind: _, id, ...given } = op
      const about = op.about ?? (op.channel === 'comment' ? (this.all.get(op.reply_to ?? '')?.about ?? null) : null)
      const set = { ...given, seq: event.seq, author: actor, at: event.at, ...(about === null ? {} : { about }) }
      return { t: 'message', id, set, new: true }
    }
    const message = this.all.get(op.id)
    if (message === undefined) throw new Error('not_found')
    const set = this.set(actor, op, message, event)
    return { t: 'message', id: op.id, set }
  }

  private set(actor: string, op: Exclude<TalkOperation, PostMessage>, message: Message, event: RoomEvent): Record<string, unknown> {
    if (op.kind === 'message.react') {
      const users = (message.reactions?.[op.emoji] ?? []).filter((user) => user !== actor)
      const { [op.emoji]: _, ...others } = message.reactions ?? {}
      const after = op.on === false ? users : [...users, actor]
      return { reactions: after.length > 0 ? { ...others, [op.emoji]: after } : others }
    }
    if (op.kind === 'comment.resolve') {
      const resolved = op.resolved ?? true
      return { resolved_by: resolved ? actor : null, resolved_at: resolved ? event.at : null }
    }
    if (message.author !== actor) throw new Error('forbidden')
    return op.kind === 'message.delete' ? { deleted: true, text: '' } : { text: op.text, mentions: op.mentions ?? [], edited_at: event.at }
  }

  private page(query: MessageQuery, user: string): MessagePage {
    this.queries.push(query)
    const key = (query.channel === 'chat' ? 'chat' : (query.about ?? 'comments')) as ListKey
    const limit = query.limit ?? 40
    const there = [...this.all.values()].filter((each) => belongs(normalizeMessage(each), key) && (each.seq ?? 0) < (query.before ?? Infinity))
    const messages = there.sort((a, b) => (b.seq ?? 0) - (a.seq ?? 0)).slice(0, limit)
    const ids = new Set(messages.map((each) => each.id))
    const quoted = messages.flatMap((each) => (each.reply_to != null && !ids.has(each.reply_to) ? (this.all.get(each.reply_to) ?? []) : []))
    const mark = this.marks.get(user) ?? 0
    const unread = [...this.all.values()].filter((each) => (each.seq ?? 0) > mark && each.author !== user && !each.deleted).length
    return {
      seq: this.server.seq, messages, quoted, next_before: there.length > limit ? (messages.at(-1)?.seq ?? null) : null, reads: Object.fromEntries(this.marks), unread,
    }
  }

  private threads(): ThreadCount[] {
    const counts = new Map<string, ThreadCount>()
    for (const message of this.all.values()) {
      if (message.channel !== 'comment' || message.about == null || message.deleted) continue
      const { t, id } = message.about
      const count = counts.get(`${t}:${id}`) ?? { t, id, open: 0, total: 0 }
      count.total += 1
      if (message.reply_to == null && message.resolved_by == null) count.open += 1
      counts.set(`${t}:${id}`, count)
    }
    return [...counts.values()]
  }
}
