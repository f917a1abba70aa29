/** Shapes of the REST surface that are not part of the room protocol. */
import type {
  AccessRole, Channel, Conversation, Member, Photo, Proposal, Role, RoomEvent, Snapshot, Visibility,
} from '../protocol.gen'

export interface User {
  id: string
  name: string
  username: string | null
  email: string | null
  is_guest: boolean
  locale: string
}

/** Whose password a link sets. */
export interface ResetLink {
  login: string
  name: string
  expires_at: string
}

/** One's own address. `removable`: there is a user name to sign in with. `pending`: one that waits until the
    link that was sent there is opened. */
export interface EmailState {
  email: string | null
  confirmed: boolean
  removable: boolean
  pending: { email: string; delivery: 'sending' | 'sent' | 'failed'; asked_at: string; expires_at: string } | null
}

/** Which address a link confirms, and whose account gets it. */
export interface EmailLink {
  email: string
  name: string
  expires_at: string
}

export interface MeAnswer {
  user: User | null
  features: Record<string, unknown>
}

export interface TripSummary {
  id: string
  title: string
  start_date: string | null
  end_date: string | null
  time_zone: string
  visibility: Visibility
  role: AccessRole
  seq: number
  stop_count: number
  member_names: string[]
  updated_at: string
  deleted: boolean
  /** What others said since I last looked; 0 for readers who are no members. */
  unread: number
  cover: Photo | null
}

export interface NewTrip {
  title: string
  start_date?: string | null
  end_date?: string | null
  time_zone?: string
  currency?: string
  description?: string
}

export interface TripPatch {
  title?: string
  description?: string
  time_zone?: string
  currency?: string
  start_date?: string | null
  end_date?: string | null
  mode?: 'shift' | 'keep'
  visibility?: Visibility
}

export type ExportFormat = 'calendar' | 'page' | 'data'

/** A file of a trip that is made in the background. `name` and `size` are there once it is done. */
export interface Export {
  id: string
  trip_id: string
  format: ExportFormat
  locale: string
  status: 'queued' | 'running' | 'done' | 'failed'
  created_at: string
  expires_at: string
  error: string | null
  name: string | null
  size: number | null
}

/** A photo on its way. Once it is ready, `trip.set_cover` and `stop.set_photo` take its id. */
export interface PhotoView {
  id: string
  status: 'waiting' | 'ready' | 'failed'
  error: string | null
  width: number | null
  height: number | null
  color: string | null
}

export interface TripAnswer {
  epoch: string
  seq: number
  role: AccessRole
  snapshot: Snapshot
}

export interface HistoryAnswer {
  events: RoomEvent[]
  next_before: number | null
}

export interface Invite {
  id: string
  role: Exclude<Role, 'owner'>
  created_at: string
  expires_at: string | null
  revoked: boolean
}

export interface InviteInfo {
  trip_title: string
  role: Role
  inviter_name: string
  member: boolean
  trip_id?: string
}

export interface Applied {
  op_id: string
  seq: number
  repeated: boolean
}

export type Members = { members: Member[] }

// --- talk and the assistant -----------------------------------------------------------------

export interface MessageQuery {
  channel?: Channel
  /** `stop:<id>`, `day:<id>` or `trip:<id>`. */
  about?: string
  before?: number
  limit?: number
}

export type Proposals = { proposals: Proposal[] }

export interface Question {
  text: string
  locale: 'zh' | 'en'
  reply_to?: string | null
  /** An answer that did not end well: the same question again. */
  retry_of?: string | null
}

export interface PrivateQuestion extends Omit<Question, 'reply_to'> {
  conversation?: string | null
}

/** The question was taken; the answer appears in the room, or grows in the conversation. */
export interface AskedAnswer {
  answer: string
  question: string
  conversation?: string | null
}

export type Conversations = { conversations: Conversation[] }
