/** What operations have to do with each other: which records they reach, and when two are one. Pure. */
import type { FieldValues, Operation, Photo, SetDayFields, SetStopFields, SetTripFields } from '../protocol.gen'
import { given } from './predict'
import { keyOf, LINK_PREFIX } from './records'

export type SetFields = SetTripFields | SetDayFields | SetStopFields

/** Keys of the records that an operation changes or leans on; null: possibly any. */
export type Reach = ReadonlySet<string> | null

export function touch(a: Reach, b: Reach): boolean {
  if (a === null || b === null) return true
  for (const key of a) if (b.has(key)) return true
  return false
}

export function reachOf(op: Operation): Reach {
  switch (op.kind) {
    case 'trip.set_fields':
      return new Set(['trip'])
    case 'trip.set_visibility':
      return new Set(['visibility'])
    case 'trip.set_cover':
      return new Set(['cover'])
    case 'day.set_fields':
      return new Set([keyOf('day', op.id)])
    case 'day.add':
      return new Set([keyOf('day', op.id), 'days'])
    case 'stop.set_fields':
    case 'stop.remove':
    case 'stop.restore':
    case 'stop.set_photo':
      return new Set([keyOf('stop', op.id)])
    case 'stop.add':
      return around([op.id], op.day ?? null, op.after ?? null)
    case 'stop.move':
      return around(op.ids, op.day ?? null, op.after ?? null)
    case 'member.set_role':
    case 'member.remove':
      return new Set(['members'])
    case 'message.post':
      // What one says keeps its order, also when a part of it has to be sent again.
      return new Set([`talk:${op.channel ?? 'chat'}`, `message:${op.id}`, ...(op.reply_to == null ? [] : [`message:${op.reply_to}`])])
    case 'message.edit':
    case 'message.delete':
    case 'message.react':
    case 'comment.resolve':
      return new Set([`message:${op.id}`])
    case 'proposal.decline':
      return new Set([`proposal:${op.id}`])
    default:
      return null
  }
}

/** Order inside a day depends on what was put there before: one list, one line. */
function around(ids: readonly string[], day: string | null, after: string | null): Reach {
  const keys = ids.map((id) => keyOf('stop', id) as string)
  if (after !== null) keys.push(keyOf('stop', after))
  keys.push(`list:${day ?? ''}`)
  if (day !== null) keys.push(keyOf('day', day))
  return new Set(keys)
}

export function isSetFields(op: Operation): op is SetFields {
  return op.kind === 'trip.set_fields' || op.kind === 'day.set_fields' || op.kind === 'stop.set_fields'
}

/** Both name exactly the same fields of the same record. */
export function sameFields(a: SetFields, b: Operation): boolean {
  if (!isSetFields(b) || a.kind !== b.kind || recordIdOf(a) !== recordIdOf(b)) return false
  const left = Object.keys(given(a.fields))
  const right = new Set(Object.keys(given(b.fields)))
  return left.length === right.size && left.every((field) => right.has(field))
}

const recordIdOf = (op: SetFields): string => ('id' in op ? op.id : '')

/** `later` upon `earlier`, as one operation. Only for operations that are `sameFields`. */
export function mergeFields(earlier: Operation, later: Operation): Operation {
  if (!isSetFields(earlier) || !isSetFields(later)) return later
  const links = 'links' in later.fields ? { links: { ...(earlier as SetStopFields).fields.links, ...later.fields.links } } : {}
  return { ...later, fields: { ...earlier.fields, ...later.fields, ...links } } as Operation
}

/** The operation that makes `value` stand in a field, or null when there is none for that field. */
export function setField(record: string, id: string, field: string, value: unknown): Operation | null {
  const fields: FieldValues = field.startsWith(LINK_PREFIX)
    ? { links: { [field.slice(LINK_PREFIX.length)]: value } }
    : { [field]: value }
  if (record === 'stop') {
    if (field === 'day_id') return { kind: 'stop.move', ids: [id], day: value as string | null, after: id }
    if (field === 'deleted') return value === true ? { kind: 'stop.remove', id } : { kind: 'stop.restore', id }
    if (field === 'photo') return { kind: 'stop.set_photo', id, photo: photoId(value) }
    if (field === 'pos' || field === 'proposed_by') return null
    return { kind: 'stop.set_fields', id, fields } as Operation
  }
  if (record === 'day') {
    return field === 'title' || field === 'notes' ? ({ kind: 'day.set_fields', id, fields } as Operation) : null
  }
  if (record === 'trip') {
    if (field === 'cover') return { kind: 'trip.set_cover', photo: photoId(value) }
    const plain = ['title', 'description', 'time_zone', 'currency'].includes(field)
    return plain ? ({ kind: 'trip.set_fields', fields } as Operation) : null
  }
  return null
}

const photoId = (value: unknown): string | null => (value as Photo | null)?.id ?? null

const encoder = new TextEncoder()
/** Room for the envelope around an operation. */
const ENVELOPE_BYTES = 256

/** What a `submit` of this operation weighs on the wire, about; the server cuts frames that are too big. */
export function frameBytes(op: Operation): number {
  const text = JSON.stringify(op)
  return ENVELOPE_BYTES + (text.length < 8_192 ? text.length * 3 : encoder.encode(text).length)
}
