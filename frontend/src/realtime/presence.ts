/**
 * Who is here and where they point; and, the other way, what this tab says about itself.
 *
 * Everything here is ephemeral: it is sent at most ten times a second, only when it differs, and
 * said again after every join.
 */
import type { ClientMessage, Joined, MoveCursor, Person, Pointer, Presence, SetPresence } from '../protocol.gen'
import type { Clock, Timer } from './clock'
import { same } from './records'
import type { PersonGroup } from './state'

const INTERVAL_MS = 100
/** With this much waiting in the browser, pointers are not worth sending. */
const MAX_BACKLOG = 16 * 1024

/** The people of a room as told by the server. */
export class People {
  private sessions = new Map<string, Person>()
  private pointers: ReadonlyMap<string, Pointer> = new Map()
  private groups: readonly PersonGroup[] = []
  private session: string | null = null

  grouped(): readonly PersonGroup[] {
    return this.groups
  }

  cursors(): ReadonlyMap<string, Pointer> {
    return this.pointers
  }

  joined(message: Joined): void {
    this.session = message.session
    this.sessions = new Map(message.people.map((person) => [person.session, person]))
    this.dropPointers((session) => !this.sessions.has(session))
    this.regroup(message.user)
  }

  diff(message: Presence, me: string | null): void {
    for (const person of message.put ?? []) this.sessions.set(person.session, person)
    const gone = new Set(message.gone ?? [])
    for (const session of gone) this.sessions.delete(session)
    if (gone.size > 0) this.dropPointers((session) => gone.has(session))
    this.regroup(me)
  }

  move(cursors: readonly Pointer[]): void {
    const pointers = new Map(this.pointers)
    for (const pointer of cursors) {
      if (pointer.session === this.session) continue
      if (pointer.surface == null) pointers.delete(pointer.session)
      else pointers.set(pointer.session, { x: 0, y: 0, ...pointer })
    }
    this.pointers = pointers
  }

  /** Nothing is known while there is no connection. */
  clear(): void {
    this.sessions = new Map()
    this.pointers = new Map()
    this.groups = []
  }

  private dropPointers(gone: (session: string) => boolean): void {
    const kept = [...this.pointers].filter(([session]) => !gone(session))
    if (kept.length !== this.pointers.size) this.pointers = new Map(kept)
  }

  private regroup(me: string | null): void {
    const byUser = new Map<string, Person[]>()
    for (const person of this.sessions.values()) {
      const tabs = byUser.get(person.user)
      if (tabs === undefined) byUser.set(person.user, [person])
      else tabs.push(person)
    }
    const before = new Map(this.groups.map((group) => [group.user, group]))
    this.groups = [...byUser].map(([user, tabs]) => {
      const { name, color, role } = tabs[0] as Person
      const group: PersonGroup = { user, name, color, role, me: user === me, tabs }
      const old = before.get(user)
      return old !== undefined && same(old, group) ? old : group
    })
  }
}

/** What this tab tells about itself, deduplicated and slowed down. */
export class OwnPresence {
  private presence: SetPresence = { t: 'presence' }
  private told: SetPresence | null = null
  private cursor: MoveCursor | null = null
  private toldCursor: MoveCursor | null = null
  private timer: Timer | null = null
  private lastAt = -Infinity

  constructor(
    private readonly clock: Clock,
    private readonly send: (message: ClientMessage) => boolean,
    private readonly backlog: () => number,
  ) {}

  setPresence(presence: Omit<SetPresence, 't'>): void {
    this.presence = { t: 'presence', ...presence }
    this.schedule()
  }

  moveCursor(cursor: Omit<MoveCursor, 't'> | null): void {
    this.cursor = { t: 'cursor', ...(cursor ?? { surface: null }) }
    this.schedule()
  }

  /** A new room session knows nothing of this tab yet. */
  joined(): void {
    this.told = same(this.presence, { t: 'presence' }) ? this.presence : null
    this.toldCursor = null
    this.schedule()
  }

  stop(): void {
    if (this.timer !== null) this.clock.clearTimeout(this.timer)
    this.timer = null
  }

  private schedule(): void {
    if (this.timer !== null) return
    const wait = this.lastAt + INTERVAL_MS - this.clock.now()
    if (wait <= 0) {
      this.tell()
      return
    }
    this.timer = this.clock.setTimeout(() => {
      this.timer = null
      this.tell()
    }, wait)
  }

  private tell(): void {
    let sent = false
    if (this.told === null || !same(this.told, this.presence)) {
      if (this.send(this.presence)) {
        this.told = this.presence
        sent = true
      }
    }
    const cursor = this.cursor
    if (cursor !== null && !same(cursor, this.toldCursor) && this.backlog() <= MAX_BACKLOG) {
      if (this.send(cursor)) {
        this.toldCursor = cursor
        sent = true
      }
    }
    if (sent) this.lastAt = this.clock.now()
  }
}
