// @vitest-environment jsdom
import 'fake-indexeddb/auto'
import { IDBFactory } from 'fake-indexeddb'
import { beforeEach, describe, expect, it } from 'vitest'
import type { Operation } from '../protocol.gen'
import { AskingLife, type Life, LockLife } from './pages'
import { clearDevice, IndexedDbStorage } from './storage'
import { FakeSurroundings } from './testing/fakeSurroundings'
import { enter, makeServer, sampleTrip } from './testing/room'

/** Web Locks in memory: exclusive, `ifAvailable` or waiting. */
class FakeLocks {
  private held = new Map<string, Promise<unknown>>()
  request = (async (name: string, a: unknown, b?: unknown) => {
    const options = (typeof a === 'function' ? {} : a) as LockOptions
    const act = (typeof a === 'function' ? a : b) as (lock: Lock | null) => unknown
    while (this.held.has(name)) {
      if (options.ifAvailable) return act(null)
      await this.held.get(name)
    }
    const work = Promise.resolve(act({ name, mode: 'exclusive' }))
    this.held.set(name, work)
    await work.finally(() => this.held.delete(name))
  }) as LockManager['request']
}

const rename = (id: string, name: string): Operation => ({ kind: 'stop.set_fields', id, fields: { name } })
let locks: FakeLocks
let pages = 0

beforeEach(() => {
  globalThis.indexedDB = new IDBFactory()
  locks = new FakeLocks()
})

function storage(userId = 'ann', life: Life = new LockLife(locks), tripId = 'trip'): IndexedDbStorage {
  return new IndexedDbStorage({ tripId, userId, owner: `page${(pages += 1)}`, life })
}

/** Let everything that waits for IndexedDB come through. */
async function settle(): Promise<void> {
  for (let n = 0; n < 40; n += 1) await new Promise((resolve) => setTimeout(resolve, 0))
}

const pending = (opId: string, createdAt: number) => ({ opId, op: rename('a', opId), base: 3, createdAt, sent: false })

describe('the store', () => {
  it('keeps rooms and operations apart by trip and by user', async () => {
    const ann = storage('ann')
    const room = { epoch: 'e', seq: 4, role: 'owner' as const, color: 2, snapshot: sampleTrip() }
    await ann.saveRoom(room)
    await ann.savePending(pending('op-1', 1))
    ann.close()
    for (const other of [storage('bo'), storage('ann', new LockLife(locks), 'other')]) {
      expect(await other.load()).toEqual({ cached: null, pending: [] })
    }
    const again = storage('ann')
    const loaded = await again.load()
    expect(loaded.cached).toMatchObject(room)
    expect(loaded.pending).toEqual([pending('op-1', 1)])
  })

  it('takes over what pages left that have gone, oldest first, and once', async () => {
    const [one, two] = [storage(), storage()]
    await two.savePending(pending('op-2', 2))
    await one.savePending(pending('op-1', 1))
    const third = storage()
    expect((await third.load()).pending).toEqual([])
    one.close()
    two.close()
    await settle()
    expect((await third.adoptOrphans()).map((each) => each.opId)).toEqual(['op-1', 'op-2'])
    expect(await third.adoptOrphans()).toEqual([])
    expect((await storage().load()).pending).toEqual([])
  })

  it('forgets what was answered, a room that may not be seen, and everything on signing out', async () => {
    const one = storage()
    await one.savePending(pending('op-1', 1))
    await one.savePending(pending('op-2', 2))
    await one.removePending('op-1')
    await one.saveRoom({ epoch: 'e', seq: 4, role: 'owner', color: 2, snapshot: sampleTrip() })
    await one.forgetRoom()
    one.close()
    await settle()
    const two = storage()
    const loaded = await two.load()
    expect(loaded.cached).toBeNull()
    expect(loaded.pending.map((each) => each.opId)).toEqual(['op-2'])
    two.close()
    await clearDevice()
    await settle()
    expect((await storage().load()).pending).toEqual([])
  })

  it('is silent where nothing can be kept', async () => {
    globalThis.indexedDB = { open: () => { throw new Error('forbidden') } } as unknown as IDBFactory
    const none = storage()
    await none.savePending(pending('op-1', 1))
    expect(await none.load()).toEqual({ cached: null, pending: [] })
    none.close()
  })

  it('asks other pages where there are no locks', async () => {
    const one = storage('ann', new AskingLife())
    await one.savePending(pending('op-1', 1))
    const two = storage('ann', new AskingLife())
    expect((await two.load()).pending).toEqual([])
    one.close()
    await settle()
    expect((await two.adoptOrphans()).map((each) => each.opId)).toEqual(['op-1'])
    two.close()
  })
})

