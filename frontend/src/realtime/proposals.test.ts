import { beforeEach, describe, expect, it } from 'vitest'
import type { Change, Piece, Proposable, Proposal, RoomEvent, Stop } from '../protocol.gen'
import { DECLINE_MS } from './declines'
import { type AnyRecord, keyOf } from './records'
import { CHANGED, GONE, normalize, ProposalBook, type ShownProposal, withNeeds } from './proposals'
import { FakeClock } from './testing/fakeClock'
import { enter, makeServer, stop } from './testing/room'

const rename: Proposable = { kind: 'stop.set_fields', id: 'a', fields: { name: 'new' } }
const renamePiece = (): Piece => ({ op: rename, touches: [{ t: 'stop', id: 'a', fields: ['name'] }] })

const records = new Map<string, AnyRecord>()
let seq = 0
beforeEach(() => {
  records.clear()
  seq = 10
  records.set('stop:a', stop('a'))
})

const changed = (id: string, set: Change['set'], extra: Partial<RoomEvent> = {}): RoomEvent => {
  const record = records.get(keyOf('stop', id)) as Stop
  records.set(keyOf('stop', id), { ...record, ...set } as Stop)
  seq += 1
  return { seq, op_id: `op-${seq}`, actor: 'bo', at: '', kind: 'stop.set_fields', changes: [{ t: 'stop', id, set }], ...extra }
}

/** A book that has read this proposal, joined at seq 10. */
async function read(proposal: Partial<Proposal>, source?: (ids: readonly string[]) => Promise<{ proposals: Proposal[] }>) {
  const whole: Proposal = { id: 'p', seq: 9, author: 'bo', base: 9, pieces: [renamePiece()], ...proposal }
  const asked: (readonly string[])[] = []
  const clock = new FakeClock()
  const book = new ProposalBook({
    clock, record: (key) => records.get(key) ?? null, onChange: () => undefined,
    source: async (ids) => {
      asked.push(ids)
      return source === undefined ? { proposals: [structuredClone(whole)] } : source(ids)
    },
  })
  book.joined(true, true)
  await settle()
  const piece = (n = 0) => book.state().byId.get('p')?.pieces[n]
  return { book, piece, asked, clock }
}

const settle = async () => {
  for (let n = 0; n < 10; n += 1) await Promise.resolve()
}

describe('staleness', () => {
  it('comes when somebody changes a field that the piece builds on', async () => {
    const { book, piece } = await read({})
    book.apply(changed('a', { notes: 'other' }))
    expect(piece()?.status).toBe('open')
    book.apply(changed('a', { name: 'theirs' }))
    expect(piece()).toMatchObject({ status: 'stale', reason: CHANGED })
    expect(book.state().open).toHaveLength(1)
  })

  it('comes of any field when none is named', async () => {
    const { book, piece } = await read({ pieces: [{ op: { kind: 'stop.remove', id: 'a' }, touches: [{ t: 'stop', id: 'a' }] }] })
    book.apply(changed('a', { pos: 'a5' }))
    expect(piece()?.reason).toBe(CHANGED)
  })

  it('does not come of events that the proposal had seen, nor of its own pieces', async () => {
    const { book, piece } = await read({ base: 12 })
    book.apply(changed('a', { name: 'seen' }))
    book.apply(changed('a', { name: 'seen too' }))
    expect(piece()?.status).toBe('open')
    book.apply(changed('a', { name: 'mine' }, { suggested: { proposal: 'p', by: 'bo' } }))
    expect(piece()?.status).toBe('open')
    book.apply(changed('a', { name: 'of another' }, { suggested: { proposal: 'q', by: 'bo' } }))
    expect(piece()?.status).toBe('stale')
  })

  it('says that a record is gone, and takes that back when it returns as changed', async () => {
    const { book, piece } = await read({})
    book.apply(changed('a', { deleted: true }))
    expect(piece()).toMatchObject({ status: 'stale', reason: GONE })
    book.apply(changed('a', { deleted: false, name: 'back' }))
    expect(piece()?.reason).toBe(CHANGED)
  })

  it('waits for what an earlier piece adds, but not once that was declined', async () => {
    const pieces: Piece[] = [
      { op: { kind: 'stop.add', id: 'n', fields: { name: 'n' } }, touches: [] },
      { op: { kind: 'stop.set_fields', id: 'n', fields: { notes: 'x' } }, touches: [{ t: 'stop', id: 'n', fields: ['notes'] }], needs: [0] },
    ]
    const { book, piece } = await read({ pieces })
    expect(piece(1)?.status).toBe('open')
    book.apply({
      seq: 11, op_id: 'x', actor: 'bo', at: '', kind: 'proposal.decline', changes: [],
      talk: [{ t: 'proposal', id: 'p', set: { pieces: [{ ...pieces[0], status: 'declined' }, pieces[1]], open: true } }],
    })
    expect(piece(1)).toMatchObject({ status: 'stale', reason: GONE })
  })

  it('lets a removed record be brought back', async () => {
    const { piece } = await read({ pieces: [{ op: { kind: 'stop.restore', id: 'z' }, touches: [{ t: 'stop', id: 'z', fields: ['deleted'] }] }] })
    expect(piece()?.status).toBe('open')
  })

  it('is what the server said, where the change was before joining', async () => {
    const { piece } = await read({ pieces: [{ ...renamePiece(), status: 'stale', reason: CHANGED }] })
    expect(piece()).toMatchObject({ status: 'stale', reason: CHANGED })
  })
})

