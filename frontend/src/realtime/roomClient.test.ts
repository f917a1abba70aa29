import { describe, expect, it } from 'vitest'
import { CLOSE, type Operation, type ServerMessage, type Submit } from '../protocol.gen'
import { enter, makeServer, sampleTrip, stop } from './testing/room'

const rename = (id: string, name: string): Operation => ({ kind: 'stop.set_fields', id, fields: { name } })

describe('joining', () => {
  it('shows the room and its order', async () => {
    const { server } = makeServer()
    const ann = await enter(server, 'ann')
    expect(ann.state).toMatchObject({ status: 'ready', seq: 0, connection: { state: 'live', pendingCount: 0 } })
    expect(ann.state.trip?.title).toBe('Yunnan')
    expect(ann.state.days.map((each) => each.id)).toEqual(['d1', 'd2'])
    expect(ann.ids('d1')).toEqual(['a', 'b', 'c'])
    expect(ann.ids(null)).toEqual(['i'])
    expect(server.received).toMatchObject([{ t: 'join', v: 1, room: 'trip' }])
  })

  it('resumes after a cut with what it has, as the same client', async () => {
    const { clock, server } = makeServer()
    const ann = await enter(server, 'ann')
    server.apply('bo', rename('a', 'first'))
    clock.advance(100)
    ann.socket().break()
    server.apply('bo', rename('a', 'second'))
    clock.advance(5_000)
    const joins = server.received.filter((message) => message.t === 'join')
    expect(joins[1]).toMatchObject({ epoch: 'e1', since: 1, client: joins[0]?.client })
    expect(ann.state.stops.get('a')?.name).toBe('second')
    expect(ann.state.connection.state).toBe('live')
  })

  it('takes a snapshot when it was away for too long', async () => {
    const { clock, server } = makeServer()
    server.resumeLimit = 2
    const ann = await enter(server, 'ann')
    ann.surroundings.say('offline')
    for (let n = 0; n < 5; n += 1) server.apply('bo', rename('a', `name ${n}`))
    server.apply('bo', { kind: 'stop.remove', id: 'b' })
    ann.surroundings.say('online')
    clock.advance(1_000)
    expect(ann.state.seq).toBe(6)
    expect(ann.ids('d1')).toEqual(['a', 'c'])
    expect(server.differences(ann.snapshot())).toEqual([])
  })

  it('starts anew with a restored backup, and still sends what waits', async () => {
    const { clock, server } = makeServer()
    const ann = await enter(server, 'ann')
    server.apply('bo', rename('a', 'lost with the log'))
    clock.advance(100)
    ann.surroundings.say('offline')
    ann.client.submit(rename('b', 'mine'))
    const old = sampleTrip()
    old.stops = [...old.stops, stop('n', { day_id: 'd1', pos: 'a3' })]
    server.restore(old, 'e2')
    ann.surroundings.say('online')
    clock.advance(1_000)
    expect(ann.state.stops.get('a')?.name).toBe('a')
    expect(ann.state.stops.get('b')?.name).toBe('mine')
    expect(server.differences(ann.snapshot())).toEqual([])
    expect((server.received.findLast((m) => m.t === 'submit') as Submit).base).toBe(0)
  })

  it('does not come back when it may not', async () => {
    const { clock, server } = makeServer()
    const ann = await enter(server, 'ann')
    ann.socket().cut(CLOSE.FORBIDDEN, 'no access', { resume: false, retryAfterMs: 0 })
    clock.advance(600_000)
    expect(server.connects).toBe(1)
    expect(ann.state.connection).toMatchObject({ state: 'closed', code: CLOSE.FORBIDDEN })
    ann.client.reconnect()
    clock.advance(1_000)
    expect(ann.state.connection.state).toBe('live')
  })

  it('gives an answer that leaves a hole up, without hammering', async () => {
    const { clock, server } = makeServer()
    const ann = await enter(server, 'ann')
    server.pass = (message) => {
      if (message.t === 'joined') {
        delete message.events
        delete message.snapshot
        message.recovered = true
      }
      return message.t !== 'events'
    }
    server.apply('bo', rename('a', 'x'))
    ann.socket().break()
    clock.advance(60_000)
    expect(server.received.filter((message) => message.t === 'join').length).toBeLessThan(40)
    server.pass = () => true
    clock.advance(60_000)
    expect(ann.state.stops.get('a')?.name).toBe('x')
  })
})

