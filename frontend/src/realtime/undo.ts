/**
 * Undo and redo of what was done here: a stack of own operations, by the event that each became.
 *
 * The server decides what can still be taken back. An operation that has not left the device is
 * simply withdrawn; one that is on its way is taken back as soon as its event is known.
 */
import type { Operation, OperationKind } from '../protocol.gen'
import type { UndoState } from './state'

const UNDOABLE: ReadonlySet<OperationKind> = new Set<OperationKind>([
  'trip.set_fields', 'trip.set_dates', 'trip.set_cover', 'stop.set_photo', 'day.add', 'day.set_fields', 'day.move', 'day.remove',
  'stop.add', 'stop.set_fields', 'stop.move', 'stop.remove', 'stop.restore',
])
const MAX_DEPTH = 200

interface Step {
  opId: string
  op: Operation
  seq: number | null
  /** Take it back when its event is known. */
  wanted: boolean
}

export interface UndoOptions {
  submit(op: Operation): string
  /** Withdraw an operation that was never sent; false when it was. */
  withdraw(opId: string): boolean
}

export class UndoStack {
  private done: Step[] = []
  private undone: Step[] = []
  /** Undo operations under way: which step each takes back, and where its own step goes. */
  private running = new Map<string, { step: Step; to: 'done' | 'undone' }>()

  constructor(private readonly options: UndoOptions) {}

  get state(): UndoState {
    return { canUndo: this.done.some(ready), canRedo: this.undone.some(ready) }
  }

  /** An own operation was submitted by the user. */
  submitted(opId: string, op: Operation): void {
    if (!UNDOABLE.has(op.kind)) return
    this.done.push({ opId, op, seq: null, wanted: false })
    if (this.done.length > MAX_DEPTH) this.done.shift()
    this.undone = []
  }

  /** An event that somebody else thought of, accepted here: as one's own, the last thing done. */
  adopt(opId: string, seq: number): void {
    this.done.push({ opId, op: { kind: 'undo', seq }, seq, wanted: false })
    if (this.done.length > MAX_DEPTH) this.done.shift()
    this.undone = []
  }

  /** Take back these events, newest first, as far as they are still to be taken back. */
  revert(seqs: readonly number[]): boolean {
    const steps = this.done.filter((step) => step.seq !== null && seqs.includes(step.seq))
    for (const step of steps.reverse()) this.takeBack(step, 'undone')
    return steps.length > 0
  }

  /** An own operation became event `seq`; `changed` false: it changed nothing. */
  confirmed(opId: string, seq: number, changed: boolean): void {
    const undo = this.running.get(opId)
    if (undo !== undefined) {
      this.running.delete(opId)
      const step = { ...undo.step, opId, seq, wanted: false }
      if (undo.to === 'done') this.done.push(step)
      else this.undone.push(step)
      return
    }
    const step = this.done.find((each) => each.opId === opId)
    if (step === undefined) return
    step.seq = seq
    if (!changed) this.forget(step)
    else if (step.wanted) this.takeBack(step, 'undone')
  }

  rejected(opId: string): void {
    this.running.delete(opId)
    this.done = this.done.filter((step) => step.opId !== opId)
  }

  /** Take back the last thing done, or what was done as `opId`. */
  undo(opId = ''): boolean {
    const step = this.done.findLast((each) => ready(each) && (opId === '' || each.opId === opId))
    if (step === undefined) return false
    if (step.seq !== null) {
      this.takeBack(step, 'undone')
    } else if (this.options.withdraw(step.opId)) {
      this.forget(step)
      this.undone.push({ ...step, opId: '' })
    } else {
      step.wanted = true
    }
    return true
  }

  redo(): boolean {
    const step = this.undone.pop()
    if (step === undefined) return false
    if (step.seq !== null) {
      this.takeBack(step, 'done')
      return true
    }
    const opId = this.options.submit(step.op)
    this.done.push({ ...step, opId, wanted: false })
    return true
  }

  /** Event numbers of another epoch mean nothing any more. */
  clear(): void {
    this.done = []
    this.undone = []
    this.running.clear()
  }

  private takeBack(step: Step, to: 'done' | 'undone'): void {
    this.forget(step)
    const opId = this.options.submit({ kind: 'undo', seq: step.seq as number })
    this.running.set(opId, { step, to })
  }

  private forget(step: Step): void {
    this.done = this.done.filter((each) => each !== step)
    this.undone = this.undone.filter((each) => each !== step)
  }
}

const ready = (step: Step): boolean => !step.wanted