describe('the book', () => {
  it('keeps the same objects while nothing changes', async () => {
    const { book } = await read({})
    const before = book.state()
    book.apply(changed('a', { notes: 'x' }))
    expect(book.state()).toBe(before)
    book.apply(changed('a', { name: 'x' }))
    expect(book.state()).not.toBe(before)
  })

  it('puts changes that came while it was reading over the answer', async () => {
    let release: (value: { proposals: Proposal[] }) => void = () => undefined
    const { book } = await read({}, () => new Promise((resolve) => { release = resolve }))
    const decided = { pieces: [{ ...renamePiece(), status: 'accepted' }], open: false }
    book.apply({ seq: 11, op_id: 'x', actor: 'bo', at: '', kind: 'proposal.accept', changes: [], talk: [{ t: 'proposal', id: 'p', set: decided }] })
    release({ proposals: [{ id: 'p', seq: 9, pieces: [renamePiece()] }] })
    await settle()
    expect(book.state().byId.get('p')?.open).toBe(false)
    expect(book.state().open).toEqual([])
  })

  it('asks again for what it knew when events were missed, and for what somebody looks at', async () => {
    const { book, asked } = await read({})
    book.joined(true, false)
    expect(asked).toEqual([[]])
    book.joined(true, true)
    await settle()
    expect(asked[1]).toEqual(['p'])
    book.want('p')
    book.want('old')
    await settle()
    expect(asked[2]).toEqual(['old', 'p'])
  })

  it('tries again after a failure, and knows nothing as a visitor', async () => {
    let works = false
    const { book, clock } = await read({}, async () => {
      if (!works) throw new Error('down')
      return { proposals: [{ id: 'p', pieces: [renamePiece()] }] }
    })
    expect(book.state().status).toBe('failed')
    works = true
    clock.advance(10_000)
    await settle()
    expect(book.state()).toMatchObject({ status: 'ready', open: [{ id: 'p' }] })
    book.joined(false, false)
    expect(book.state().byId.size).toBe(0)
  })

  it('leaves decided ones out of those that wait; all stale ones still wait to be put away', async () => {
    const { book } = await read({ open: false })
    expect(book.state().open).toEqual([])
    const stale = await read({ pieces: [{ ...renamePiece(), status: 'stale', reason: GONE }] })
    expect(stale.book.state().open).toHaveLength(1)
  })
})

it('takes along what pieces need', () => {
  const piece = (needs: number[], status: Piece['status'] = 'open'): Piece => ({ ...renamePiece(), needs, status: status ?? 'open' })
  const proposal: ShownProposal = normalize({ id: 'p', pieces: [piece([]), piece([0]), piece([1]), piece([], 'accepted'), piece([3])] })
  expect(withNeeds(proposal, [2])).toEqual([0, 1, 2])
  expect(withNeeds(proposal, [4])).toEqual([4])
})

