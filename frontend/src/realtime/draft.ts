/**
 * Suggest mode: edits gathered here as a proposal, instead of being sent as operations.
 *
 * A draft is a list of operations that can be proposed. It shows at once, as layers over the trip
 * that everybody else does not see; what it removes stays visible, so that it can be shown as struck
 * out. Sent as one `proposal.open`; a draft that was refused comes back. Kept for a reload. Knows
 * nothing of React or of the socket.
 */
import { type Change, MAX_FRAME_BYTES, MAX_PIECES, type Operation, type Proposable, type StopFields } from '../protocol.gen'
import { newId } from './ids'
import { frameBytes, isSetFields, mergeFields, type SetFields } from './operations'
import { predict, type View } from './predict'
import { type AnyRecord, keyOf, type RecordKey, same, valueOf } from './records'

const PROPOSABLE: ReadonlySet<string> = new Set<Proposable['kind']>([
  'trip.set_fields', 'trip.set_dates', 'day.add', 'day.set_fields', 'day.move', 'day.remove', 'stop.add', 'stop.set_fields',
  'stop.move', 'stop.remove', 'stop.restore',
])
const MAX_STEPS = 100
/** Layers with this in front of their id are drafts, not edits that wait to be confirmed. */
export const DRAFT_LAYER = 'draft:'

export const isProposable = (op: Operation): op is Proposable => PROPOSABLE.has(op.kind)

/** One operation of the draft, and what it would change now; nothing: it no longer fits. */
export interface DraftPiece {
  id: string
  op: Proposable
  changes: readonly Change[]
  /** On its way, as this operation. */
  sentAs: string | null
  /** Why the server refused it, when it did. */
  problem: string
}

export interface DraftState {
  /** Edits become suggestions. */
  on: boolean
  pieces: readonly DraftPiece[]
  canUndo: boolean
  canRedo: boolean
}

export const NO_DRAFT: DraftState = { on: false, pieces: [], canUndo: false, canRedo: false }

/** Where a draft outlives the page. Never throws. */
export interface DraftStorage {
  load(): { on: boolean; ops: Proposable[] } | null
  save(draft: { on: boolean; ops: readonly Proposable[] }): void
}

export const noDraftStorage: DraftStorage = { load: () => null, save: () => undefined }

/** What the draft is laid over. */
export interface Canvas extends View {
  record(key: RecordKey): AnyRecord | null
  addLayer(id: string, changes: readonly Change[]): void
  removeLayer(id: string): void
}

interface Item {
  id: string
  op: Proposable
  sentAs: string | null
  problem: string
}

export interface DraftOptions {
  canvas: Canvas
  storage: DraftStorage
  me(): string | null
  onChange(): void
}

export class Draft {
  private on = false
  private items: readonly Item[] = []
  private undone: (readonly Item[])[] = []
  private done: (readonly Item[])[] = []
  private layers: string[] = []
  private told: DraftState = NO_DRAFT
  private dirty = false

  constructor(private readonly options: DraftOptions) {}

  /** What a page before this one left. */
  restore(): void {
    const kept = this.options.storage.load()
    if (kept === null) return
    this.on = kept.on
    this.items = kept.ops.filter(isProposable).slice(0, MAX_PIECES).map(fresh)
    this.dirty = true
  }

  get isOn(): boolean {
    return this.on
  }

  get isEmpty(): boolean {
    return this.items.length === 0
  }

  turn(on: boolean): void {
    if (on === this.on) return
    this.on = on
    this.keep()
  }

  /** Draft an operation. False: there is no room for more. */
  add(op: Proposable): boolean {
    const sent = this.items.filter((item) => item.sentAs !== null)
    const next = fold(this.items.filter((item) => item.sentAs === null), op)
    if (next.length > MAX_PIECES || frameBytes({ kind: 'proposal.open', id: '', ops: next.map((item) => item.op) }) > MAX_FRAME_BYTES) return false
    const before = this.items
    this.take([...sent, ...next])
    // An edit that came back to what stands there already is no piece.
    const idle = new Set(this.state().pieces.filter((piece) => !fits(piece) && next.some((item) => item.id === piece.id && !before.includes(item))).map((piece) => piece.id))
    if (idle.size > 0) this.take(this.items.filter((item) => !idle.has(item.id)))
    this.done = [...this.done, before].slice(-MAX_STEPS)
    this.undone = []
    this.keep()
    return true
  }

