/**
 * Proposals of a room: those that wait, those that somebody looks at, and which pieces went stale.
 *
 * Read by REST when the room is joined; after that every change comes with the room's events. The
 * rule of staleness is that of domain/proposals.py, applied to events as they arrive: a piece is
 * stale when somebody changed, after the proposal's `base`, a field that it builds on. Deciding is
 * an ordinary operation (`proposal.accept`, `proposal.decline`) and goes through the outbox. Free of
 * React; driven by `RoomClient`.
 */
import type { Piece, Proposal, RoomEvent, TalkChange } from '../protocol.gen'
import type { Clock, Timer } from './clock'
import { type AnyRecord, keyOf, type RecordKey } from './records'

/** A piece with every field present. */
export type ShownPiece = Required<Piece>
/** A proposal with every field present, its pieces as they stand now. */
export interface ShownProposal extends Required<Omit<Proposal, 'pieces'>> {
  pieces: readonly ShownPiece[]
}

export interface ProposalsState {
  /** Oldest first: those of which some piece waits for a decision. */
  open: readonly ShownProposal[]
  /** All that are known, decided ones too. */
  byId: ReadonlyMap<string, ShownProposal>
  status: 'idle' | 'loading' | 'ready' | 'failed'
}

export const NO_PROPOSALS: ProposalsState = { open: [], byId: new Map(), status: 'idle' }

/** Reasons of staleness that clients work out themselves. */
export const GONE = 'gone'
export const CHANGED = 'changed'

const RETRY_MS = 5_000
/** Asked for by name in one request, so that its address stays short. */
const MAX_NAMED = 50

/** The last event that changed each field of each record, since the room was joined. */
export type Stamps = ReadonlyMap<RecordKey, ReadonlyMap<string, number>>

export interface ProposalOptions {
  clock: Clock
  /** Those that wait, and those named. Null: there is nothing to ask. */
  source: ((ids: readonly string[]) => Promise<{ proposals: Proposal[] }>) | null
  /** The confirmed record, removed ones included where they are known. */
  record(key: RecordKey): AnyRecord | null
  /** Whether a piece is declined here, and the room does not know yet. */
  isDeclined?(id: string, piece: number): boolean
  onChange(): void
}

export class ProposalBook {
  private raw = new Map<string, ShownProposal>()
  private stamps = new Map<RecordKey, Map<string, number>>()
  private wanted = new Set<string>()
  /** Changes that came while a request was under way: its answer may be older. */
  private recent: TalkChange[] = []
  private status: ProposalsState['status'] = 'idle'
  private member = false
  private generation = 0
  private timer: Timer | null = null
  private told: ProposalsState = NO_PROPOSALS
  private dirty = false

  constructor(private readonly options: ProposalOptions) {}

  /** Joined (again). `missed`: events passed by, so what is known of changes is incomplete. */
  joined(member: boolean, missed: boolean): void {
    this.member = member
    if (missed) this.stamps.clear()
    if (!member) this.clear()
    else if (missed || this.status !== 'ready') void this.load()
  }

  /** Every event, after it was applied to the confirmed records. */
  apply(event: RoomEvent): void {
    for (const change of event.changes) {
      // What a proposal's own accepted piece changed does not make its other pieces stale.
      const key = keyOf(change.t, change.id)
      const fields = this.stamps.get(key) ?? new Map<string, number>()
      for (const field of Object.keys(change.set)) fields.set(field, event.seq)
      this.stamps.set(key, fields)
    }
    if (event.changes.length > 0) {
      if (event.suggested != null) this.applied(event.suggested.proposal, event.seq)
      this.dirty = true
    }
    for (const change of event.talk ?? []) if (change.t === 'proposal') this.absorb(change)
  }

  /** Somebody looks at this proposal, which may be decided and so not be known yet. */
  want(id: string): void {
    if (this.raw.has(id) || this.wanted.has(id)) return
    this.wanted.add(id)
    if (this.member && this.status !== 'loading') void this.load()
  }

  /** The same object until something changes. */
  state(): ProposalsState {
    if (!this.dirty && this.status === this.told.status) return this.told
    this.dirty = false
    const byId = new Map<string, ShownProposal>()
    for (const [id, proposal] of this.raw) {
      const shown = this.shown(proposal)
      const before = this.told.byId.get(id)
      byId.set(id, before !== undefined && sameProposal(before, shown) ? before : shown)
    }
    const open = [...byId.values()].filter(waits).sort((a, b) => a.seq - b.seq)
    const { told } = this
    if (open.length === told.open.length && open.every((each, n) => each === told.open[n]) && sameMap(byId, told.byId)) {
      if (this.status !== told.status) this.told = { ...told, status: this.status }
    } else this.told = { open, byId, status: this.status }
    return this.told
  }

  /** What `isDeclined` says has changed. */
  touch(): void {
    this.dirty = true
  }

  /** Whether there is something left to decide among these pieces (null: all), as far as the room has told. */
  isDecidable(id: string, pieces: readonly number[] | null): boolean {
    const proposal = this.raw.get(id)
    return proposal !== undefined && proposal.open && proposal.pieces.some((piece, n) => isUndecided(piece) && (pieces === null || pieces.includes(n)))
  }

  stop(): void {
    this.generation += 1
    if (this.timer !== null) this.options.clock.clearTimeout(this.timer)
    this.timer = null
  }

  private clear(): void {
    this.stop()
    this.raw.clear()
    this.wanted.clear()
    this.status = 'idle'
    this.dirty = true
  }

  // --- reading ------------------------------------------------------------------------------

