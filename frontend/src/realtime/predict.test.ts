/** Predictions against what the domain really decided (tests/frontend/decisions.py makes the file). */
import { describe, expect, it } from 'vitest'
import type { Change, Operation, Snapshot } from '../protocol.gen'
import { TripDocument } from './document'
import { plusDays, predict } from './predict'
import { keyOf, same, valueOf } from './records'
import decisions from './testing/decisions.json'

interface Step {
  op: Operation
  actor: string
  changes?: Change[]
  refused?: string
}

const steps = decisions.steps as unknown as Step[]
const SERVER_ONLY = new Set(['trip.set_dates'])

/** Only what a prediction changes of what is there: `set` may repeat what the record holds. */
function effect(document: TripDocument, changes: readonly Change[]): unknown[] {
  const parts = changes.map((change) => {
    const record = document.record(keyOf(change.t, change.id))
    const set = Object.entries(change.set).filter(
      ([field, value]) => change.new || record === null || !same(valueOf(record, field), value),
    )
    return { key: keyOf(change.t, change.id), new: change.new ?? false, set: Object.fromEntries(set) }
  })
  return parts.filter((part) => Object.keys(part.set).length > 0).sort((a, b) => (a.key < b.key ? -1 : 1))
}

it('is what the server decides, positions included', () => {
  const document = new TripDocument()
  document.reset(decisions.start as unknown as Snapshot)
  let seq = decisions.seq
  let compared = 0
  for (const [n, step] of steps.entries()) {
    const predicted = predict(document, step.op, step.actor)
    if (step.changes === undefined) continue
    if (!SERVER_ONLY.has(step.op.kind)) {
      compared += 1
      expect(effect(document, predicted), `step ${n}: ${JSON.stringify(step.op)}`).toEqual(effect(document, step.changes))
    }
    seq += 1
    document.applyEvent({ seq, op_id: `op${n}`, actor: step.actor, at: '', kind: step.op.kind, changes: step.changes })
    document.collect()
  }
  expect(compared).toBeGreaterThan(200)
})

it('predicts nothing of what is refused because something is gone', () => {
  const document = new TripDocument()
  document.reset(decisions.start as unknown as Snapshot)
  for (const [n, step] of steps.entries()) {
    if (step.refused !== undefined) {
      expect(predict(document, step.op, step.actor), `step ${n}: ${step.refused} ${JSON.stringify(step.op)}`).toEqual([])
    } else {
      document.applyEvent({ seq: n, op_id: '', actor: step.actor, at: '', kind: step.op.kind, changes: step.changes ?? [] })
    }
  }
})

describe('dates', () => {
  it('counts across months and leap years', () => {
    expect(plusDays('2027-12-31', 1)).toBe('2028-01-01')
    expect(plusDays('2028-02-28', 1)).toBe('2028-02-29')
    expect(plusDays('2027-05-01', 0)).toBe('2027-05-01')
  })
})

it('leaves to the server what only the server knows', () => {
  const document = new TripDocument()
  document.reset(decisions.start as unknown as Snapshot)
  const unknown: Operation[] = [
    { kind: 'undo', seq: 1 }, { kind: 'trip.set_dates', start_date: null, end_date: null },
    { kind: 'member.remove', id: 'bob' }, { kind: 'trip.delete' },
  ]
  for (const op of unknown) expect(predict(document, op, 'ann')).toEqual([])
})
