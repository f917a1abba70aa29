/**
 * The proposals of the server in memory: opened, accepted piece by piece as ordinary events, declined.
 *
 * Knows which record a piece touches and leaves the finer rules of staleness to the real server:
 * what is stale here is said by the test (`stale`).
 */
import type { AcceptProposal, DeclineProposal, OpenProposal, Operation, Piece, Proposal, RoomEvent, Touch } from '../../protocol.gen'
import type { FakeServer } from './fakeServer'

type Decision = OpenProposal | AcceptProposal | DeclineProposal

export const isDecision = (op: Operation): op is Decision => op.kind.startsWith('proposal.')

export class FakeProposals {
  readonly all = new Map<string, Proposal>()
  /** Answers of REST are held back while this is set. */
  hold: Promise<void> | null = null

  constructor(private readonly server: FakeServer) {}

  async read(ids: readonly string[]): Promise<{ proposals: Proposal[] }> {
    const found = [...this.all.values()].filter((each) => each.open || ids.includes(each.id))
    const answer = structuredClone(found)
    if (this.hold !== null) await this.hold
    return { proposals: answer }
  }

  apply(actor: string, op: Decision, opId: string, base: number): RoomEvent {
    const event = (): RoomEvent => ({
      seq: this.server.seq + 1, op_id: opId, actor, at: new Date(this.server.clock.now()).toISOString(), kind: op.kind, changes: [],
    })
    if (op.kind === 'proposal.open') {
      const opened: RoomEvent = event()
      const proposal: Proposal = {
        id: op.id, seq: opened.seq, author: actor, at: opened.at, base, note: op.note ?? '',
        pieces: op.ops.map((each) => this.piece(each, actor)), open: true,
      }
      this.all.set(op.id, proposal)
      const { id: _, ...set } = proposal
      return this.tell({ ...opened, talk: [{ t: 'proposal', id: op.id, set: structuredClone(set), new: true }] })
    }
    const proposal = this.all.get(op.id)
    if (proposal === undefined) throw new Error('not_found')
    const pieces = proposal.pieces as Piece[]
    for (const n of [...(op.pieces ?? pieces.keys())]) {
      const piece = pieces[n] as Piece
      if ((piece.status ?? 'open') !== 'open') continue
      piece.status = op.kind === 'proposal.decline' ? 'declined' : 'accepted'
      if (op.kind === 'proposal.accept') this.applyPiece(proposal, piece, actor, `${opId}/${n}`)
    }
    proposal.open = pieces.some((piece) => (piece.status ?? 'open') === 'open')
    proposal.decided_by = actor
    const set = structuredClone({ pieces, open: proposal.open, applied: proposal.applied ?? [], decided_by: actor })
    return this.tell({ ...event(), talk: [{ t: 'proposal', id: op.id, set }] })
  }

  private applyPiece(proposal: Proposal, piece: Piece, actor: string, opId: string): void {
    let changes
    try {
      changes = this.server.decide(piece.op, proposal.author ?? '')
    } catch (error) {
      Object.assign(piece, { status: 'stale', reason: (error as Error).message })
      return
    }
    const event: RoomEvent = {
      seq: this.server.seq + 1, op_id: opId, actor, at: new Date(this.server.clock.now()).toISOString(), kind: piece.op.kind, changes,
      suggested: { proposal: proposal.id, by: proposal.author ?? '' },
    }
    proposal.applied = [...(proposal.applied ?? []), event.seq]
    this.server.commit(event)
  }

  private piece(op: Piece['op'], actor: string): Piece {
    const touches: Touch[] = 'id' in op && op.kind !== 'stop.add' && op.kind !== 'day.add' ? [{ t: op.kind.startsWith('day') ? 'day' : 'stop', id: op.id }] : []
    return { op, changes: this.server.decide(op, actor), touches, needs: [] }
  }

  private tell(event: RoomEvent): RoomEvent {
    this.server.commit(event)
    return event
  }
}
