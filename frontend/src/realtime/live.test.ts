// @vitest-environment node
/**
 * The room client against a real server: `VITE_TONGYOU_URL=http://127.0.0.1:8000 npx vitest run live`.
 * Skipped without one. Several people edit at random while their connections are cut.
 */
import { expect, it } from 'vitest'
import { Api } from '../api/client'
import type { Operation, Snapshot } from '../protocol.gen'
import { systemClock } from './clock'
import { newId } from './ids'
import { same } from './records'
import { RoomClient } from './roomClient'
import type { WebSocketLike } from './socket'
import { initialState, type RoomState } from './state'
import { noStorage } from './storage'
import { seeded } from './testing/fakeClock'
import { FakeSurroundings } from './testing/fakeSurroundings'

const url = import.meta.env['VITE_TONGYOU_URL'] as string | undefined

type NodeSocket = new (url: string, options: { headers: Record<string, string> }) => WebSocketLike

/** An account with its own cookies. */
function visitor(base: string) {
  const jar = new Map<string, string>()
  const cookie = () => [...jar].map(([name, value]) => `${name}=${value}`).join('; ')
  const api = new Api({
    cookies: cookie,
    fetch: async (path, init) => {
      const headers = { ...(init?.headers as Record<string, string>), Cookie: cookie() }
      const answer = await fetch(base + String(path), { ...init, headers })
      for (const line of answer.headers.getSetCookie()) {
        const [, name, value] = /^([^=]+)=([^;]*)/.exec(line) as unknown as [string, string, string]
        jar.set(name, value)
      }
      return answer
    },
  })
  return { api, cookie }
}

async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let n = 0; n < 600; n += 1) {
    if (await holds()) return
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error(`never: ${what}`)
}

async function enter(base: string, tripId: string, userId: string, cookie: () => string) {
  const { WebSocket } = (await import(/* @vite-ignore */ 'ws' as string)) as { WebSocket: NodeSocket }
  const sockets: WebSocketLike[] = []
  const room = { state: initialState(), sockets, client: null as unknown as RoomClient, surroundings: new FakeSurroundings() }
  room.client = new RoomClient({
    tripId, userId, url: `${base.replace('http', 'ws')}/api/socket`, clock: systemClock, storage: noStorage,
    surroundings: room.surroundings,
    openSocket: (to) => {
      const socket = new WebSocket(to, { headers: { Cookie: cookie(), Origin: base } })
      sockets.push(socket)
      return socket
    },
    onUpdate: (update) => (room.state = { ...room.state, ...update }),
  })
  await room.client.start()
  await until('live', () => room.state.connection.state === 'live')
  return room
}

function shown(state: RoomState): Snapshot {
  const byId = <T extends { id: string }>(items: Iterable<T>) => [...items].sort((a, b) => (a.id < b.id ? -1 : 1))
  return { trip: state.trip as Snapshot['trip'], days: byId(state.days), stops: byId(state.stops.values()), members: byId(state.members.values()) }
}

it.skipIf(url === undefined)('everybody ends with what the server has', { timeout: 120_000 }, async () => {
  const base = url as string
  const chance = seeded(7)
  const owner = visitor(base)
  const { user } = await owner.api.guest('Ann', 'zh')
  const { trip } = await owner.api.createTrip({ title: '云南', start_date: '2027-05-01', end_date: '2027-05-04' })
  const { url: invitation } = await owner.api.createInvite(trip.id, 'editor')
  const rooms = [await enter(base, trip.id, user.id, owner.cookie)]
  for (const name of ['Bo', 'Cy']) {
    const guest = visitor(base)
    const answer = await guest.api.guest(name)
    await guest.api.acceptInvite(invitation.split('/').at(-1) as string)
    rooms.push(await enter(base, trip.id, answer.user.id, guest.cookie))
  }
  const pick = <T>(items: readonly T[]): T | undefined => items[Math.floor(chance() * items.length)]
  for (let round = 0; round < 150; round += 1) {
    for (const room of rooms) {
      const id = pick([...room.state.stops.keys()]) ?? 'none'
      const day = pick(room.state.days.map((each) => each.id)) ?? null
      const after = pick(room.state.stopIds.get(day ?? '') ?? []) ?? null
      const ops: Operation[] = [
        { kind: 'stop.add', id: newId(), fields: { name: `stop ${round}` }, day, after },
        { kind: 'stop.set_fields', id, fields: { name: `name ${round}` } },
        { kind: 'stop.set_fields', id, fields: { notes: `notes ${round}`, lat: 25.5, lng: 100.25 } },
        { kind: 'stop.move', ids: [id], day, after },
        { kind: 'day.move', id: day ?? '', after: pick(room.state.days.map((each) => each.id)) ?? null },
      ]
      const roll = chance()
      if (roll < 0.3) room.client.submit(pick(room.state.stops.size < 5 ? ops.slice(0, 1) : ops) as Operation)
      else if (roll < 0.33) room.client.submit({ kind: 'stop.remove', id })
      else if (roll < 0.36) room.client.undo()
      else if (roll < 0.38) (room.sockets.at(-1) as WebSocketLike & { terminate(): void }).terminate()
      else if (roll < 0.42) room.surroundings.say(room.surroundings.online ? 'offline' : 'online')
      room.client.moveCursor({ surface: 'map', x: round, y: 1 })
    }
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  for (const room of rooms) room.surroundings.say('online')
  await until('nothing waits', () => rooms.every((room) => room.state.connection.pendingCount === 0 && room.state.connection.state === 'live'))
  const truth = await owner.api.trip(trip.id)
  await until('all have seen everything', () => rooms.every((room) => room.state.seq === truth.seq))
  const want = shown({ ...initialState(), trip: truth.snapshot.trip, days: truth.snapshot.days,
    stops: new Map(truth.snapshot.stops.map((each) => [each.id, each])), members: new Map(truth.snapshot.members.map((each) => [each.id, each])) })
  for (const room of rooms) {
    const have = shown(room.state)
    expect(have.stops.filter((each, n) => !same(each, want.stops[n] ?? null))).toEqual([])
    expect(have).toEqual(want)
    expect(room.state.days.map((each) => each.id)).toEqual(truth.snapshot.days.map((each) => each.id))
    expect(room.state.people).toHaveLength(3)
  }
  const codes = rooms.flatMap((room) => room.state.failures.map((failure) => failure.code))
  const expected = new Set(['gone', 'not_found', 'changed_since'])
  expect(codes.filter((code) => !expected.has(code))).toEqual([])
  for (const room of rooms) room.client.stop()
})