describe('own operations', () => {
  it('show at once and are confirmed by their event', async () => {
    const { clock, server } = makeServer()
    const ann = await enter(server, 'ann')
    const bo = await enter(server, 'bo')
    ann.client.submit({ kind: 'stop.move', ids: ['c'], day: 'd1', after: null })
    expect(ann.ids('d1')).toEqual(['c', 'a', 'b'])
    expect(ann.state.connection.pendingCount).toBe(1)
    expect([...ann.state.pendingIds]).toEqual(['c'])
    expect(bo.ids('d1')).toEqual(['a', 'b', 'c'])
    clock.advance(100)
    expect(ann.state.connection.pendingCount).toBe(0)
    expect(ann.state.pendingIds.size).toBe(0)
    expect(bo.ids('d1')).toEqual(['c', 'a', 'b'])
    expect(ann.state.glow.size).toBe(0)
    expect(bo.state.glow.get('c')?.author).toBe('ann')
  })

  it('stay on top of what others do meanwhile', async () => {
    const { clock, server } = makeServer()
    const ann = await enter(server, 'ann')
    ann.surroundings.say('offline')
    ann.client.submit(rename('a', 'mine'))
    ann.client.submit({ kind: 'stop.add', id: 'n', fields: { name: 'new' }, day: 'd1', after: 'a' })
    server.apply('bo', { kind: 'stop.set_fields', id: 'a', fields: { name: 'theirs', notes: 'n' } })
    server.apply('bo', { kind: 'stop.move', ids: ['b'], day: 'd2', after: null })
    server.refuse = () => ({ code: 'unavailable', retryable: true })
    ann.surroundings.say('online')
    clock.advance(100)
    expect(ann.state.stops.get('a')).toMatchObject({ name: 'mine', notes: 'n' })
    expect(ann.ids('d1')).toEqual(['a', 'n', 'c'])
    server.refuse = () => null
    clock.advance(60_000)
    expect(ann.state.connection.pendingCount).toBe(0)
    expect(server.differences(ann.snapshot())).toEqual([])
    expect(ann.ids('d1')).toEqual(['a', 'n', 'c'])
  })

  it('are sent again with the same id until answered, and happen once', async () => {
    const { clock, server } = makeServer()
    const ann = await enter(server, 'ann')
    let lose = true
    server.pass = (message) => !(lose && message.t === 'events')
    const opId = ann.client.submit(rename('a', 'once'))
    clock.advance(100)
    expect(ann.state.connection.pendingCount).toBe(1)
    ann.socket().break()
    lose = false
    clock.advance(10_000)
    expect(server.submitsOf(opId)).toBeGreaterThanOrEqual(1)
    expect(server.log.filter((event) => event.op_id === opId)).toHaveLength(1)
    expect(ann.state.connection.pendingCount).toBe(0)
  })

  it('are confirmed by `ack`, and the room is asked when the event did not come', async () => {
    const { clock, server } = makeServer()
    const ann = await enter(server, 'ann')
    const lost = new Set<ServerMessage['t']>(['events'])
    server.pass = (message) => !lost.has(message.t)
    const opId = ann.client.submit(rename('a', 'once'))
    clock.advance(5_020)
    expect(server.submitsOf(opId)).toBe(2)
    clock.advance(150 + 50)
    expect(server.received.filter((message) => message.t === 'join')).toHaveLength(2)
    expect(ann.state).toMatchObject({ seq: 1, connection: { pendingCount: 0 } })
    expect(ann.state.stops.get('a')?.name).toBe('once')
  })

  it('are taken back loudly when they are refused', async () => {
    const { clock, server } = makeServer()
    const ann = await enter(server, 'ann')
    server.refuse = () => ({ code: 'limit', retryable: false })
    ann.client.submit({ kind: 'stop.add', id: 'n', fields: { name: 'new' }, day: 'd1', after: null })
    expect(ann.ids('d1')).toEqual(['n', 'a', 'b', 'c'])
    clock.advance(100)
    expect(ann.ids('d1')).toEqual(['a', 'b', 'c'])
    expect(ann.state.connection.pendingCount).toBe(0)
    expect(ann.state.undo.canUndo).toBe(false)
    const [failure] = ann.state.failures
    expect(failure).toMatchObject({ code: 'limit', op: { kind: 'stop.add', id: 'n' } })
    server.refuse = () => null
    failure?.retry()
    failure?.retry()
    expect(ann.state.failures).toEqual([])
    clock.advance(100)
    expect(ann.ids('d1')).toEqual(['n', 'a', 'b', 'c'])
    expect(server.log).toHaveLength(1)
  })

  it('are refused here when a frame could not hold them', async () => {
    const { clock, server } = makeServer()
    const ann = await enter(server, 'ann')
    const links = Object.fromEntries(Array.from({ length: 20 }, (_, n) => [`l${n}`, { url: `https://x.org/${'路'.repeat(1_500)}`, title: '' }]))
    ann.client.submit({ kind: 'stop.set_fields', id: 'a', fields: { links } })
    clock.advance(100)
    expect(ann.state).toMatchObject({ failures: [{ code: 'too_big' }], connection: { state: 'live', pendingCount: 0 } })
    expect(server.received.some((message) => message.t === 'submit')).toBe(false)
  })

  it('can be discarded after a refusal', async () => {
    const { clock, server } = makeServer()
    const ann = await enter(server, 'ann')
    server.apply('bo', { kind: 'stop.remove', id: 'a' })
    ann.client.submit(rename('a', 'too late'))
    clock.advance(100)
    expect(ann.state.failures).toMatchObject([{ code: 'gone' }])
    ann.state.failures[0]?.discard()
    expect(ann.state.failures).toEqual([])
    expect(ann.state.stops.has('a')).toBe(false)
  })

  it('wait and go again when they are refused for now', async () => {
    const { clock, server } = makeServer()
    const ann = await enter(server, 'ann')
    let refusals = 3
    server.refuse = () => (refusals-- > 0 ? { code: 'unavailable', retryable: true } : null)
    ann.client.submit(rename('a', 'at last'))
    clock.advance(100)
    expect(ann.state).toMatchObject({ failures: [], connection: { pendingCount: 1 } })
    clock.advance(30_000)
    expect(ann.state.connection.pendingCount).toBe(0)
    expect(server.log).toHaveLength(1)
  })
})