describe('a room with storage', () => {
  it('is shown offline after a reload, with what was not sent, and sends it on return', async () => {
    const { clock, server } = makeServer()
    const first = storage()
    const ann = await enter(server, 'ann', { storage: first })
    await settle()
    server.apply('bo', rename('b', 'of bo'))
    clock.advance(3_000)
    ann.surroundings.say('offline')
    const opId = ann.client.submit(rename('a', 'offline'))
    ann.client.submit({ kind: 'stop.move', ids: ['c'], day: 'd2', after: null })
    await settle()
    ann.client.stop()
    await settle()

    const surroundings = new FakeSurroundings()
    surroundings.online = false
    const later = await enter(server, 'ann', { storage: storage(), surroundings })
    expect(later.state).toMatchObject({
      status: 'ready', fromCache: true, seq: 1,
      connection: { state: 'offline', offline: true, pendingCount: 2 }, me: { role: 'owner' },
    })
    expect(later.state.stops.get('a')?.name).toBe('offline')
    expect(later.state.stops.get('b')?.name).toBe('of bo')
    expect(later.ids('d2')).toEqual(['c', 'x'])
    server.apply('bo', rename('x', 'meanwhile'))
    surroundings.say('online')
    clock.advance(1_000)
    expect(later.state).toMatchObject({ fromCache: false, connection: { state: 'live', pendingCount: 0 } })
    expect(server.submitsOf(opId)).toBe(1)
    expect(server.differences(later.snapshot())).toEqual([])
    expect(server.received.filter((message) => message.t === 'join').at(-1)).toMatchObject({ epoch: 'e1', since: 1 })
    later.client.stop()
    await settle()
    expect((await storage().load()).pending).toEqual([])
  })

  it.each([
    ['resumes', 50, 1],
    ['takes a snapshot, which does not name operations, and asks', -1, 2],
  ])('knows what was applied although the answer was lost with the page: %s', async (_, resumeLimit, submits) => {
    const { clock, server } = makeServer()
    server.resumeLimit = resumeLimit
    const ann = await enter(server, 'ann', { storage: storage() })
    await settle()
    server.pass = (message) => message.t !== 'events'
    const opId = ann.client.submit(rename('a', 'once'))
    await settle()
    clock.advance(50)
    expect(server.log).toHaveLength(1)
    ann.client.stop()
    await settle()
    server.pass = () => true
    const later = await enter(server, 'ann', { storage: storage() })
    expect(server.submitsOf(opId)).toBe(submits)
    expect(server.log).toHaveLength(1)
    expect(later.state.connection.pendingCount).toBe(0)
    later.client.stop()
  })

  it('leaves the queue of another living tab alone, and takes it over when that tab is gone', async () => {
    const { clock, server } = makeServer()
    server.refuse = () => ({ code: 'unavailable', retryable: true })
    const one = await enter(server, 'ann', { storage: storage() })
    const opId = one.client.submit(rename('a', 'of tab one'))
    await settle()
    const two = await enter(server, 'ann', { storage: storage() })
    await settle()
    expect(two.state.connection.pendingCount).toBe(0)
    one.client.stop()
    await settle()
    server.refuse = () => null
    two.socket().break()
    clock.advance(5_000)
    await settle()
    clock.advance(5_000)
    expect(server.log.map((event) => event.op_id)).toEqual([opId])
    expect(two.state.stops.get('a')?.name).toBe('of tab one')
    expect(two.state.connection.pendingCount).toBe(0)
    two.client.stop()
  })

  it('forgets the copy when access was taken away', async () => {
    const { clock, server } = makeServer()
    const ann = await enter(server, 'ann', { storage: storage() })
    clock.advance(3_000)
    await settle()
    ann.socket().cut(4403, 'no access', { resume: false, retryAfterMs: 0 })
    clock.advance(100)
    ann.client.stop()
    await settle()
    expect((await storage().load()).cached).toBeNull()
  })
})