  /** Take one piece out again, and what only makes sense with it. */
  drop(id: string): void {
    const item = this.items.find((each) => each.id === id)
    if (item === undefined || item.sentAs !== null) return
    const rest = this.items.filter((each) => each !== item)
    const made = isAdd(item.op) ? idOf(item.op) : null
    this.change(made === null ? rest : without(rest, made, item.op))
  }

  discard(): void {
    this.change(this.items.filter((item) => item.sentAs !== null))
  }

  /** Steps back in the draft; nothing of it has left the device. */
  undo(): boolean {
    return this.step(this.done, this.undone)
  }

  redo(): boolean {
    return this.step(this.undone, this.done)
  }

  /** The operations to propose now, without those that would change nothing any more. */
  ready(): Proposable[] {
    return this.state().pieces.filter((piece) => piece.sentAs === null && fits(piece)).map((piece) => piece.op)
  }

  /** It is on its way: shown until its event comes, but not to be changed or sent again. */
  sent(opId: string): void {
    this.items = this.items.map((item) => (item.sentAs === null ? { ...item, sentAs: opId, problem: '' } : item))
    this.done = []
    this.undone = []
    this.keep()
  }

  /** The proposal exists. */
  confirmed(opId: string): void {
    this.settle(opId, [])
  }

  /** Refused: a draft again. `piece` is the number of the operation to blame, if one is. */
  rejected(opId: string, ops: readonly Proposable[], code: string, piece: number | null): void {
    const back = ops.map((op, n) => ({ ...fresh(op), problem: n === (piece ?? 0) ? code : '' }))
    this.settle(opId, back)
  }

  /** What was sent as `opId` is no more on its way, in no step back or forth either; `back` stands in its place. */
  private settle(opId: string, back: readonly Item[]): void {
    const settled = (items: readonly Item[]): readonly Item[] => [...back, ...items.filter((item) => item.sentAs !== opId)].slice(0, MAX_PIECES)
    this.done = this.done.map(settled)
    this.undone = this.undone.map(settled)
    this.take(settled(this.items))
  }

  /** What is beneath has changed: lay the draft over it again before the state is told. */
  touch(): void {
    if (this.items.length > 0) this.dirty = true
  }

  /** The same object until something changes. Lays the layers, so ask before the trip is told. */
  state(): DraftState {
    if (this.dirty) this.relay()
    return this.told
  }

  // --- pieces -------------------------------------------------------------------------------

  private relay(): void {
    const { canvas } = this.options
    for (const layer of this.layers) canvas.removeLayer(layer)
    this.layers = []
    const pieces = this.items.map((item): DraftPiece => {
      const changes = this.preview(item.op)
      // What is to go stays in sight, to be shown as struck out.
      if (changes.length > 0 && item.op.kind !== 'stop.remove' && item.op.kind !== 'day.remove') {
        canvas.addLayer(DRAFT_LAYER + item.id, changes)
        this.layers.push(DRAFT_LAYER + item.id)
      }
      return { ...item, changes }
    })
    this.tell(pieces)
  }

  private preview(op: Proposable): Change[] {
    const { canvas } = this.options
    return predict(canvas, op, this.options.me()).map((change) => {
      const record = canvas.record(keyOf(change.t, change.id))
      if (change.new || record === null) return { ...change, old: { deleted: true } }
      return { ...change, old: Object.fromEntries(Object.keys(change.set).map((field) => [field, valueOf(record, field)])) }
    })
  }

  private change(items: readonly Item[]): void {
    this.done = [...this.done, this.items].slice(-MAX_STEPS)
    this.undone = []
    this.take(items)
  }

  private step(from: (readonly Item[])[], to: (readonly Item[])[]): boolean {
    const items = from.pop()
    if (items === undefined) return false
    to.push(this.items)
    this.take(items)
    return true
  }

  private take(items: readonly Item[]): void {
    this.items = items
    this.keep()
  }

  private keep(): void {
    this.dirty = true
    this.options.storage.save({ on: this.on, ops: this.items.filter((item) => item.sentAs === null).map((item) => item.op) })
    this.options.onChange()
  }

  private tell(pieces: readonly DraftPiece[]): void {
    this.dirty = false
    const next: DraftState = { on: this.on, pieces, canUndo: this.done.length > 0, canRedo: this.undone.length > 0 }
    const unchanged = pieces.length === this.told.pieces.length && pieces.every((piece, n) => samePiece(piece, this.told.pieces[n] as DraftPiece))
    if (unchanged) next.pieces = this.told.pieces
    this.told = next
  }
}

const fresh = (op: Proposable): Item => ({ id: newId(), op, sentAs: null, problem: '' })