describe('what others do', () => {
  it('closes a gap by asking again', async () => {
    const { clock, server } = makeServer()
    const ann = await enter(server, 'ann')
    server.pass = (message) => !(message.t === 'events' && message.events[0]?.seq === 2)
    for (const name of ['one', 'two', 'three']) server.apply('bo', rename('a', name))
    clock.advance(50)
    expect(ann.state.stops.get('a')?.name).toBe('one')
    clock.advance(300)
    expect(ann.state).toMatchObject({ seq: 3 })
    expect(ann.state.stops.get('a')?.name).toBe('three')
  })

  it('catches up when the heartbeat shows that it is behind', async () => {
    const { clock, server } = makeServer()
    const ann = await enter(server, 'ann')
    server.pass = (message) => message.t !== 'events'
    server.apply('bo', rename('a', 'unheard'))
    clock.advance(1_000)
    expect(ann.state.seq).toBe(0)
    server.broadcast({ t: 'head', seq: 1 })
    clock.advance(500)
    expect(ann.state.stops.get('a')?.name).toBe('unheard')
  })

  it('keeps the identity of everything that an event does not touch', async () => {
    const { clock, server } = makeServer()
    const ann = await enter(server, 'ann')
    const before = ann.state
    server.apply('bo', rename('a', 'x'))
    clock.advance(50)
    const after = ann.state
    expect(after.stops.get('a')).not.toBe(before.stops.get('a'))
    expect(after.stops.get('b')).toBe(before.stops.get('b'))
    expect(after.stopIds).toBe(before.stopIds)
    expect(after.days).toBe(before.days)
    expect(after.members).toBe(before.members)
    server.apply('bo', { kind: 'stop.move', ids: ['a'], day: 'd2', after: 'x' })
    clock.advance(50)
    expect(ann.state.stopIds.get('')).toBe(before.stopIds.get(''))
    expect(ann.ids('d2')).toEqual(['x', 'a'])
  })

  it('glows for a moment', async () => {
    const { clock, server } = makeServer()
    const ann = await enter(server, 'ann')
    server.apply('bo', rename('a', 'x'))
    clock.advance(50)
    expect(ann.state.glow.get('a')).toMatchObject({ author: 'bo', fields: ['name'] })
    clock.advance(1_200)
    expect(ann.state.glow.size).toBe(0)
  })

  it('tells a change of the own role', async () => {
    const { clock, server } = makeServer()
    const ann = await enter(server, 'ann')
    ann.socket().tell({ t: 'role', role: 'viewer' })
    clock.advance(50)
    expect(ann.state.me.role).toBe('viewer')
  })
})

