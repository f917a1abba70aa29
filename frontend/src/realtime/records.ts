/**
 * Records of a trip by key, and how a change alters one. Pure; never mutates a record it was given.
 */
import { type Change, DEFAULTS, type Day, type Link, type Member, type RecordType, type Stop, type Trip } from '../protocol.gen'

export interface RecordOf {
  trip: Trip
  day: Day
  stop: Stop
  member: Member
}

export type AnyRecord = Trip | Day | Stop | Member
/** `stop:<id>` and so on: the same id may name records of two types. */
export type RecordKey = `${RecordType}:${string}`

export const keyOf = (t: RecordType, id: string): RecordKey => `${t}:${id}`

export const LINK_PREFIX = 'links.'

/** A record as `change` leaves it; null when it is not known and the change does not bring it. */
export function applyChange(record: AnyRecord | null, change: Change): AnyRecord | null {
  if (record === null && !change.new) return null
  const next: Record<string, unknown> = { ...(record ?? blank(change.t, change.id)) }
  for (const [field, value] of Object.entries(change.set)) assign(next, field, value)
  return next as unknown as AnyRecord
}

/** A record that holds nothing yet. */
export function blank(t: RecordType, id: string): AnyRecord {
  return { id, ...DEFAULTS[t] } as AnyRecord
}

function assign(record: Record<string, unknown>, field: string, value: unknown): void {
  if (!field.startsWith(LINK_PREFIX)) {
    record[field] = value
    return
  }
  const links = { ...(record['links'] as Record<string, Link> | undefined) }
  const key = field.slice(LINK_PREFIX.length)
  if (value === null) delete links[key]
  else links[key] = value as Link
  record['links'] = links
}

/** The wire value of a field, null where a map has no such entry. */
export function valueOf(record: AnyRecord, field: string): unknown {
  if (field.startsWith(LINK_PREFIX)) {
    return (record as Stop).links?.[field.slice(LINK_PREFIX.length)] ?? null
  }
  return (record as unknown as Record<string, unknown>)[field] ?? null
}

/** Wire values are JSON: equal when they spell the same, whatever the order of keys. */
export function same(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  const left = a as Record<string, unknown>
  const right = b as Record<string, unknown>
  const keys = Object.keys(left)
  return keys.length === Object.keys(right).length && keys.every((key) => key in right && same(left[key], right[key]))
}
