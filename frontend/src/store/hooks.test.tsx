import { act, cleanup, render, screen } from '@testing-library/react'
import { Profiler, type ReactNode } from 'react'
import { afterEach, expect, it } from 'vitest'
import type { Operation } from '../protocol.gen'
import { noStorage } from '../realtime/storage'
import type { FakeClock } from '../realtime/testing/fakeClock'
import { FakeSurroundings } from '../realtime/testing/fakeSurroundings'
import { makeServer } from '../realtime/testing/room'
import {
  RoomContext, useCanEdit, useConflicts, useConnection, useDayIds, useDays, useEditors, useFailures, useGlow, useHistory, useMembers,
  usePending, usePeople, useStop, useStopIds, useTrip,
} from './hooks'
import { openRoom, type Room } from './room'

afterEach(cleanup)

const rename = (id: string, name: string): Operation => ({ kind: 'stop.set_fields', id, fields: { name } })

async function open(user = 'ann') {
  const { clock, server } = makeServer()
  const surroundings = new FakeSurroundings()
  const enter = (who: string) =>
    openRoom({
      tripId: 'trip', userId: who, clock, surroundings, storage: noStorage, url: 'ws://test', openSocket: server.opener(who),
    })
  const room = enter(user)
  await act(async () => undefined)
  act(() => clock.advance(100))
  return { clock, server, room, enter, surroundings }
}

function show(room: Room, children: ReactNode) {
  return render(<RoomContext.Provider value={room}>{children}</RoomContext.Provider>)
}

/** Counts the renders of what is inside. */
function counter() {
  const counts: Record<string, number> = {}
  const Count = ({ id, children }: { id: string; children: ReactNode }) => (
    <Profiler id={id} onRender={(name) => (counts[name] = (counts[name] ?? 0) + 1)}>{children}</Profiler>
  )
  return { counts, Count }
}

const StopName = ({ id }: { id: string }) => {
  const stop = useStop(id)
  const glow = useGlow(id)
  const pending = usePending(id)
  const editors = useEditors('stop', id)
  return <li data-testid={id}>{`${stop?.name}${glow === null ? '' : ' *'}${pending ? ' …' : ''}${editors.map((each) => ` @${each.user}`).join('')}`}</li>
}

const DayList = ({ id }: { id: string | null }) => <ol>{useStopIds(id).join(' ')}</ol>

it('re-renders only the stop that changed', async () => {
  const { clock, server, room } = await open()
  const { counts, Count } = counter()
  const ids = ['a', 'b', 'c', 'x', 'i']
  show(room, (
    <>
      {ids.map((id) => <Count key={id} id={id}><StopName id={id} /></Count>)}
      <Count id="list"><DayList id="d1" /></Count>
      <Count id="days"><Days /></Count>
    </>
  ))
  const before = { ...counts }
  const advance = (ms: number) => act(() => (clock as FakeClock).advance(ms))
  act(() => void server.apply('bo', rename('b', 'changed')))
  advance(50)
  expect(screen.getByTestId('b').textContent).toBe('changed *')
  advance(2_000)
  expect(screen.getByTestId('b').textContent).toBe('changed')
  act(() => void room.client.submit(rename('b', 'mine')))
  expect(screen.getByTestId('b').textContent).toBe('mine …')
  advance(100)
  expect(screen.getByTestId('b').textContent).toBe('mine')
  for (const other of [...ids.filter((id) => id !== 'b'), 'list', 'days']) expect(counts[other]).toBe(before[other])
  act(() => void server.apply('bo', { kind: 'stop.move', ids: ['a'], day: 'd2', after: null }))
  advance(50)
  expect(counts['list']).toBe((before['list'] ?? 0) + 1)
  for (const other of ['c', 'x', 'i', 'days']) expect(counts[other]).toBe(before[other])
})

const Days = () => <p data-testid="days">{useDayIds().join(' ')}</p>

it('renders nothing for a heartbeat or a pointer', async () => {
  const { clock, server, room, enter } = await open()
  const bo = enter('bo')
  await act(async () => undefined)
  act(() => clock.advance(100))
  const { counts, Count } = counter()
  show(room, <Count id="all"><StopName id="a" /><DayList id="d1" /><Days /><People /><Status /></Count>)
  const before = counts['all']
  act(() => {
    bo.client.moveCursor({ surface: 'map', x: 1, y: 2 })
    server.broadcast({ t: 'head', seq: 0 })
    clock.advance(500)
  })
  expect(room.store.getState().cursors.size).toBe(1)
  expect(counts['all']).toBe(before)
  act(() => {
    bo.client.setPresence({ editing: { t: 'stop', id: 'a' } })
    clock.advance(500)
  })
  expect(screen.getByTestId('a').textContent).toBe('a @bo')
})

const People = () => <p data-testid="people">{usePeople().map((person) => person.user).join(' ')}</p>
const Status = () => {
  const { state, pendingCount } = useConnection()
  return <p data-testid="status">{`${state} ${pendingCount}`}</p>
}

it('tells the days, members, connection, failures, conflicts and history', async () => {
  const { clock, server, room, surroundings } = await open()
  const Everything = () => {
    const history = useHistory()
    return (
      <p data-testid="all">
        {[
          useTrip()?.title, useDays().map((day) => day.date).join(','), useMembers().map((member) => member.name).join(','),
          useConnection().state, `failures ${useFailures().length}`, `conflicts ${useConflicts().length}`,
          `undo ${history.canUndo}`, `edit ${useCanEdit()}`,
        ].join(' | ')}
      </p>
    )
  }
  show(room, <Everything />)
  const text = () => screen.getByTestId('all').textContent
  expect(text()).toBe('Yunnan | 2027-05-01,2027-05-02 | Ann,Bo | live | failures 0 | conflicts 0 | undo false | edit true')
  act(() => {
    server.apply('bo', { kind: 'stop.remove', id: 'c' })
    room.client.submit(rename('a', 'mine'))
    room.client.submit(rename('c', 'too late'))
    clock.advance(10)
  })
  act(() => clock.advance(200))
  expect(text()).toContain('failures 1 | conflicts 0 | undo true')
  act(() => surroundings.say('offline'))
  expect(text()).toContain('| offline |')
  act(() => room.close())
  expect(text()).toContain('| offline |')
})