describe('the same field at once', () => {
  it('tells both, and the loser can make theirs stand', async () => {
    const { clock, server } = makeServer()
    const ann = await enter(server, 'ann')
    const bo = await enter(server, 'bo')
    ann.client.submit(rename('a', 'of ann'))
    bo.client.submit(rename('a', 'of bo'))
    clock.advance(100)
    expect(ann.state.stops.get('a')?.name).toBe('of bo')
    expect(ann.state.conflicts).toMatchObject([
      { outcome: 'lost', record: 'stop', recordId: 'a', field: 'name', mine: 'of ann', theirs: 'of bo', who: 'bo' },
    ])
    expect(bo.state.conflicts).toMatchObject([{ outcome: 'won', mine: 'of bo', theirs: 'of ann', who: 'ann' }])
    ann.conflict().keepMine()
    expect(ann.state.conflicts).toEqual([])
    clock.advance(100)
    expect(bo.state.stops.get('a')?.name).toBe('of ann')
    expect(bo.state.conflicts).toEqual([])
    expect(ann.state.conflicts).toEqual([])
  })

  it('lets the winner take the other value', async () => {
    const { clock, server } = makeServer()
    const ann = await enter(server, 'ann')
    const bo = await enter(server, 'bo')
    ann.client.submit(rename('a', 'of ann'))
    bo.client.submit(rename('a', 'of bo'))
    clock.advance(100)
    bo.conflict().takeTheirs()
    clock.advance(100)
    expect(ann.state.stops.get('a')?.name).toBe('of ann')
    expect(ann.state.conflicts).toEqual([])
    expect(bo.state.conflicts).toEqual([])
  })

  it('says nothing when both wrote the same, or different fields', async () => {
    const { clock, server } = makeServer()
    const ann = await enter(server, 'ann')
    const bo = await enter(server, 'bo')
    ann.client.submit(rename('a', 'same'))
    bo.client.submit(rename('a', 'same'))
    ann.client.submit(rename('b', 'name'))
    bo.client.submit({ kind: 'stop.set_fields', id: 'b', fields: { notes: 'notes' } })
    clock.advance(100)
    expect([ann.state.conflicts, bo.state.conflicts]).toEqual([[], []])
    expect(ann.state.stops.get('b')).toMatchObject({ name: 'name', notes: 'notes' })
  })
})

