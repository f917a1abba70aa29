import { describe, expect, it } from 'vitest'
import type { Operation, Submit } from '../protocol.gen'
import { Outbox } from './outbox'
import { FakeClock } from './testing/fakeClock'

const title = (text: string): Operation => ({ kind: 'trip.set_fields', fields: { title: text } })
const name = (id: string, text: string): Operation => ({ kind: 'stop.set_fields', id, fields: { name: text } })

function make() {
  const clock = new FakeClock(() => 0.999_999)
  const sent: Submit[] = []
  const wire = { live: true }
  const stored: string[] = []
  const outbox = new Outbox({
    clock,
    send: (message) => {
      sent.push(structuredClone(message))
      return true
    },
    canSend: () => wire.live,
    onStored: (pending) => stored.push(`${pending.opId} ${pending.sent ? 'sent' : 'new'}`),
    onRemoved: (pending) => stored.push(`${pending.opId} gone`),
  })
  const ids = () => sent.map((message) => message.op_id)
  return { clock, outbox, sent, wire, stored, ids }
}

describe('order', () => {
  it('sends operations on different records side by side, on the same one after the other', () => {
    const { outbox, ids } = make()
    outbox.add('one', name('a', '1'), 0)
    outbox.add('two', { kind: 'stop.remove', id: 'a' }, 0)
    outbox.add('three', name('b', '1'), 0)
    expect(ids()).toEqual(['one', 'three'])
    outbox.confirm('one')
    expect(ids()).toEqual(['one', 'three', 'two'])
  })

  it('lets nothing overtake an operation that may touch everything', () => {
    const { outbox, ids } = make()
    outbox.add('one', name('a', '1'), 0)
    outbox.add('undo', { kind: 'undo', seq: 3 }, 0)
    outbox.add('two', name('b', '1'), 0)
    expect(ids()).toEqual(['one'])
    outbox.confirm('one')
    expect(ids()).toEqual(['one', 'undo'])
    outbox.confirm('undo')
    expect(ids()).toEqual(['one', 'undo', 'two'])
  })

  it('keeps a later edit behind one that was postponed', () => {
    const { clock, outbox, ids } = make()
    outbox.add('one', name('a', '1'), 0)
    outbox.postpone('one', 0)
    outbox.add('two', name('a', '2'), 0)
    expect(ids()).toEqual(['one'])
    clock.advance(500)
    expect(ids()).toEqual(['one', 'one'])
    outbox.confirm('one')
    expect(ids()).toEqual(['one', 'one', 'two'])
  })

  it('bounds what is in flight', () => {
    const { outbox, sent } = make()
    for (let n = 0; n < 40; n += 1) outbox.add(`op${n}`, name(`s${n}`, 'x'), 0)
    expect(sent).toHaveLength(16)
    outbox.confirm('op0')
    expect(sent).toHaveLength(17)
  })
})

it('sends a long queue at a pace that the server bears, and all of it', () => {
  const { clock, outbox, wire, sent } = make()
  wire.live = false
  for (let n = 0; n < 300; n += 1) outbox.add(`op${n}`, name(`s${n}`, 'x'), 0)
  wire.live = true
  outbox.pump()
  const perSecond: number[] = []
  for (let second = 0; second < 12; second += 1) {
    const before = sent.length
    for (let n = 0; n < 100; n += 1) {
      clock.advance(10)
      for (const message of [...sent]) outbox.confirm(message.op_id)
    }
    perSecond.push(sent.length - before)
  }
  expect(Math.max(...perSecond.slice(2))).toBeLessThanOrEqual(27)
  expect(perSecond[0]).toBeLessThanOrEqual(75)
  expect(sent.map((message) => message.op_id)).toEqual(Array.from({ length: 300 }, (_, n) => `op${n}`))
})