  private async load(): Promise<void> {
    const { source, clock, onChange } = this.options
    if (source === null) return
    this.stop()
    const { generation } = this
    this.status = 'loading'
    this.recent = []
    const undecided = [...this.raw.values()].filter(waits).map((each) => each.id)
    const named = [...this.wanted, ...undecided].slice(0, MAX_NAMED)
    try {
      const { proposals } = await source(named)
      if (generation !== this.generation) return
      this.take(proposals, named)
    } catch {
      if (generation !== this.generation) return
      this.status = 'failed'
      this.timer = clock.setTimeout(() => void this.load(), RETRY_MS)
    }
    this.dirty = true
    onChange()
  }

  private take(proposals: readonly Proposal[], named: readonly string[]): void {
    const { recent } = this
    this.status = 'ready'
    for (const id of named) {
      this.wanted.delete(id)
      this.raw.delete(id)
    }
    for (const proposal of proposals) this.raw.set(proposal.id, normalize(proposal))
    this.recent = []
    for (const change of recent) this.absorb(change)
    // Asked for meanwhile.
    if (this.wanted.size > 0) void this.load()
  }

  private absorb(change: TalkChange): void {
    if (this.status === 'loading') this.recent.push(change)
    const before = this.raw.get(change.id)
    if (before === undefined && !change.new) return
    this.raw.set(change.id, normalize({ ...before, ...change.set, id: change.id } as Proposal))
    this.wanted.delete(change.id)
    this.dirty = true
  }

  // --- staleness ----------------------------------------------------------------------------

  private applied(id: string, seq: number): void {
    const proposal = this.raw.get(id)
    if (proposal === undefined || proposal.applied.includes(seq)) return
    this.raw.set(id, { ...proposal, applied: [...proposal.applied, seq] })
  }

  private shown(proposal: ShownProposal): ShownProposal {
    if (!proposal.open) return proposal
    const pieces = proposal.pieces.map((piece, n) => {
      if (!isUndecided(piece)) return piece
      if (this.options.isDeclined?.(proposal.id, n) === true) return { ...piece, status: 'declined' as const }
      if (piece.status !== 'open') return piece
      const reason = staleReason(proposal, piece, this.stamps, this.options.record)
      return reason === '' ? piece : { ...piece, status: 'stale' as const, reason }
    })
    return { ...proposal, pieces }
  }
}

/** Why an open piece no longer fits the trip, or nothing. */
export function staleReason(
  proposal: ShownProposal, piece: ShownPiece, stamps: Stamps, record: (key: RecordKey) => AnyRecord | null,
): string {
  for (const touch of piece.touches) {
    const key = keyOf(touch.t, touch.id)
    const found = record(key)
    // Snapshots leave removed records out. What is to be brought back is removed, of course.
    if ((found === null || found.deleted) && piece.op.kind !== 'stop.restore') {
      // What a piece before this one adds is not there yet.
      if (found === null && piece.needs.some((n) => proposal.pieces[n]?.status === 'open')) continue
      return GONE
    }
    const fields = stamps.get(key)
    if (fields === undefined) continue
    for (const [field, seq] of fields) {
      if (seq <= proposal.base || proposal.applied.includes(seq)) continue
      if (touch.fields === undefined || touch.fields.length === 0 || touch.fields.includes(field)) return CHANGED
    }
  }
  return ''
}

/** Those that would be accepted with these: the open pieces that they build on, too. Ascending. */
export function withNeeds(proposal: ShownProposal, numbers: readonly number[]): number[] {
  const found = new Set<number>()
  const waiting = [...numbers]
  for (let n = waiting.pop(); n !== undefined; n = waiting.pop()) {
    if (found.has(n)) continue
    found.add(n)
    waiting.push(...(proposal.pieces[n]?.needs ?? []).filter((need) => proposal.pieces[need]?.status === 'open'))
  }
  return [...found].sort((a, b) => a - b)
}

/** Some piece can be accepted, or is stale and waits to be put away. */
export const waits = (proposal: ShownProposal): boolean => proposal.open && proposal.pieces.some(isUndecided)

const isUndecided = ({ status }: ShownPiece): boolean => status === 'open' || status === 'stale'

/** A wire proposal leaves out what is at its default. */
export function normalize(proposal: Proposal): ShownProposal {
  return {
    id: proposal.id,
    seq: proposal.seq ?? 0,
    author: proposal.author ?? '',
    asked_by: proposal.asked_by ?? null,
    message: proposal.message ?? null,
    at: proposal.at ?? '',
    base: proposal.base ?? 0,
    note: proposal.note ?? '',
    pieces: (proposal.pieces ?? []).map((piece) => ({
      op: piece.op, changes: piece.changes ?? [], touches: piece.touches ?? [], needs: piece.needs ?? [],
      status: piece.status ?? 'open', reason: piece.reason ?? '',
    })),
    open: proposal.open ?? true,
    applied: proposal.applied ?? [],
    decided_by: proposal.decided_by ?? null,
  }
}

function sameProposal(a: ShownProposal, b: ShownProposal): boolean {
  return (Object.keys(a) as (keyof ShownProposal)[]).every((key) => key === 'pieces' || Object.is(a[key], b[key]))
    && a.pieces.length === b.pieces.length
    && a.pieces.every((piece, n) => {
      const other = b.pieces[n] as ShownPiece
      return piece.op === other.op && piece.status === other.status && piece.reason === other.reason
    })
}

const sameMap = (a: ReadonlyMap<string, unknown>, b: ReadonlyMap<string, unknown>): boolean =>
  a.size === b.size && [...a].every(([key, value]) => b.get(key) === value)
