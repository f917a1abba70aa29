/**
 * What an own operation will probably do, shown until the server's event says what it did.
 *
 * Mirrors domain/decisions.py and domain/dates.py for the operations whose outcome a client can
 * know. An operation that the server alone can decide (new dates, undo, members) predicts nothing.
 * One that will be refused predicts nothing either: the refusal itself tells the user why.
 */
import {
  type Change, type Day, DEFAULTS, type FieldValues, type Link, type Operation, type RecordType,
  type Stop, type StopFields, type Trip,
} from '../protocol.gen'
import { byPlace, keysBetween, place, type Placed } from './positions'
import { type AnyRecord, LINK_PREFIX, same, valueOf } from './records'

/** The state that a prediction starts from: what the user sees, removed records included. */
export interface View {
  trip(): Trip | null
  day(id: string): Day | null
  stop(id: string): Stop | null
  /** Live days in the order shown. */
  days(): readonly Day[]
  /** Ids of the live stops of a day (null: ideas) in order. */
  stopIds(dayId: string | null): readonly string[]
}

export function predict(view: View, op: Operation, me: string | null): Change[] {
  switch (op.kind) {
    case 'trip.set_fields':
      return patch('trip', view.trip(), given(op.fields))
    case 'day.set_fields':
      return patch('day', live(view.day(op.id)), given(op.fields))
    case 'stop.set_fields':
      return patch('stop', live(view.stop(op.id)), given(op.fields))
    case 'trip.set_visibility':
      return patch('trip', view.trip(), { visibility: op.visibility })
    // A photo to come is the server's to describe; that one goes is sure.
    case 'trip.set_cover':
      return op.photo === null ? patch('trip', view.trip(), { cover: null }) : []
    case 'stop.set_photo':
      return op.photo === null ? patch('stop', live(view.stop(op.id)), { photo: null }) : []
    case 'day.add':
      return addDay(view, op.id, given(op.fields ?? {}))
    case 'day.move':
      return moveDay(view, op.id, op.after ?? null)
    case 'day.remove':
      return removeDay(view, op.id)
    case 'stop.add':
      return addStop(view, op, me)
    case 'stop.move':
      return moveStops(view, op.ids, op.day ?? null, op.after ?? null)
    case 'stop.remove':
      return patch('stop', live(view.stop(op.id)), { deleted: true })
    case 'stop.restore':
      return restoreStop(view, op.id)
    default:
      return []
  }
}

function live<R extends { deleted: boolean }>(record: R | null): R | null {
  return record === null || record.deleted ? null : record
}

/** Field values of a patch in wire form; a link map becomes `links.<id>` keys. */
export function given(fields: object): FieldValues {
  const named: FieldValues = {}
  for (const [field, value] of Object.entries(fields)) {
    if (value === undefined) continue
    if (field !== 'links') named[field] = value
    else for (const [id, link] of Object.entries(value as object)) named[LINK_PREFIX + id] = link
  }
  return named
}

function patch(t: RecordType, record: AnyRecord | null, fields: FieldValues): Change[] {
  if (record === null) return []
  const changed = Object.entries(fields).filter(([field, value]) => !same(valueOf(record, field), value))
  return changed.length === 0 ? [] : [{ t, id: record.id, set: Object.fromEntries(changed) }]
}

// --- stops ----------------------------------------------------------------------------------

function placedStops(view: View, dayId: string | null): Placed[] {
  return view.stopIds(dayId).flatMap((id) => view.stop(id) ?? [])
}

function places(view: View, ids: readonly string[], day: string | null, after: string | null): Map<string, string> {
  const moving = new Set(ids)
  const ordered = placedStops(view, day).filter((each) => !moving.has(each.id))
  if (after === null) return place(ordered, ids, null)
  const anchor = view.stop(after)
  const usable = anchor !== null && anchor.day_id === day && !moving.has(after)
  return place(ordered, ids, usable ? anchor : 'end')
}

function renumber(keys: Map<string, string>): Change[] {
  return [...keys].map(([id, pos]) => ({ t: 'stop', id, set: { pos } }))
}

function addStop(
  view: View,
  op: { id: string; fields: StopFields; day?: string | null; after?: string | null },
  me: string | null,
): Change[] {
  const day = op.day ?? null
  if (view.stop(op.id) !== null || op.fields.name === undefined) return []
  if (day !== null && live(view.day(day)) === null) return []
  const { links = {}, ...fields } = op.fields
  const keys = places(view, [op.id], day, op.after ?? null)
  const kept = Object.entries(links).filter((entry): entry is [string, Link] => entry[1] !== null)
  const set: FieldValues = {
    ...DEFAULTS.stop,
    status: day === null ? 'idea' : 'planned',
    proposed_by: me,
    ...given(fields),
    day_id: day,
    pos: keys.get(op.id),
    links: Object.fromEntries(kept),
  }
  keys.delete(op.id)
  return [{ t: 'stop', id: op.id, set, new: true }, ...renumber(keys)]
}

