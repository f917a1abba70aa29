/** Seeded random edits, cuts and offline periods: in the end everybody sees the room, and nothing is lost. */
import { expect, it } from 'vitest'
import type { Operation } from '../protocol.gen'
import { seeded } from './testing/fakeClock'
import { enter, makeServer, type TestRoom } from './testing/room'

const USERS = ['ann', 'bo', 'cy', 'di']
const ROUNDS = 120

function randomOperation(room: TestRoom, chance: () => number, fresh: () => string): Operation {
  const pick = <T>(items: readonly T[]): T | undefined => items[Math.floor(chance() * items.length)]
  const stops = [...room.state.stops.keys()]
  const days = room.state.days.map((day) => day.id)
  const id = pick(stops) ?? 'a'
  const day = chance() < 0.2 ? null : (pick(days) ?? null)
  const after = chance() < 0.3 ? null : (pick(room.ids(day)) ?? null)
  const roll = chance()
  if (roll < 0.25) return { kind: 'stop.set_fields', id, fields: { name: `name ${fresh()}` } }
  if (roll < 0.4) return { kind: 'stop.set_fields', id, fields: { notes: fresh(), cost_amount: Math.floor(chance() * 1000) } }
  if (roll < 0.55) return { kind: 'stop.add', id: fresh(), fields: { name: 'new' }, day, after }
  if (roll < 0.78) return { kind: 'stop.move', ids: [id, pick(stops) ?? id], day, after }
  if (roll < 0.84) return { kind: 'stop.remove', id }
  if (roll < 0.87) return { kind: 'stop.restore', id }
  if (roll < 0.9) return { kind: 'day.add', id: fresh(), fields: { title: 'extra' } }
  if (roll < 0.94) return { kind: 'day.move', id: pick(days) ?? 'd1', after: pick(days) ?? null }
  if (roll < 0.96) return { kind: 'day.remove', id: pick(days) ?? 'd1' }
  return { kind: 'trip.set_fields', fields: { title: `trip ${fresh()}` } }
}

it.each([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])('seed %i', async (seed) => {
  const chance = seeded(seed)
  const { clock, server } = makeServer(chance)
  let count = 0
  const fresh = () => `f${(count += 1)}`
  server.delay = () => 1 + chance() * 80
  server.resumeLimit = 30
  server.refuse = () => (chance() < 0.03 ? { code: 'unavailable', retryable: true } : null)
  server.pass = (message) => !((message.t === 'events' || message.t === 'ack') && chance() < 0.03)
  const rooms: TestRoom[] = []
  for (const user of USERS) rooms.push(await enter(server, user, { settleMs: 500 }))
  const submitted: string[] = []
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const room of rooms) {
      const roll = chance()
      if (roll < 0.4) submitted.push(room.client.submit(randomOperation(room, chance, fresh)))
      else if (roll < 0.45) room.client.undo()
      else if (roll < 0.47) room.client.redo()
      else if (roll < 0.5) room.socket().break()
      else if (roll < 0.51) room.socket().silent = true
      else if (roll < 0.54) room.surroundings.say(room.surroundings.online ? 'offline' : 'online')
    }
    clock.advance(chance() * 400)
  }
  for (const room of rooms) room.surroundings.say('online')
  server.refuse = () => null
  server.pass = () => true
  clock.advance(180_000)
  for (const room of rooms) {
    expect(room.state.connection).toMatchObject({ state: 'live', pendingCount: 0 })
    expect(room.state.seq).toBe(server.seq)
    expect(server.differences(room.snapshot())).toEqual([])
    expect(room.state.stopIds).toEqual((rooms[0] as TestRoom).state.stopIds)
    expect(room.state.days).toEqual((rooms[0] as TestRoom).state.days)
  }
  const applied = server.log.map((event) => event.op_id)
  expect(new Set(applied).size).toBe(applied.length)
  const failed = new Set(rooms.flatMap((room) => room.state.failures.map((failure) => failure.id)))
  const merged = submitted.filter((opId) => !applied.includes(opId) && !failed.has(opId))
  // What is in neither was withdrawn by an undo before it left.
  expect(merged.length).toBeLessThan(submitted.length / 5)
})
