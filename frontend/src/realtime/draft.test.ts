import { describe, expect, it } from 'vitest'
import { MAX_PIECES, type Operation, type Proposable } from '../protocol.gen'
import { type DraftStorage } from './draft'
import { enter, makeServer } from './testing/room'

const rename = (id: string, name: string): Proposable => ({ kind: 'stop.set_fields', id, fields: { name } })
const add = (id: string, after: string | null = null, day = 'd1'): Proposable => ({ kind: 'stop.add', id, day, after, fields: { name: id } })

async function suggesting(user = 'ann', drafts?: DraftStorage) {
  const { clock, server } = makeServer()
  const room = await enter(server, user, drafts === undefined ? {} : { drafts })
  room.client.review.suggest(true)
  const draft = (...ops: Operation[]) => {
    for (const op of ops) room.client.submit(op)
    return room.state.draft.pieces.map((piece) => piece.op)
  }
  const sent = () => server.received.filter((message) => message.t === 'submit').map((message) => (message.t === 'submit' ? message.op : null))
  return { clock, server, room, draft, sent }
}

describe('suggest mode', () => {
  it('shows edits here and sends nothing', async () => {
    const { clock, server, room, draft, sent } = await suggesting()
    draft(rename('a', 'mine'), { kind: 'stop.move', ids: ['c'], day: 'd2', after: null }, add('n', 'a'))
    clock.advance(5_000)
    expect(room.state.stops.get('a')?.name).toBe('mine')
    expect(room.ids('d1')).toEqual(['a', 'n', 'b'])
    expect(room.ids('d2')).toEqual(['c', 'x'])
    expect(room.state.draft.pieces[0]?.changes).toEqual([{ t: 'stop', id: 'a', set: { name: 'mine' }, old: { name: 'a' } }])
    expect([...room.state.pendingIds]).toEqual([])
    expect(sent()).toEqual([])
    expect(server.snapshot().stops.find((each) => each.id === 'a')?.name).toBe('a')
  })

  it('keeps what it would remove in sight', async () => {
    const { room, draft } = await suggesting()
    draft({ kind: 'stop.remove', id: 'b' }, { kind: 'day.remove', id: 'd2' })
    expect(room.ids('d1')).toEqual(['a', 'b', 'c'])
    expect(room.state.days).toHaveLength(2)
    expect(room.state.draft.pieces.map((piece) => piece.changes[0]?.id)).toEqual(['b', 'x'])
  })

  it('lets through what cannot be proposed', async () => {
    const { clock, room, draft, sent } = await suggesting()
    draft({ kind: 'message.post', id: 'm1', text: 'hello' })
    clock.advance(100)
    expect(sent()).toMatchObject([{ kind: 'message.post' }])
    expect(room.state.draft.pieces).toEqual([])
  })

  it('becomes one proposal, and is shown until that is there', async () => {
    const { clock, server, room, draft, sent } = await suggesting()
    draft(rename('a', 'mine'), { kind: 'stop.remove', id: 'b' })
    server.down = true
    room.socket().break()
    expect(room.client.review.send(' why ')).toBe(true)
    expect(room.state.draft.pieces.every((piece) => piece.sentAs !== null)).toBe(true)
    expect(room.client.review.send('')).toBe(false)
    draft(rename('c', 'later'))
    expect(room.state.stops.get('a')?.name).toBe('mine')
    server.down = false
    clock.advance(30_000)
    expect(sent()).toMatchObject([{ kind: 'proposal.open', note: 'why', ops: [rename('a', 'mine'), { kind: 'stop.remove', id: 'b' }] }])
    expect(room.state.draft.pieces.map((piece) => piece.op)).toEqual([rename('c', 'later')])
    expect(room.state.stops.get('a')?.name).toBe('a')
    expect(room.state.proposals.open).toHaveLength(1)
  })

  it('comes back when it is refused, with the piece to blame', async () => {
    const { clock, server, room, draft } = await suggesting()
    draft(rename('a', 'mine'), rename('b', 'gone'))
    server.refuse = () => ({ code: 'gone', retryable: false, details: { piece: 1 } })
    room.client.review.send('')
    clock.advance(100)
    expect(room.state.failures).toEqual([])
    expect(room.state.draft.pieces).toMatchObject([{ op: rename('a', 'mine'), problem: '', sentAs: null }, { problem: 'gone', sentAs: null }])
    expect(room.state.stops.get('a')?.name).toBe('mine')
  })

  it('stays on top of what others do, and says what no longer fits', async () => {
    const { clock, server, room, draft } = await suggesting()
    draft(rename('a', 'mine'), rename('b', 'mine too'))
    server.apply('bo', rename('a', 'theirs'))
    server.apply('bo', { kind: 'stop.remove', id: 'b' })
    clock.advance(100)
    expect(room.state.stops.get('a')?.name).toBe('mine')
    expect(room.state.draft.pieces[0]?.changes[0]?.old).toEqual({ name: 'theirs' })
    expect(room.state.draft.pieces[1]?.changes).toEqual([])
    room.client.review.send('')
    clock.advance(100)
    expect(server.proposals.all.size).toBe(1)
    expect([...server.proposals.all.values()][0]?.pieces).toHaveLength(1)
  })

  it('lies above own real edits, also those made after it', async () => {
    const { clock, room, draft } = await suggesting()
    draft(rename('a', 'suggested'))
    room.client.review.suggest(false)
    room.client.submit(rename('a', 'real'))
    expect(room.state.stops.get('a')?.name).toBe('suggested')
    expect([...room.state.pendingIds]).toEqual(['a'])
    clock.advance(100)
    expect(room.state.draft.pieces[0]?.changes[0]?.old).toEqual({ name: 'real' })
    room.client.review.draft.discard()
    expect(room.state.stops.get('a')?.name).toBe('real')
  })

  it('has its own undo and redo', async () => {
    const { room, draft } = await suggesting()
    draft(rename('a', 'one'), rename('a', 'two'))
    expect(room.state.undo).toEqual({ canUndo: true, canRedo: false })
    room.client.undo()
    expect(room.state.stops.get('a')?.name).toBe('one')
    room.client.undo()
    expect(room.state.stops.get('a')?.name).toBe('a')
    expect(room.client.undo()).toBe(false)
    room.client.redo()
    expect(room.state.stops.get('a')?.name).toBe('one')
    room.client.review.draft.discard()
    room.client.undo()
    expect(room.state.stops.get('a')?.name).toBe('one')
  })

  it('survives a reload', async () => {
    const kept: { now: string } = { now: 'null' }
    const drafts: DraftStorage = { load: () => JSON.parse(kept.now), save: (draft) => { kept.now = JSON.stringify(draft) } }
    const { server, room, draft } = await suggesting('ann', drafts)
    draft(rename('a', 'mine'))
    room.client.stop()
    const again = await enter(server, 'ann', { drafts })
    expect(again.state.draft.on).toBe(true)
    expect(again.state.stops.get('a')?.name).toBe('mine')
    again.client.review.send('')
    expect(JSON.parse(kept.now).ops).toEqual([])
  })

  it('holds as many pieces as a proposal may', async () => {
    const { room, draft } = await suggesting()
    draft(...Array.from({ length: MAX_PIECES + 1 }, (_, n) => add(`n${n}`)))
    expect(room.state.draft.pieces).toHaveLength(MAX_PIECES)
    expect(room.state.failures).toMatchObject([{ code: 'draft_full' }])
    const wide = await suggesting()
    wide.draft(...Array.from({ length: 9 }, (_, n): Proposable => ({ kind: 'stop.add', id: `n${n}`, fields: { name: 'n', notes: '山'.repeat(9_000) } })))
    expect(wide.room.state.failures.length).toBeGreaterThan(0)
    expect(wide.room.client.review.send('')).toBe(true)
    wide.clock.advance(100)
    expect(wide.server.proposals.all.size).toBe(1)
  })
})

