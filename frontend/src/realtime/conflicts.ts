/**
 * Notices of values that were overwritten unseen: mine by somebody, or somebody's by me.
 *
 * Made from `event.overwrote`; one notice a field. A notice goes when it was answered.
 */
import type { Operation, RoomEvent } from '../protocol.gen'
import { setField } from './operations'
import { same } from './records'
import type { Conflict } from './state'

const MAX_NOTICES = 50

export interface ConflictOptions {
  submit(op: Operation): void
  onChange(): void
  now(): number
}

export class Conflicts {
  private notices: readonly Conflict[] = []

  constructor(private readonly options: ConflictOptions) {}

  list(): readonly Conflict[] {
    return this.notices
  }

  /** `ownTab`: the event's operation was made here (not by another tab of mine). */
  absorb(event: RoomEvent, me: string | null, ownTab: boolean): void {
    if (me === null) return
    this.supersede(event, me)
    for (const lost of event.overwrote ?? []) {
      const now = event.changes.find((change) => change.t === lost.t && change.id === lost.id)?.set[lost.field]
      if (lost.by === me && event.actor !== me) {
        this.add(event, lost, 'lost', lost.value, now ?? null, event.actor)
      } else if (event.actor === me && lost.by !== me && ownTab) {
        this.add(event, lost, 'won', now ?? null, lost.value, lost.by)
      }
    }
  }

  clear(): void {
    this.notices = []
  }

  private add(
    event: RoomEvent,
    lost: { t: Conflict['record']; id: string; field: string },
    outcome: Conflict['outcome'],
    mine: unknown,
    theirs: unknown,
    who: string,
  ): void {
    if (same(mine, theirs) || lost.field === 'pos') return
    const id = `${event.seq}:${lost.t}:${lost.id}:${lost.field}`
    const dismiss = () => this.remove(id)
    const make = (value: unknown) => () => {
      const op = setField(lost.t, lost.id, lost.field, value)
      this.remove(id)
      if (op !== null) this.options.submit(op)
    }
    const others = this.notices.filter((each) => !isOf(each, lost.t, lost.id, lost.field))
    const notice: Conflict = {
      id, outcome, record: lost.t, recordId: lost.id, field: lost.field, mine, theirs, who,
      at: this.options.now(),
      keepMine: outcome === 'lost' ? make(mine) : dismiss,
      takeTheirs: outcome === 'won' ? make(theirs) : dismiss,
      dismiss,
    }
    this.notices = [...others, notice].slice(-MAX_NOTICES)
  }

  /** A later change of the same field: by me, it answers the notice; by others, theirs is new. */
  private supersede(event: RoomEvent, me: string): void {
    for (const change of event.changes) {
      for (const [field, value] of Object.entries(change.set)) {
        const notice = this.notices.find((each) => isOf(each, change.t, change.id, field))
        if (notice === undefined) continue
        const rest = this.notices.filter((each) => each !== notice)
        if (event.actor === me || notice.outcome === 'won' || same(notice.mine, value)) this.notices = rest
        else this.notices = [...rest, { ...notice, theirs: value, who: event.actor }]
      }
    }
  }

  private remove(id: string): void {
    this.notices = this.notices.filter((notice) => notice.id !== id)
    this.options.onChange()
  }
}

function isOf(notice: Conflict, t: string, id: string, field: string): boolean {
  return notice.record === t && notice.recordId === id && notice.field === field
}