describe('in a room', () => {
  it('tells everybody who joins, and those who are there', async () => {
    const { clock, server } = makeServer()
    const ann = await enter(server, 'ann')
    const bo = await enter(server, 'bo')
    ann.client.review.suggest(true)
    ann.client.submit(rename)
    ann.client.review.send('better')
    clock.advance(100)
    expect(bo.state.proposals.open).toMatchObject([{ author: 'ann', note: 'better', pieces: [{ status: 'open' }] }])
    const late = await enter(server, 'late')
    await settle()
    expect(late.state.proposals.open).toHaveLength(1)
  })

  it('accepting makes ordinary events, which the accepter can take back together', async () => {
    const { clock, server } = makeServer()
    server.apply('bo', { kind: 'proposal.open', id: 'p', ops: [rename, { kind: 'stop.remove', id: 'b' }, { kind: 'stop.set_fields', id: 'c', fields: { notes: 'n' } }] })
    const ann = await enter(server, 'ann')
    await settle()
    ann.client.review.accept('p', [0, 1])
    clock.advance(100)
    expect(ann.state.stops.get('a')?.name).toBe('new')
    expect(ann.ids('d1')).toEqual(['a', 'c'])
    expect(ann.state.outcome).toMatchObject({ proposal: 'p', seqs: [2, 3], stale: 0 })
    expect(ann.state.proposals.open[0]?.pieces.map((each) => each.status)).toEqual(['accepted', 'accepted', 'open'])
    ann.client.review.revert(ann.state.outcome as NonNullable<typeof ann.state.outcome>)
    clock.advance(500)
    expect(ann.state.stops.get('a')?.name).toBe('a')
    expect(ann.ids('d1')).toEqual(['a', 'b', 'c'])
    expect(ann.state.undo.canRedo).toBe(true)
  })

  it('undo takes the last accepted piece back, and not one that was accepted elsewhere', async () => {
    const { clock, server } = makeServer()
    server.apply('bo', { kind: 'proposal.open', id: 'p', ops: [rename, { kind: 'stop.remove', id: 'b' }] })
    const ann = await enter(server, 'ann')
    const bo = await enter(server, 'bo')
    await settle()
    ann.client.review.accept('p')
    clock.advance(100)
    expect(bo.state.undo.canUndo).toBe(false)
    ann.client.undo()
    clock.advance(100)
    expect(bo.ids('d1')).toEqual(['a', 'b', 'c'])
    expect(bo.state.stops.get('a')?.name).toBe('new')
  })

  it('declines in a moment: shown at once, to be taken back until it is sent', async () => {
    const { clock, server } = makeServer()
    server.apply('bo', { kind: 'proposal.open', id: 'p', ops: [rename, { kind: 'stop.remove', id: 'b' }] })
    const ann = await enter(server, 'ann')
    const bo = await enter(server, 'bo')
    await settle()
    const statuses = (who: typeof ann) => who.state.proposals.byId.get('p')?.pieces.map((each) => each.status)
    let sent = 0
    const back = ann.client.review.declineSoon('p', null, () => (sent += 1))
    expect(statuses(ann)).toEqual(['declined', 'declined'])
    expect(ann.state.proposals.open).toEqual([])
    clock.advance(DECLINE_MS - 1)
    expect(back()).toBe(true)
    clock.advance(DECLINE_MS)
    expect([statuses(ann), statuses(bo), sent]).toEqual([['open', 'open'], ['open', 'open'], 0])
    const late = ann.client.review.declineSoon('p', [1], () => (sent += 1))
    clock.advance(DECLINE_MS)
    expect([late(), sent, statuses(ann)]).toEqual([false, 1, ['open', 'declined']])
    clock.advance(100)
    expect(statuses(bo)).toEqual(['open', 'declined'])
    expect(statuses(ann)).toEqual(['open', 'declined'])
  })

  it('sends a declining before whatever else is decided, before the page goes, and not what others decided', async () => {
    const { clock, server } = makeServer()
    for (const id of ['p', 'q', 'r']) server.apply('bo', { kind: 'proposal.open', id, ops: [rename, { kind: 'stop.remove', id: 'c' }] })
    const ann = await enter(server, 'ann')
    await settle()
    const decisions = () => server.log.filter((event) => event.kind === 'proposal.decline' || event.kind === 'proposal.accept').map((event) => event.kind)
    ann.client.review.declineSoon('p', [1], () => undefined)
    ann.client.review.accept('p')
    clock.advance(100)
    expect(decisions()).toEqual(['proposal.decline', 'proposal.accept'])
    expect(ann.ids('d1')).toEqual(['a', 'b', 'c'])
    ann.client.review.declineSoon('q', null, () => undefined)
    server.apply('bo', { kind: 'proposal.decline', id: 'q' })
    clock.advance(100 + DECLINE_MS)
    expect(decisions()).toHaveLength(3)
    expect(ann.state.failures).toEqual([])
    ann.client.review.declineSoon('r', null, () => undefined)
    ann.client.review.flush()
    clock.advance(100)
    expect(server.received.filter((message) => message.t === 'submit').at(-1)).toMatchObject({ op: { kind: 'proposal.decline', id: 'r' } })
  })

  it('declines pieces', async () => {
    const { clock, server } = makeServer()
    server.apply('bo', { kind: 'proposal.open', id: 'p', ops: [rename] })
    const ann = await enter(server, 'ann')
    await settle()
    ann.client.review.decline('p')
    clock.advance(100)
    expect(ann.state.proposals.open).toEqual([])
    expect(ann.state.proposals.byId.get('p')?.pieces[0]?.status).toBe('declined')
    expect(ann.state.stops.get('a')?.name).toBe('a')
  })
})