describe('undo', () => {
  it('takes back what is meant, whatever was done since', async () => {
    const { clock, server } = makeServer()
    const ann = await enter(server, 'ann')
    const removed = ann.client.submit({ kind: 'day.remove', id: 'd2' })
    clock.advance(100)
    ann.client.submit({ kind: 'stop.set_fields', id: 'a', fields: { name: 'later' } })
    clock.advance(100)
    expect(ann.client.undo(removed)).toBe(true)
    clock.advance(100)
    expect([ann.state.days.map((day) => day.id), ann.state.stops.get('a')?.name]).toEqual([['d1', 'd2'], 'later'])
    expect(ann.client.undo(removed)).toBe(false)
  })

  it('takes back and makes again what was done here', async () => {
    const { clock, server } = makeServer()
    const ann = await enter(server, 'ann')
    const settle = () => clock.advance(100)
    ann.client.submit(rename('a', 'one'))
    settle()
    server.apply('bo', rename('b', 'of bo'))
    settle()
    ann.client.submit(rename('a', 'two'))
    settle()
    const name = () => ann.state.stops.get('a')?.name
    expect(ann.client.undo()).toBe(true)
    settle()
    expect(name()).toBe('one')
    ann.client.undo()
    settle()
    expect(name()).toBe('a')
    expect(ann.state.undo).toEqual({ canUndo: false, canRedo: true })
    expect(ann.client.undo()).toBe(false)
    ann.client.redo()
    settle()
    ann.client.redo()
    settle()
    expect(name()).toBe('two')
    expect(ann.state.undo).toEqual({ canUndo: true, canRedo: false })
    expect(ann.state.stops.get('b')?.name).toBe('of bo')
    ann.client.undo()
    settle()
    expect(name()).toBe('one')
  })

  it('withdraws what was not sent, and waits for what is on its way', async () => {
    const { clock, server } = makeServer()
    const ann = await enter(server, 'ann')
    ann.client.type({ kind: 'stop.set_fields', id: 'a', fields: { name: 'typed' } })
    ann.client.undo()
    expect(ann.state.stops.get('a')?.name).toBe('a')
    clock.advance(1_000)
    expect(server.log).toHaveLength(0)
    ann.client.redo()
    expect(ann.state.stops.get('a')?.name).toBe('typed')
    ann.client.undo()
    clock.advance(1_000)
    expect(server.log.map((event) => event.kind)).toEqual(['stop.set_fields', 'undo'])
    expect(ann.state.stops.get('a')?.name).toBe('a')
    expect(ann.state.undo).toEqual({ canUndo: false, canRedo: true })
  })

  it('says when others changed it since', async () => {
    const { clock, server } = makeServer()
    const ann = await enter(server, 'ann')
    ann.client.submit(rename('a', 'one'))
    clock.advance(100)
    server.apply('bo', rename('a', 'of bo'))
    clock.advance(100)
    ann.client.undo()
    clock.advance(100)
    expect(ann.state.failures).toMatchObject([{ code: 'changed_since', op: { kind: 'undo' } }])
    expect(ann.state.undo).toEqual({ canUndo: false, canRedo: false })
  })

  it('forgets what could be made again once something else is done', async () => {
    const { clock, server } = makeServer()
    const ann = await enter(server, 'ann')
    ann.client.submit(rename('a', 'one'))
    clock.advance(100)
    ann.client.undo()
    clock.advance(100)
    ann.client.submit(rename('b', 'two'))
    expect(ann.state.undo).toEqual({ canUndo: true, canRedo: false })
  })
})

it('leaves without a trace of timers', async () => {
  const { clock, server } = makeServer()
  const ann = await enter(server, 'ann')
  ann.client.submit(rename('a', 'x'))
  ann.client.stop()
  clock.advance(20)
  expect(server.sockets.size).toBe(0)
  expect(clock.waiting).toBe(0)
})