describe('folding', () => {
  it('keeps one piece a record for fields, with the latest values', async () => {
    const { draft } = await suggesting()
    expect(draft(rename('a', 'one'), { kind: 'stop.set_fields', id: 'a', fields: { notes: 'n' } }, rename('a', 'two'))).toEqual([
      { kind: 'stop.set_fields', id: 'a', fields: { name: 'two', notes: 'n' } },
    ])
    expect(draft({ kind: 'stop.set_fields', id: 'a', fields: { notes: '' } })).toHaveLength(1)
  })

  it('forgets an edit that came back to what stands there', async () => {
    const { draft } = await suggesting()
    expect(draft(rename('a', 'one'), rename('a', 'a'))).toEqual([])
    expect(draft({ kind: 'stop.move', ids: ['a'], day: 'd1', after: null })).toEqual([])
  })

  it('puts fields of what it adds into the adding', async () => {
    const { draft } = await suggesting()
    expect(draft(add('n'), rename('n', 'better'), { kind: 'stop.set_fields', id: 'n', fields: { links: { l: { url: 'https://x.y', title: '' } } } })).toMatchObject([
      { kind: 'stop.add', id: 'n', fields: { name: 'better', links: { l: { url: 'https://x.y' } } } },
    ])
  })

  it('moves once', async () => {
    const { draft } = await suggesting()
    expect(draft({ kind: 'stop.move', ids: ['a'], day: 'd2', after: null }, { kind: 'stop.move', ids: ['a'], day: null, after: null })).toEqual([
      { kind: 'stop.move', ids: ['a'], day: null, after: null },
    ])
  })

  it('removes in place of other edits, and leaves nothing of what it had added', async () => {
    const { draft, room } = await suggesting()
    expect(draft(rename('a', 'x'), { kind: 'stop.move', ids: ['a'], day: 'd2', after: null }, { kind: 'stop.remove', id: 'a' })).toEqual([{ kind: 'stop.remove', id: 'a' }])
    draft(add('n', 'b'), add('m', 'n'))
    expect(draft({ kind: 'stop.remove', id: 'n' }).at(-1)).toMatchObject({ id: 'm', after: 'b' })
    expect(room.ids('d1')).toEqual(['a', 'b', 'm', 'c'])
  })

  it('takes removal back when the stop is brought back or worked on', async () => {
    const { draft } = await suggesting()
    expect(draft({ kind: 'stop.remove', id: 'a' }, { kind: 'stop.restore', id: 'a' })).toEqual([])
    expect(draft({ kind: 'stop.remove', id: 'a' }, rename('a', 'kept'))).toEqual([rename('a', 'kept')])
    expect(draft({ kind: 'day.remove', id: 'd2' }, add('n', null, 'd2')).map((op) => op.kind)).toEqual(['stop.set_fields', 'stop.add'])
  })

  it('drops what only makes sense with a piece that is dropped', async () => {
    const { draft, room } = await suggesting()
    draft({ kind: 'day.add', id: 'd3' }, add('n', null, 'd3'), rename('a', 'x'))
    room.client.review.draft.drop(room.state.draft.pieces[0]?.id ?? '')
    expect(room.state.draft.pieces.map((piece) => piece.op)).toEqual([rename('a', 'x')])
  })
})

it.each([
  ['confirmed', false],
  ['refused', true],
])('a step back in the draft brings nothing back as being on its way that is %s by then', async (_, refused) => {
  const { clock, server } = makeServer()
  const ann = await enter(server, 'ann')
  if (refused) server.refuse = (submit) => (submit.op.kind === 'proposal.open' ? { code: 'limit', retryable: false } : null)
  ann.client.review.suggest(true)
  ann.client.submit(rename('a', 'first'))
  ann.client.review.send('')
  ann.client.submit(rename('b', 'second'))
  clock.advance(1_000)
  for (let n = 0; n < 20; n += 1) await Promise.resolve()
  ann.client.undo()
  clock.advance(60_000)
  expect(ann.state.draft.pieces.map((piece) => [piece.op, piece.sentAs])).toEqual(refused ? [[rename('a', 'first'), null]] : [])
})
