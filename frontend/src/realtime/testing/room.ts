/** A small trip, and a room client joined to a fake server, for tests. */
import { DEFAULTS, type Day, type Snapshot, type Stop } from '../../protocol.gen'
import { type DraftStorage, noDraftStorage } from '../draft'
import type { Conflict, RoomState } from '../state'
import { initialState } from '../state'
import { noStorage, type RoomStorage } from '../storage'
import { RoomClient } from '../roomClient'
import { FakeClock } from './fakeClock'
import { FakeServer, type FakeSocket } from './fakeServer'
import { FakeSurroundings } from './fakeSurroundings'

export const stop = (id: string, fields: Partial<Stop> = {}): Stop => ({ id, ...DEFAULTS.stop, name: id, ...fields })
export const day = (id: string, fields: Partial<Day> = {}): Day => ({ id, ...DEFAULTS.day, ...fields })

/** Two dated days, `d1` with `a` `b` `c`, `d2` with `x`, and the idea `i`. */
export function sampleTrip(): Snapshot {
  return {
    trip: { id: 'trip', ...DEFAULTS.trip, title: 'Yunnan', start_date: '2027-05-01', end_date: '2027-05-02' },
    days: [day('d1', { date: '2027-05-01' }), day('d2', { date: '2027-05-02' })],
    stops: [
      stop('a', { day_id: 'd1', pos: 'a0' }), stop('b', { day_id: 'd1', pos: 'a1' }),
      stop('c', { day_id: 'd1', pos: 'a2' }), stop('x', { day_id: 'd2', pos: 'a0' }), stop('i', { status: 'idea' }),
    ],
    members: [
      { id: 'ann', name: 'Ann', role: 'owner', color: 0, joined_at: '2027-01-01', deleted: false },
      { id: 'bo', name: 'Bo', role: 'editor', color: 1, joined_at: '2027-01-02', deleted: false },
    ],
  }
}

export interface TestRoom {
  client: RoomClient
  state: RoomState
  updates: Partial<RoomState>[]
  surroundings: FakeSurroundings
  /** The socket of this client that is open now. */
  socket(): FakeSocket
  ids(dayId: string | null): readonly string[]
  conflict(): Conflict
  snapshot(): Snapshot
}

export function makeServer(chance?: () => number): { clock: FakeClock; server: FakeServer } {
  const clock = new FakeClock(chance)
  return { clock, server: new FakeServer(clock, sampleTrip()) }
}

export async function enter(
  server: FakeServer,
  user: string,
  options: { storage?: RoomStorage; drafts?: DraftStorage; surroundings?: FakeSurroundings; settleMs?: number } = {},
): Promise<TestRoom> {
  const surroundings = options.surroundings ?? new FakeSurroundings()
  const open = server.opener(user)
  let socket: FakeSocket | null = null
  const room = {
    state: initialState(),
    updates: [] as Partial<RoomState>[],
    surroundings,
    socket: () => socket as FakeSocket,
    ids: (dayId: string | null) => room.state.stopIds.get(dayId ?? '') ?? [],
    conflict: () => room.state.conflicts[0] as Conflict,
    snapshot: (): Snapshot => ({
      trip: room.state.trip as Snapshot['trip'], days: [...room.state.days], stops: [...room.state.stops.values()],
      members: [...room.state.members.values()],
    }),
  } as TestRoom
  room.client = new RoomClient({
    tripId: 'trip', userId: user, url: 'ws://test', clock: server.clock, surroundings,
    openSocket: (url) => (socket = open(url) as FakeSocket),
    storage: options.storage ?? noStorage,
    drafts: options.drafts ?? noDraftStorage,
    proposals: async (ids) => server.proposals.read(ids),
    talk: server.talk.source(user),
    onUpdate: (update) => {
      room.updates.push(update)
      room.state = { ...room.state, ...update }
    },
  })
  await room.client.start()
  ;(server.clock as FakeClock).advance(options.settleMs ?? 100)
  return room
}