/** What the server would not take for "no change"; new dates it alone can work out. */
export const fits = (piece: DraftPiece): boolean => piece.changes.length > 0 || piece.op.kind === 'trip.set_dates'

const samePiece = (a: DraftPiece, b: DraftPiece): boolean =>
  a.id === b.id && a.op === b.op && a.sentAs === b.sentAs && a.problem === b.problem && same(a.changes, b.changes)

// --- folding --------------------------------------------------------------------------------

/**
 * The draft with one more operation: as few pieces as say the same, for whoever has to decide about
 * each. Later values of fields replace earlier ones, a second move the first, removing what the
 * draft itself adds leaves nothing, and working on what it removes keeps that.
 */
export function fold(before: readonly Item[], op: Proposable): readonly Item[] {
  const items = op.kind === 'stop.remove' || op.kind === 'day.remove' ? before : kept(before, op)
  switch (op.kind) {
    case 'trip.set_fields':
    case 'day.set_fields':
    case 'stop.set_fields':
      return foldFields(items, op)
    case 'trip.set_dates':
      return [...items.filter((item) => item.op.kind !== 'trip.set_dates'), fresh(op)]
    case 'stop.move': {
      const moving = new Set(op.ids)
      return [...items.filter((item) => !(item.op.kind === 'stop.move' && item.op.ids.every((id) => moving.has(id)))), fresh(op)]
    }
    case 'day.move':
      return [...items.filter((item) => !(item.op.kind === 'day.move' && item.op.id === op.id)), fresh(op)]
    case 'stop.remove':
    case 'day.remove':
      return foldRemoval(items, op)
    case 'stop.restore':
      return items.length < before.length ? items : [...items, fresh(op)]
    default:
      return [...items, fresh(op)]
  }
}

/** Without the removals of what `op` works on. */
function kept(items: readonly Item[], op: Proposable): readonly Item[] {
  const stops = new Set(op.kind === 'stop.move' ? op.ids : op.kind.startsWith('stop.') && 'id' in op ? [op.id] : [])
  const day = 'day' in op ? (op.day ?? null) : op.kind.startsWith('day.') && 'id' in op ? op.id : null
  return items.filter(({ op: each }) =>
    !(each.kind === 'stop.remove' && stops.has(each.id)) && !(each.kind === 'day.remove' && each.id === day))
}

function foldFields(items: readonly Item[], op: SetFields): readonly Item[] {
  const adds = op.kind === 'stop.set_fields' ? 'stop.add' : op.kind === 'day.set_fields' ? 'day.add' : null
  const host = items.find((item) => (item.op.kind === op.kind || item.op.kind === adds) && idOf(item.op) === idOf(op))
  if (host === undefined) return [...items, fresh(op)]
  const merged = isSetFields(host.op) ? mergeFields(host.op, op) : { ...host.op, fields: mergedFields(host.op, op) }
  return items.map((item) => (item === host ? { ...item, op: merged as Proposable, problem: '' } : item))
}

function mergedFields(add: Proposable, op: SetFields): StopFields {
  const before = ('fields' in add ? add.fields : undefined) as StopFields | undefined
  const after = op.fields as StopFields
  const links = before?.links !== undefined || after.links !== undefined ? { links: { ...before?.links, ...after.links } } : {}
  return { ...before, ...after, ...links }
}

function foldRemoval(items: readonly Item[], op: Extract<Proposable, { kind: 'stop.remove' | 'day.remove' }>): readonly Item[] {
  const added = items.find((item) => isAdd(item.op) && idOf(item.op) === op.id)
  const rest = without(items, op.id, added?.op)
  return added === undefined ? [...rest, fresh(op)] : rest
}

/** The items without those that are about this record; what was put behind it moves up. */
function without(items: readonly Item[], id: string, added?: Proposable): readonly Item[] {
  const anchor = added !== undefined && 'after' in added ? (added.after ?? null) : null
  return items.filter((item) => !isAbout(item.op, id)).map((item) =>
    added !== undefined && 'after' in item.op && item.op.after === id ? { ...item, op: { ...item.op, after: anchor } } : item)
}

const isAdd = (op: Proposable): boolean => op.kind === 'stop.add' || op.kind === 'day.add'
const idOf = (op: Proposable): string | null => ('id' in op ? op.id : null)

/** Whether the operation says nothing once this record is gone. */
function isAbout(op: Proposable, id: string): boolean {
  if (idOf(op) === id || ('day' in op && op.day === id)) return true
  return op.kind === 'stop.move' && op.ids.every((each) => each === id)
}