describe('sending again', () => {
  it('repeats what is not answered in time, with the same id and content', () => {
    const { clock, outbox, sent } = make()
    outbox.add('one', title('x'), 4)
    clock.advance(4_999)
    expect(sent).toHaveLength(1)
    clock.advance(1)
    expect(sent).toHaveLength(2)
    expect(sent[1]).toEqual(sent[0])
    outbox.confirm('one')
    clock.advance(60_000)
    expect(sent).toHaveLength(2)
    expect(clock.waiting).toBe(0)
  })

  it('sends everything again on the next connection', () => {
    const { outbox, wire, ids } = make()
    outbox.add('one', name('a', '1'), 0)
    outbox.add('two', name('b', '1'), 0)
    wire.live = false
    outbox.disconnected()
    outbox.add('three', name('c', '1'), 0)
    wire.live = true
    outbox.pump()
    expect(ids()).toEqual(['one', 'two', 'one', 'two', 'three'])
  })

  it('does not repeat what was acknowledged, and lets it go when its event is known', () => {
    const { clock, outbox, ids } = make()
    outbox.add('one', name('a', '1'), 0)
    outbox.acknowledge('one', 9)
    clock.advance(60_000)
    expect(ids()).toEqual(['one'])
    expect(outbox.confirmUpTo(8)).toEqual([])
    expect(outbox.confirmUpTo(9).map((each) => each.opId)).toEqual(['one'])
    expect(outbox.size).toBe(0)
  })

  it('waits longer each time it is refused for now, and at least as long as it is told', () => {
    const { clock, outbox, sent } = make()
    outbox.add('one', title('x'), 0)
    const waits = [0, 0, 7_000].map((told) => {
      outbox.postpone('one', told)
      const before = sent.length
      const from = clock.now()
      while (sent.length === before) clock.advance(50)
      return clock.now() - from
    })
    expect(waits).toEqual([500, 1_000, 9_000])
  })
})

describe('typing', () => {
  it('takes later text of the same field into what was not sent', () => {
    const { clock, outbox, sent } = make()
    expect(outbox.add('one', name('a', 'D'), 3, true).merged).toBe(false)
    clock.advance(60)
    expect(outbox.add('two', name('a', 'Da'), 4, true).merged).toBe(true)
    clock.advance(60)
    outbox.add('three', name('a', 'Dal'), 5, true)
    expect(sent).toHaveLength(0)
    clock.advance(100)
    expect(sent).toEqual([{ t: 'submit', op_id: 'one', base: 3, op: name('a', 'Dal') }])
  })

  it('sends after a second even when the typing does not stop', () => {
    const { clock, outbox, sent } = make()
    for (let n = 0; n < 15; n += 1) {
      outbox.add(`op${n}`, name('a', 'x'.repeat(n + 1)), 0, true)
      clock.advance(80)
    }
    expect(sent[0]?.op).toEqual(name('a', 'x'.repeat(13)))
  })

  it('sends at once when told', () => {
    const { outbox, sent } = make()
    outbox.add('one', name('a', 'D'), 0, true)
    outbox.flushTyping()
    expect(sent).toHaveLength(1)
  })

  it('never alters what was sent', () => {
    const { outbox } = make()
    outbox.add('one', name('a', 'D'), 0)
    expect(outbox.add('two', name('a', 'Da'), 0).merged).toBe(false)
    expect(outbox.find('one')?.op).toEqual(name('a', 'D'))
  })

  it('merges only the same fields of the same record, with nothing else of it between', () => {
    const { outbox, wire } = make()
    wire.live = false
    outbox.add('one', name('a', '1'), 0)
    expect(outbox.add('two', name('b', '1'), 0).merged).toBe(false)
    expect(outbox.add('three', { kind: 'stop.set_fields', id: 'a', fields: { notes: 'n' } }, 0).merged).toBe(false)
    expect(outbox.add('four', name('a', '2'), 0).merged).toBe(false)
    expect(outbox.add('five', name('a', '3'), 0).merged).toBe(true)
    expect(outbox.add('six', name('b', '2'), 0).merged).toBe(true)
    outbox.add('seven', { kind: 'stop.remove', id: 'b' }, 0)
    expect(outbox.add('eight', name('b', '3'), 0).merged).toBe(false)
  })

  it('merges links by key', () => {
    const { outbox, wire } = make()
    wire.live = false
    const link = { url: 'https://example.org', title: '' }
    outbox.add('one', { kind: 'stop.set_fields', id: 'a', fields: { links: { k: link } } }, 0)
    outbox.add('two', { kind: 'stop.set_fields', id: 'a', fields: { links: { k: null } } }, 0)
    outbox.add('three', { kind: 'stop.set_fields', id: 'a', fields: { links: { l: link } } }, 0)
    expect(outbox.list().map((each) => each.op)).toEqual([
      { kind: 'stop.set_fields', id: 'a', fields: { links: { k: null } } },
      { kind: 'stop.set_fields', id: 'a', fields: { links: { l: link } } },
    ])
  })
})

it('stores each operation before it leaves, and forgets it when it is answered', () => {
  const { outbox, stored } = make()
  outbox.add('one', title('x'), 0)
  outbox.confirm('one')
  expect(stored).toEqual(['one new', 'one sent', 'one gone'])
})