function moveStops(view: View, ids: readonly string[], day: string | null, after: string | null): Change[] {
  if (day !== null && live(view.day(day)) === null) return []
  const stops = [...new Set(ids)].flatMap((id) => live(view.stop(id)) ?? [])
  if (stops.length === 0) return []
  const keys = places(view, stops.map((stop) => stop.id), day, after)
  const changes: Change[] = []
  for (const stop of stops) {
    const pos = keys.get(stop.id) ?? stop.pos
    keys.delete(stop.id)
    if (stop.day_id === day && stop.pos === pos) continue
    const set: FieldValues = stop.day_id === day ? { pos } : { day_id: day, pos }
    if (stop.day_id === null && day !== null && stop.status === 'idea') set['status'] = 'planned'
    changes.push({ t: 'stop', id: stop.id, set })
  }
  return [...changes, ...renumber(keys)]
}

function restoreStop(view: View, id: string): Change[] {
  const stop = view.stop(id)
  if (stop === null || !stop.deleted) return []
  const day = stop.day_id !== null && live(view.day(stop.day_id)) === null ? null : stop.day_id
  const ordered = placedStops(view, day)
  const taken = ordered.findLast((each) => each.pos === stop.pos)
  const keys = taken === undefined ? new Map([[id, stop.pos]]) : place(ordered, [id], taken)
  const { id: _, ...fields } = stop
  const set = { ...fields, deleted: false, day_id: day, pos: keys.get(id) ?? stop.pos }
  keys.delete(id)
  return [{ t: 'stop', id, set, new: true }, ...renumber(keys)]
}

// --- days -----------------------------------------------------------------------------------

/** Days in the order shown: dated ones by date, then the others by position. */
export function byDate(a: Day, b: Day): number {
  if (a.date !== b.date) {
    if (a.date === null) return 1
    if (b.date === null) return -1
    return a.date < b.date ? -1 : 1
  }
  return byPlace(a, b)
}

/** The calendar date `count` days later. */
export function plusDays(date: string, count: number): string {
  const day = new Date(`${date}T00:00:00Z`)
  day.setUTCDate(day.getUTCDate() + count)
  return day.toISOString().slice(0, 10)
}

function addDay(view: View, id: string, fields: FieldValues): Change[] {
  if (view.day(id) !== null) return []
  const last = view.days().findLast((day) => day.date === null)
  const pos = keysBetween(last?.pos ?? null, null, 1)[0]
  return [{ t: 'day', id, set: { ...DEFAULTS.day, ...fields, pos }, new: true }]
}

function moveDay(view: View, id: string, after: string | null): Change[] {
  const day = live(view.day(id))
  const anchor = after === null ? null : live(view.day(after))
  if (day === null || after === id || (after !== null && anchor === null)) return []
  const others = view.days().filter((each) => each.id !== id)
  const dated = others.filter((each) => each.date !== null)
  const undated = others.filter((each) => each.date === null)
  const toDated = anchor === null ? dated.length > 0 || day.date !== null : anchor.date !== null
  if (!toDated) {
    const moved = [...place(undated, [id], anchor)].map(([each, pos]): Change => {
      return { t: 'day', id: each, set: each === id && day.date !== null ? { pos, date: null } : { pos } }
    })
    if (day.date === null) return moved
    const rest = reflow(view, dated)
    return rest === null ? [] : [...moved, ...rest]
  }
  dated.splice(anchor === null ? 0 : dated.indexOf(anchor) + 1, 0, day)
  return reflow(view, dated) ?? []
}

function removeDay(view: View, id: string): Change[] {
  const day = live(view.day(id))
  if (day === null) return []
  const stops = view.stopIds(id)
  const ideas = placedStops(view, null)
  const keys = keysBetween(ideas.at(-1)?.pos ?? null, null, stops.length)
  const moved = stops.map((stop, n): Change => ({ t: 'stop', id: stop, set: { day_id: null, pos: keys[n] } }))
  const removed: Change = { t: 'day', id, set: { deleted: true } }
  if (day.date === null) return [...moved, removed]
  const rest = reflow(view, view.days().filter((each) => each.date !== null && each.id !== id))
  return rest === null ? [] : [...moved, removed, ...rest]
}

/** Consecutive dates from the trip's start; null when that will be refused. */
function reflow(view: View, ordered: readonly Day[]): Change[] | null {
  const trip = view.trip()
  const start = trip?.start_date ?? null
  if (trip === null || start === null || ordered.length === 0) return null
  const changes = ordered.flatMap((day, n): Change[] => {
    const date = plusDays(start, n)
    return day.date === date ? [] : [{ t: 'day', id: day.id, set: { date } }]
  })
  const end = plusDays(start, ordered.length - 1)
  if (end === trip.end_date) return changes
  return [...changes, { t: 'trip', id: trip.id, set: { start_date: start, end_date: end } }]
}
