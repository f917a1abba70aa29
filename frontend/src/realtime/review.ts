/**
 * Proposing and deciding, as one part of the room client: the proposals of the room, and the draft
 * of suggest mode.
 *
 * Owns the way from the draft to a proposal and what becomes of an own decision. Everything that is
 * sent goes through `submit`, the ordinary outbox. Called by `RoomClient` and by what users do.
 */
import type { OpenProposal, Operation, RoomEvent } from '../protocol.gen'
import { Draft, type DraftStorage, isProposable, type Canvas } from './draft'
import { Declines } from './declines'
import { newId } from './ids'
import type { Pending } from './outbox'
import { ProposalBook, type ProposalOptions } from './proposals'

/** What accepting came to, for whoever accepted here. */
export interface Outcome {
  opId: string
  proposal: string
  /** The events that the pieces became. */
  seqs: readonly number[]
  /** Pieces that were meant and did not fit any more. */
  stale: number
}

export interface ReviewOptions extends Omit<ProposalOptions, 'isDeclined'> {
  canvas: Canvas
  storage: DraftStorage
  me(): string | null
  /** Send an operation, whatever the mode. */
  submit(op: Operation): string
  /** Take back own events, newest first. */
  revert(seqs: readonly number[]): unknown
  /** The draft cannot take this operation in. */
  onFull(op: Operation): void
}

export class Review {
  readonly proposals: ProposalBook
  readonly draft: Draft
  private readonly declines: Declines
  private outcome: Outcome | null = null
  /** Own accepting that is under way: which pieces (null: all), and the events that came of it so far. */
  private accepting = new Map<string, { pieces: readonly number[] | null; seqs: number[] }>()

  constructor(private readonly options: ReviewOptions) {
    this.proposals = new ProposalBook({ ...options, isDeclined: (id, piece) => this.declines.covers(id, piece) })
    this.declines = new Declines({
      clock: options.clock,
      send: (id, pieces) => (this.proposals.isDecidable(id, pieces) ? this.sendDecline(id, pieces) : null),
      onChange: () => {
        this.proposals.touch()
        options.onChange()
      },
    })
    this.draft = new Draft(options)
  }

  lastOutcome(): Outcome | null {
    return this.outcome
  }

  // --- what the user does -------------------------------------------------------------------

  /** Edits become suggestions, or changes again. A draft that was not sent stays. */
  suggest(on: boolean): void {
    this.draft.turn(on)
  }

  /** In suggest mode: take the operation into the draft. True when it is dealt with. */
  divert(op: Operation): boolean {
    if (!this.draft.isOn || !isProposable(op)) return false
    if (!this.draft.add(op)) this.options.onFull(op)
    return true
  }

  /** Propose the draft. False: nothing of it is left to propose. */
  send(note: string): boolean {
    const ops = this.draft.ready()
    if (ops.length === 0) return false
    const opId = this.options.submit({ kind: 'proposal.open', id: newId(), ops, note: note.trim() })
    this.draft.sent(opId)
    return true
  }

  accept(id: string, pieces: readonly number[] | null = null): void {
    // Accepting all does not mean those that were declined a moment ago.
    this.declines.flush(id)
    const opId = this.options.submit({ kind: 'proposal.accept', id, pieces: pieces === null ? null : [...pieces] })
    this.accepting.set(opId, { pieces, seqs: [] })
  }

  /** Decline now. */
  decline(id: string, pieces: readonly number[] | null = null): void {
    this.sendDecline(id, pieces)
  }

  /** Decline in a moment. `onSent` is called when it cannot be taken back any more; what is returned takes it
   * back, and is false when it is too late. */
  declineSoon(id: string, pieces: readonly number[] | null, onSent: () => void): () => boolean {
    return this.declines.hold(id, pieces, onSent)
  }

  /** The page may be about to go: what was decided is sent. */
  flush(): void {
    this.declines.flush()
  }

  /** Take back what accepting did. */
  revert(outcome: Outcome): void {
    this.options.revert(outcome.seqs)
  }

  // --- what the room says -------------------------------------------------------------------

  joined(member: boolean, missed: boolean): void {
    this.proposals.joined(member, missed)
    this.draft.touch()
  }

  /** Every event, after it was applied to the trip. */
  apply(event: RoomEvent): void {
    this.declines.answered(event.op_id)
    this.proposals.apply(event)
    if (event.changes.length > 0) this.draft.touch()
    if (event.kind === 'proposal.open') this.draft.confirmed(event.op_id)
    if (event.suggested != null) this.accepting.get(acceptOf(event))?.seqs.push(event.seq)
    const accepted = this.accepting.get(event.op_id)
    if (accepted === undefined) return
    this.accepting.delete(event.op_id)
    const id = event.talk?.find((change) => change.t === 'proposal')?.id ?? ''
    const { pieces, seqs } = accepted
    const meant = (this.proposals.state().byId.get(id)?.pieces ?? []).filter((_, n) => pieces === null || pieces.includes(n))
    this.outcome = { opId: event.op_id, proposal: id, seqs, stale: meant.filter((piece) => piece.status === 'stale').length }
  }

  /** Whether the event came of an accepting that was made here, so that it is one's own to undo. */
  isOwn(event: RoomEvent): boolean {
    return event.suggested != null && this.accepting.has(acceptOf(event))
  }

  /** Refused for good. True: the draft has it back, nobody needs to decide about it. */
  rejected(pending: Pending, code: string, details: Record<string, unknown>): boolean {
    this.accepting.delete(pending.opId)
    this.declines.answered(pending.opId)
    if (pending.op.kind !== 'proposal.open') return false
    const piece = Number(details['piece'])
    this.draft.rejected(pending.opId, (pending.op as OpenProposal).ops, code, Number.isInteger(piece) ? piece : null)
    return true
  }

  stop(): void {
    this.proposals.stop()
  }

  private sendDecline(id: string, pieces: readonly number[] | null): string {
    return this.options.submit({ kind: 'proposal.decline', id, pieces: pieces === null ? null : [...pieces] })
  }
}

/** Accepted pieces carry the accepting operation's id with a slash and a number behind it. */
const acceptOf = (event: RoomEvent): string => event.op_id.replace(/\/\d+$/, '')
