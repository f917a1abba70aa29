import { expect, it } from 'vitest'
import { enter, makeServer } from './testing/room'

it('groups the tabs of one person, and knows who left', async () => {
  const { clock, server } = makeServer()
  const ann = await enter(server, 'ann')
  const bo = await enter(server, 'bo')
  const second = await enter(server, 'bo')
  expect(ann.state.people.map((person) => [person.user, person.tabs.length, person.me])).toEqual([['ann', 1, true], ['bo', 2, false]])
  const group = ann.state.people[0]
  second.client.stop()
  clock.advance(100)
  expect(ann.state.people.map((person) => person.tabs.length)).toEqual([1, 1])
  expect(ann.state.people[0]).toBe(group)
  bo.client.stop()
  clock.advance(100)
  expect(ann.state.people.map((person) => person.user)).toEqual(['ann'])
})

it('says what it looks at once, and again after a cut', async () => {
  const { clock, server } = makeServer()
  const ann = await enter(server, 'ann')
  const said = () => server.received.filter((message) => message.t === 'presence').length
  for (let n = 0; n < 3; n += 1) ann.client.setPresence({ editing: { t: 'stop', id: 'a', field: 'name' }, typing: true })
  clock.advance(1_000)
  expect(said()).toBe(1)
  ann.socket().break()
  clock.advance(5_000)
  expect(said()).toBe(2)
  expect(ann.state.people[0]?.tabs[0]).toMatchObject({ editing: { id: 'a', field: 'name' }, typing: true })
})

it('moves the pointer at most ten times a second, ending where it is', async () => {
  const { clock, server } = makeServer()
  const ann = await enter(server, 'ann')
  const bo = await enter(server, 'bo')
  for (let n = 0; n <= 100; n += 1) {
    ann.client.moveCursor({ surface: 'board', x: n / 100, y: 0, anchor: 'd1' })
    clock.advance(10)
  }
  clock.advance(200)
  const moves = server.received.filter((message) => message.t === 'cursor')
  expect(moves.length).toBeGreaterThan(5)
  expect(moves.length).toBeLessThanOrEqual(12)
  expect([...bo.state.cursors.values()]).toMatchObject([{ surface: 'board', x: 1, y: 0, anchor: 'd1' }])
  expect(ann.state.cursors.size).toBe(0)
  ann.client.moveCursor(null)
  clock.advance(200)
  expect(bo.state.cursors.size).toBe(0)
})

it('does not send pointers when the line is full, and drops those of people who left', async () => {
  const { clock, server } = makeServer()
  const ann = await enter(server, 'ann')
  const bo = await enter(server, 'bo')
  ann.client.moveCursor({ surface: 'map', x: 1, y: 2 })
  clock.advance(200)
  expect(bo.state.cursors.size).toBe(1)
  ann.socket().bufferedAmount = 100_000
  ann.client.moveCursor({ surface: 'map', x: 3, y: 4 })
  clock.advance(200)
  expect(server.received.filter((message) => message.t === 'cursor')).toHaveLength(1)
  ann.client.stop()
  clock.advance(100)
  expect(bo.state.cursors.size).toBe(0)
})

it('knows nobody while offline', async () => {
  const { server } = makeServer()
  const ann = await enter(server, 'ann')
  ann.surroundings.say('offline')
  expect(ann.state.people).toEqual([])
})
