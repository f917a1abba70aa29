/**
 * What the app sees of a room: the shape that the room client keeps up to date and the store holds.
 *
 * Every value is immutable and keeps its identity while it does not change, so that a component
 * re-renders only for what it reads.
 */
import type {
  AccessRole,
  Answer,
  AnswerStatus,
  Day,
  Member,
  Message,
  Operation,
  Person,
  Pointer,
  RecordType,
  Stop,
  Trip,
} from '../protocol.gen'
import { type DraftState, NO_DRAFT } from './draft'
import { NO_PROPOSALS, type ProposalsState } from './proposals'
import type { Outcome } from './review'

/** `connecting`: never live yet. `reconnecting`: was live. `closed`: will not come back by itself. */
export type ConnectionState = 'connecting' | 'live' | 'reconnecting' | 'offline' | 'closed'

export interface Connection {
  state: ConnectionState
  /** The close code of the last cut, when there was one; with `closed` it says why. */
  code: number | null
  reason: string
  /** When the next attempt is due (ms since the epoch), while waiting for one. */
  retryAt: number | null
  /** Own operations that the server has not confirmed. */
  pendingCount: number
  /** Nothing can be sent now; edits are kept. */
  offline: boolean
  /** Not live because of a planned restart, for no longer than such a thing takes: nobody has to be told. */
  restarting: boolean
}

/** One person here, however many tabs. */
export interface PersonGroup {
  user: string
  name: string
  color: number
  role: AccessRole
  /** Any of their tabs is mine. */
  me: boolean
  tabs: readonly Person[]
}

export interface Me {
  user: string | null
  session: string | null
  role: AccessRole | null
  color: number
}

/** An own operation that the server refused for good. Its prediction has been taken back. */
export interface Failure {
  id: string
  op: Operation
  code: string
  message: string
  details: Record<string, unknown>
  at: number
  /** Submit the same intent again, as a new operation. */
  retry(): void
  discard(): void
}

/**
 * Two people set one field without having seen each other. `lost`: theirs stands now; `won`: mine
 * does. `mine`/`theirs` are field values.
 */
export interface Conflict {
  id: string
  outcome: 'lost' | 'won'
  record: RecordType
  recordId: string
  field: string
  mine: unknown
  theirs: unknown
  /** User id of the other person. */
  who: string
  at: number
  /** Make mine stand (`won`: it does already, so this only dismisses). */
  keepMine(): void
  /** Make theirs stand (`lost`: it does already, so this only dismisses). */
  takeTheirs(): void
  dismiss(): void
}

/** A record that somebody else changed a moment ago. */
export interface Glow {
  author: string
  fields: readonly string[]
  until: number
}

export interface UndoState {
  canUndo: boolean
  canRedo: boolean
}

// --- talk -----------------------------------------------------------------------------------

/** A message with every field present. Of an own message that waits, `seq` is 0. */
export interface TalkMessage extends Required<Omit<Message, 'answer'>> {
  answer: Required<Answer> | null
  /** Shows own words that are not confirmed. */
  pending: boolean
}

/** An answer that grows: what has come of it so far. */
export interface AnswerStream {
  status: AnswerStatus
  /** Place in the queue while queued; 1 is next, 0 unknown. */
  position: number
  text: string
  reasoning: string
}

/** `stop:<id>`, `day:<id>`, `trip:<id>`. */
export type RecordRef = `${'trip' | 'day' | 'stop'}:${string}`
/** A list of messages: the chat, all comments, or the comments on one record. */
export type ListKey = 'chat' | 'comments' | RecordRef

export interface TalkList {
  /** Oldest first; own messages that wait come last. */
  ids: readonly string[]
  /** `idle`: never asked for. */
  status: 'idle' | 'loading' | 'ready' | 'failed'
  /** There are older ones. */
  more: boolean
  /** Older ones are on their way. */
  busy: boolean
}

/** Comments on one record: threads not resolved, and comments in all. */
export interface ThreadTotals {
  open: number
  total: number
}

export interface TalkState {
  messages: ReadonlyMap<string, TalkMessage>
  lists: ReadonlyMap<ListKey, TalkList>
  threads: ReadonlyMap<RecordRef, ThreadTotals>
  /** Up to which seq each member has read. */
  reads: ReadonlyMap<string, number>
  /** Messages by others that I have not seen, chat and comments. */
  unread: number
  /** There are comments by others that I have not looked at. */
  freshComments: boolean
  /** Answers under way, by the id of their message. */
  streams: ReadonlyMap<string, AnswerStream>
  /** Own operations on proposals that are not confirmed. */
  proposalOps: readonly { opId: string; op: Operation }[]
}

export const NO_LIST: TalkList = { ids: [], status: 'idle', more: false, busy: false }

export function emptyTalk(): TalkState {
  return {
    messages: new Map(), lists: new Map(), threads: new Map(), reads: new Map(), unread: 0, freshComments: false, streams: new Map(), proposalOps: [],
  }
}

// --- the room -------------------------------------------------------------------------------

export interface RoomState {
  /** `loading` until there is something to show, from the device's cache or from the server. */
  status: 'loading' | 'ready'
  /** What is shown comes from the device and was not confirmed by the server yet. */
  fromCache: boolean
  seq: number
  trip: Trip | null
  /** Live days in order: dated ones by date, then the others by position. */
  days: readonly Day[]
  /** Live stops by id. */
  stops: ReadonlyMap<string, Stop>
  /** Ids of live stops in order, by day id; `IDEAS` for those without a day. */
  stopIds: ReadonlyMap<string, readonly string[]>
  /** Everybody who is or was a member (`deleted`), by user id. */
  members: ReadonlyMap<string, Member>
  me: Me
  connection: Connection
  people: readonly PersonGroup[]
  /** Pointers of others, by session. */
  cursors: ReadonlyMap<string, Pointer>
  failures: readonly Failure[]
  conflicts: readonly Conflict[]
  /** By record id. */
  glow: ReadonlyMap<string, Glow>
  /** Ids of records that show own changes which are not confirmed. */
  pendingIds: ReadonlySet<string>
  undo: UndoState
  /** What members say; empty for visitors. */
  talk: TalkState
  /** Operations that wait for an editor's yes. */
  proposals: ProposalsState
  /** What the last accepting here came to. */
  outcome: Outcome | null
  /** Suggest mode: edits of mine that nobody else sees yet. */
  draft: DraftState
}

/** Key of the stops without a day in `stopIds`. */
export const IDEAS = ''

export const NO_IDS: readonly string[] = []

export function initialState(): RoomState {
  return {
    status: 'loading',
    fromCache: false,
    seq: 0,
    trip: null,
    days: [],
    stops: new Map(),
    stopIds: new Map(),
    members: new Map(),
    me: { user: null, session: null, role: null, color: 0 },
    connection: {
      state: 'connecting', code: null, reason: '', retryAt: null, pendingCount: 0, offline: false, restarting: false,
    },
    people: [],
    cursors: new Map(),
    failures: [],
    conflicts: [],
    glow: new Map(),
    pendingIds: new Set(),
    undo: { canUndo: false, canRedo: false },
    talk: emptyTalk(),
    proposals: NO_PROPOSALS,
    outcome: null,
    draft: NO_DRAFT,
  }
}
