/**
 * What the user does here, from the key press to the answer: shown at once (a prediction over the
 * confirmed trip), queued and sent, confirmed, refused, or taken back.
 *
 * Owns the outbox, the predictions of what is in it, the undo stack and the list of failures, and
 * keeps the four in step. Knows nothing of joining or of what others do. Driven by `RoomClient`.
 */
import { MAX_FRAME_BYTES, type Operation, type Rejected, type RoomEvent, type Submit } from '../protocol.gen'
import type { Clock } from './clock'
import type { TripDocument } from './document'
import { Failures } from './failures'
import { newOpId } from './ids'
import { frameBytes } from './operations'
import { Outbox, type Pending } from './outbox'
import { predict } from './predict'
import type { RoomStorage } from './storage'
import { UndoStack } from './undo'

export interface OwnOperationsOptions {
  clock: Clock
  document: TripDocument
  storage: RoomStorage
  send(message: Submit): boolean
  /** False while nothing may be sent: not joined. */
  canSend(): boolean
  /** Last applied seq of the confirmed state. */
  seq(): number
  me(): string | null
  /** Once more, after a failure, whatever the mode is by then. */
  resubmit(op: Operation): void
  onPredicted(): void
  /** Refused for good. True: somebody else deals with it. */
  onRefused(pending: Pending, code: string, details: Record<string, unknown>): boolean
  onChange(): void
}

export class OwnOperations {
  readonly undo: UndoStack
  readonly failures: Failures
  private readonly outbox: Outbox

  constructor(private readonly options: OwnOperationsOptions) {
    const { clock, document, storage } = options
    this.outbox = new Outbox({
      clock,
      send: (message) => options.send(message),
      canSend: () => options.canSend(),
      onStored: (pending) => void storage.savePending(pending),
      onRemoved: (pending) => {
        void storage.removePending(pending.opId)
        document.removeLayer(pending.opId)
      },
    })
    this.undo = new UndoStack({
      submit: (op) => this.enqueue(op).opId,
      withdraw: (opId) => this.withdraw(opId),
    })
    this.failures = new Failures({ submit: (op) => options.resubmit(op), onChange: () => options.onChange(), now: () => clock.now() })
  }

  /** How many wait for an answer. */
  get size(): number {
    return this.outbox.size
  }

  list(): readonly Pending[] {
    return this.outbox.list()
  }

  // --- what the user does -------------------------------------------------------------------

  /** Show and queue an operation; `typing` waits for a pause in it. Returns its id. */
  submit(op: Operation, typing: boolean): string {
    if (frameBytes(op) > MAX_FRAME_BYTES) {
      const opId = newOpId()
      this.failures.add(opId, op, 'too_big', 'this is too much at once', { limit: MAX_FRAME_BYTES })
      return opId
    }
    const { opId, merged } = this.enqueue(op, typing)
    if (!merged) this.undo.submitted(opId, op)
    return opId
  }

  /** Send what waits for a pause in typing, now. */
  flushTyping(): void {
    this.outbox.flushTyping()
  }

  /** Operations of an earlier page: of this one's, or of one that is gone. */
  adopt(pending: readonly Pending[]): void {
    this.outbox.adopt(pending)
    this.repredict()
  }

  // --- what the room says -------------------------------------------------------------------

  /** Joined: what waits is sent. */
  pump(): void {
    this.outbox.pump()
  }

  disconnected(): void {
    this.outbox.disconnected()
  }

  /** Events count anew, from `seq` on. */
  rebase(seq: number): void {
    this.undo.clear()
    this.outbox.rebase(seq)
  }

  /** Every event, after it was applied to the trip. True when it came of an operation from here. */
  applied(event: RoomEvent): boolean {
    const own = this.outbox.confirm(event.op_id) !== null
    if (own) this.undo.confirmed(event.op_id, event.seq, event.changes.length > 0)
    return own
  }

  /** The event is, or will be, number `seq`. False: nobody here waits for that answer. */
  acknowledged(opId: string, seq: number): boolean {
    if (this.outbox.find(opId) === null) return false
    this.outbox.acknowledge(opId, seq)
    this.confirmUpToNow()
    this.undo.confirmed(opId, seq, true)
    return true
  }

  /** What was acknowledged and is part of the confirmed state by now is no longer pending. */
  confirmUpToNow(): void {
    this.outbox.confirmUpTo(this.options.seq())
  }

  refused({ op_id, code, message, retryable, details = {} }: Rejected): void {
    const pending = this.outbox.find(op_id)
    if (pending === null) return
    if (retryable) {
      const seconds = Number(details['retry_after'])
      this.outbox.postpone(op_id, Number.isFinite(seconds) ? seconds * 1_000 : 0)
      return
    }
    this.outbox.drop(op_id)
    this.undo.rejected(op_id)
    this.repredict()
    if (!this.options.onRefused(pending, code, details)) this.failures.add(op_id, pending.op, code, message, details)
  }

  /** Later predictions may lean on earlier ones: make all of them again, in order. */
  repredict(): void {
    for (const pending of this.outbox.list()) this.options.document.removeLayer(pending.opId)
    for (const pending of this.outbox.list()) this.predictOne(pending)
  }

  stop(): void {
    this.outbox.stop()
  }

  // --- pieces -------------------------------------------------------------------------------

  private enqueue(op: Operation, typing = false): { opId: string; merged: boolean } {
    const { pending, merged } = this.outbox.add(newOpId(), op, this.options.seq(), typing)
    // It may have been answered already when the connection is in this very process.
    if (this.outbox.find(pending.opId) !== null) this.predictOne(pending)
    return { opId: pending.opId, merged }
  }

  private withdraw(opId: string): boolean {
    const pending = this.outbox.find(opId)
    if (pending === null || pending.sent) return false
    this.outbox.drop(opId)
    this.repredict()
    return true
  }

  private predictOne(pending: Pending): void {
    const { document, me, onPredicted } = this.options
    document.removeLayer(pending.opId)
    document.addLayer(pending.opId, predict(document, pending.op, me()))
    onPredicted()
  }
}
