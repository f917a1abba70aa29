import { expect, it } from 'vitest'
import type { RoomEvent } from '../protocol.gen'
import { RoomLog } from './log'
import { FakeClock } from './testing/fakeClock'

const event = (seq: number): RoomEvent => ({ seq, op_id: `op${seq}`, actor: 'ann', at: '', kind: 'undo', changes: [] })

function make() {
  const clock = new FakeClock()
  const got: number[] = []
  let missing = 0
  const log = new RoomLog({ clock, onEvent: (each) => got.push(each.seq), onMissing: () => (missing += 1) })
  log.restart('e', 10)
  return { clock, log, got, missing: () => missing }
}

it('applies events in order, once each, whatever order and number they come in', () => {
  const { clock, log, got, missing } = make()
  log.receive([event(11), event(11)])
  log.receive([event(13), event(9)])
  log.receive([event(12), event(11)])
  clock.advance(1_000)
  expect(got).toEqual([11, 12, 13])
  expect(missing()).toBe(0)
})

it('waits a moment for a missing event, then asks', () => {
  const { clock, log, got, missing } = make()
  log.receive([event(12)])
  clock.advance(149)
  expect([got, missing()]).toEqual([[], 0])
  clock.advance(1)
  expect(missing()).toBe(1)
  log.receive([event(11)])
  expect(got).toEqual([11, 12])
})

it('asks when the room is ahead and nothing comes', () => {
  const { clock, log, missing } = make()
  log.head(10)
  clock.advance(1_000)
  expect(missing()).toBe(0)
  log.head(12)
  log.receive([event(11)])
  clock.advance(150)
  expect(missing()).toBe(0)
  clock.advance(150)
  expect(missing()).toBe(1)
})

it('keeps events that were held over a snapshot, but not over another epoch', () => {
  const { log, got } = make()
  log.receive([event(15)])
  log.restart('e', 14)
  expect(got).toEqual([15])
  log.receive([event(20)])
  log.restart('f', 19)
  expect([got, log.seq]).toEqual([[15], 19])
})
