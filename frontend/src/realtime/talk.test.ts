import { describe, expect, it } from 'vitest'
import type { ClientMessage, Operation, Stream } from '../protocol.gen'
import type { ListKey, TalkMessage } from './state'
import { grow } from './streams'
import { enter, makeServer, type TestRoom } from './testing/room'

const post = (id: string, text = id, more: Partial<Extract<Operation, { kind: 'message.post' }>> = {}): Operation =>
  ({ kind: 'message.post', id, text, ...more })
const on = { t: 'stop' as const, id: 'a' }

/** What promises have to say, without time passing. */
async function settle(): Promise<void> {
  for (let n = 0; n < 20; n += 1) await Promise.resolve()
}

async function room(server: ReturnType<typeof makeServer>['server'], user = 'ann', options: Parameters<typeof enter>[2] = {}): Promise<TestRoom> {
  const entered = await enter(server, user, options)
  await settle()
  return entered
}

const list = (at: TestRoom, key: ListKey = 'chat') => at.state.talk.lists.get(key)
const texts = (at: TestRoom, key: ListKey = 'chat') => (list(at, key)?.ids ?? []).map((id) => at.state.talk.messages.get(id)?.text)
const message = (at: TestRoom, id: string) => at.state.talk.messages.get(id) as TalkMessage
const sent = <T extends ClientMessage['t']>(server: { received: ClientMessage[] }, t: T) =>
  server.received.filter((each): each is Extract<ClientMessage, { t: T }> => each.t === t)

describe('messages', () => {
  it('come from the newest page, then by events, every field present', async () => {
    const { clock, server } = makeServer()
    server.apply('bo', post('m1', 'before'))
    const ann = await room(server)
    expect(texts(ann)).toEqual(['before'])
    server.apply('bo', post('m2', 'live'))
    clock.advance(50)
    expect(texts(ann)).toEqual(['before', 'live'])
    expect(message(ann, 'm2')).toMatchObject({ channel: 'chat', reply_to: null, mentions: [], reactions: {}, deleted: false, answer: null, pending: false })
  })

  it('stay in the order of their seqs, once each, whichever way they came', async () => {
    const { clock, server } = makeServer()
    for (let n = 1; n <= 100; n += 1) server.apply('bo', post(`m${n}`))
    const ann = await room(server)
    expect(texts(ann)).toEqual(Array.from({ length: 40 }, (_, n) => `m${n + 61}`))
    expect(list(ann)).toMatchObject({ status: 'ready', more: true })
    const older = ann.client.talk.older('chat')
    void ann.client.talk.older('chat')
    server.apply('bo', post('late'))
    clock.advance(50)
    await older
    expect(texts(ann)).toEqual([...Array.from({ length: 80 }, (_, n) => `m${n + 21}`), 'late'])
    await ann.client.talk.older('chat')
    expect(texts(ann)).toHaveLength(101)
    expect(list(ann)?.more).toBe(false)
    expect(await ann.client.talk.older('chat')).toBe(false)
    expect(server.talk.queries.map((query) => query.before)).toEqual([undefined, 61, 21])
  })

  it('do not lose what happened while their page was under way', async () => {
    const { clock, server } = makeServer()
    server.apply('bo', post('m1', 'old'))
    let release = (): void => undefined
    server.talk.hold = new Promise((resolve) => (release = resolve))
    const ann = await room(server)
    expect(list(ann)?.status).toBe('loading')
    server.apply('bo', { kind: 'message.edit', id: 'm1', text: 'new' })
    server.apply('bo', post('m2'))
    clock.advance(50)
    release()
    await settle()
    expect(texts(ann)).toEqual(['new', 'm2'])
  })

  it('that are changed and were never loaded are not made up', async () => {
    const { clock, server } = makeServer()
    for (let n = 1; n <= 50; n += 1) server.apply('bo', post(`m${n}`))
    const ann = await room(server)
    server.apply('bo', { kind: 'message.edit', id: 'm1', text: 'changed' })
    clock.advance(50)
    expect(ann.state.talk.messages.has('m1')).toBe(false)
    expect(await ann.client.talk.find('chat', 'm1')).toBe(true)
    expect(message(ann, 'm1').text).toBe('changed')
    expect(await ann.client.talk.find('chat', 'nobody said this')).toBe(false)
  })

  it('that are only quoted are known and not listed', async () => {
    const { server } = makeServer()
    for (let n = 1; n <= 50; n += 1) server.apply('bo', post(`m${n}`))
    server.apply('bo', post('reply', 'yes', { reply_to: 'm1' }))
    const ann = await room(server)
    expect(message(ann, 'm1').text).toBe('m1')
    expect(list(ann)?.ids).not.toContain('m1')
    await ann.client.talk.find('chat', 'm1')
    expect(list(ann)?.ids).toContain('m1')
  })

  it('are asked for again after too long an absence, and after a failure', async () => {
    const { clock, server } = makeServer()
    server.resumeLimit = 2
    server.talk.down = true
    const ann = await room(server)
    expect(list(ann)?.status).toBe('failed')
    server.talk.down = false
    expect(await ann.client.talk.open('chat')).toBe(true)
    ann.surroundings.say('offline')
    for (let n = 1; n <= 5; n += 1) server.apply('bo', post(`m${n}`))
    ann.surroundings.say('online')
    clock.advance(1_000)
    await settle()
    expect(texts(ann)).toEqual(['m1', 'm2', 'm3', 'm4', 'm5'])
  })

  it('missed while away arrive by resuming', async () => {
    const { clock, server } = makeServer()
    const ann = await room(server)
    ann.socket().break()
    server.apply('bo', post('m1'))
    clock.advance(5_000)
    await settle()
    expect(texts(ann)).toEqual(['m1'])
    expect(server.talk.queries).toHaveLength(1)
  })
})

describe('own words', () => {
  it('show at once as waiting, and are confirmed by their event', async () => {
    const { clock, server } = makeServer()
    const ann = await room(server)
    ann.client.submit(post('m1', 'hello', { about: on }))
    expect(message(ann, 'm1')).toMatchObject({ text: 'hello', author: 'ann', about: on, pending: true, seq: 0 })
    server.apply('bo', post('m2', 'first there'))
    clock.advance(100)
    expect(texts(ann)).toEqual(['first there', 'hello'])
    expect(message(ann, 'm1')).toMatchObject({ pending: false, seq: 2 })
  })

  it('keep their order, also when the first has to wait', async () => {
    const { clock, server } = makeServer()
    const ann = await room(server)
    let refused = false
    server.refuse = (submit) => {
      if (refused || submit.op.kind !== 'message.post') return null
      refused = true
      return { code: 'unavailable', retryable: true }
    }
    for (const id of ['one', 'two', 'three']) ann.client.submit(post(id))
    clock.advance(10_000)
    expect([...server.talk.all.keys()]).toEqual(['one', 'two', 'three'])
    expect(texts(ann)).toEqual(['one', 'two', 'three'])
  })

  it('that are refused leave the list, and the failure has their text', async () => {
    const { clock, server } = makeServer()
    const ann = await room(server)
    server.refuse = () => ({ code: 'forbidden', retryable: false })
    ann.client.submit(post('m1', 'what I wrote'))
    clock.advance(100)
    expect(texts(ann)).toEqual([])
    expect(ann.state.failures).toMatchObject([{ code: 'forbidden', op: { text: 'what I wrote' } }])
    server.refuse = () => null
    ann.state.failures[0]?.retry()
    clock.advance(100)
    expect(texts(ann)).toEqual(['what I wrote'])
    expect(ann.state.failures).toEqual([])
  })

  it('written offline wait, and go out once', async () => {
    const { clock, server } = makeServer()
    const ann = await room(server)
    ann.surroundings.say('offline')
    ann.client.submit(post('m1'))
    ann.client.submit({ kind: 'message.edit', id: 'm1', text: 'better' })
    expect(message(ann, 'm1')).toMatchObject({ text: 'better', pending: true })
    ann.surroundings.say('online')
    clock.advance(1_000)
    expect([...server.talk.all.values()]).toMatchObject([{ id: 'm1', text: 'better' }])
    expect(message(ann, 'm1')).toMatchObject({ text: 'better', pending: false })
  })

  it('are edited, deleted, reacted to and resolved at once', async () => {
    const { clock, server } = makeServer()
    server.apply('ann', post('m1'))
    server.apply('bo', post('c1', 'why?', { channel: 'comment', about: on }))
    const ann = await room(server)
    await ann.client.talk.open('stop:a')
    const ops: [Operation, Partial<TalkMessage>, Partial<TalkMessage>][] = [
      [{ kind: 'message.react', id: 'm1', emoji: '👍' }, { reactions: { '👍': ['ann'] } }, { reactions: { '👍': ['ann'] } }],
      [{ kind: 'message.react', id: 'm1', emoji: '👍', on: false }, { reactions: {} }, { reactions: {} }],
      [{ kind: 'message.edit', id: 'm1', text: 'new' }, { text: 'new', pending: true }, { text: 'new', pending: false }],
      [{ kind: 'message.delete', id: 'm1' }, { text: '', deleted: true }, { text: '', deleted: true }],
      [{ kind: 'comment.resolve', id: 'c1' }, { resolved_by: 'ann' }, { resolved_by: 'ann' }],
      [{ kind: 'comment.resolve', id: 'c1', resolved: false }, { resolved_by: null }, { resolved_by: null }],
    ]
    for (const [op, atOnce, after] of ops) {
      const { id } = op as { id: string }
      ann.client.submit(op)
      expect(message(ann, id)).toMatchObject(atOnce)
      clock.advance(100)
      expect(message(ann, id)).toMatchObject(after)
    }
  })
})

describe('comments', () => {
  it('stand in the list of their record and in that of all', async () => {
    const { clock, server } = makeServer()
    server.apply('bo', post('c1', 'on a', { channel: 'comment', about: { ...on, field: 'notes' } }))
    server.apply('bo', post('c2', 'on b', { channel: 'comment', about: { t: 'stop', id: 'b' } }))
    server.apply('bo', post('m1', 'chat about a', { about: on }))
    const ann = await room(server)
    await Promise.all([ann.client.talk.open('stop:a'), ann.client.talk.open('comments')])
    ann.client.submit(post('c3', 'reply', { channel: 'comment', reply_to: 'c1' }))
    expect(texts(ann, 'stop:a')).toEqual(['on a', 'reply'])
    expect(message(ann, 'c3').about).toMatchObject(on)
    clock.advance(100)
    expect(texts(ann, 'stop:a')).toEqual(['on a', 'reply'])
    expect(texts(ann, 'comments')).toEqual(['on a', 'on b', 'reply'])
    expect(texts(ann)).toEqual(['chat about a'])
  })

  it('are counted, and counted again where a change does not say enough', async () => {
    const { clock, server } = makeServer()
    server.apply('bo', post('c1', 'old', { channel: 'comment', about: on }))
    const ann = await room(server)
    const count = () => ann.state.talk.threads.get('stop:a')
    expect(count()).toEqual({ open: 1, total: 1 })
    server.apply('bo', post('c2', 'new', { channel: 'comment', about: on }))
    server.apply('ann', post('c3', 'reply', { channel: 'comment', reply_to: 'c2' }))
    clock.advance(50)
    expect(count()).toEqual({ open: 2, total: 3 })
    server.apply('bo', { kind: 'comment.resolve', id: 'c2' })
    clock.advance(50)
    expect(count()).toEqual({ open: 1, total: 3 })
    // c1 was never loaded here: what resolving and deleting it changes is not known.
    server.apply('bo', { kind: 'comment.resolve', id: 'c1' })
    server.apply('bo', { kind: 'message.delete', id: 'c2' })
    clock.advance(5_000)
    await settle()
    expect(count()).toEqual({ open: 0, total: 2 })
  })

  it('are counted once, whether a page or an event brings them first', async () => {
    const { clock, server } = makeServer()
    server.apply('bo', post('c1', 'old', { channel: 'comment', about: on }))
    const ann = await room(server)
    const count = () => ann.state.talk.threads.get('stop:a')
    // Events are under way while the page with all of it is here already.
    server.apply('bo', post('c2', 'new', { channel: 'comment', about: on }))
    server.apply('bo', { kind: 'comment.resolve', id: 'c1' })
    await ann.client.talk.open('stop:a')
    expect(texts(ann, 'stop:a')).toEqual(['old', 'new'])
    const heard: string[] = []
    ann.client.talk.onMessage((each) => heard.push(each.id))
    clock.advance(50)
    expect(count()).toEqual({ open: 1, total: 2 })
    expect(ann.state.talk.unread).toBe(2)
    expect(heard).toEqual(['c2'])
  })
})

describe('read marks', () => {
  it('count what others said since, and fall when it is seen', async () => {
    const { clock, server } = makeServer()
    server.apply('bo', post('m1'))
    server.apply('ann', post('m2'))
    const ann = await room(server)
    expect(ann.state.talk.unread).toBe(1)
    server.apply('bo', post('m3'))
    clock.advance(50)
    expect(ann.state.talk.unread).toBe(2)
    ann.client.talk.see('chat', list(ann)?.ids ?? [])
    expect(ann.state.talk.unread).toBe(0)
    clock.advance(50)
    expect(server.talk.marks.get('ann')).toBe(3)
  })

  it('are told at most once a second, the last one always, and again after a cut', async () => {
    const { clock, server } = makeServer()
    const ann = await room(server)
    for (let n = 1; n <= 10; n += 1) {
      server.apply('bo', post(`m${n}`))
      clock.advance(100)
      ann.client.talk.see('chat', list(ann)?.ids ?? [])
    }
    clock.advance(2_000)
    expect(sent(server, 'read').length).toBeLessThanOrEqual(3)
    expect(server.talk.marks.get('ann')).toBe(10)
    server.apply('bo', post('m11'))
    clock.advance(1_000)
    ann.socket().break()
    ann.client.talk.see('chat', list(ann)?.ids ?? [])
    clock.advance(5_000)
    expect(server.talk.marks.get('ann')).toBe(11)
  })

  it('of others are known, from pages and as they move', async () => {
    const { clock, server } = makeServer()
    server.apply('ann', post('m1'))
    server.talk.marks.set('bo', 1)
    const ann = await room(server)
    expect(ann.state.talk.reads.get('bo')).toBe(1)
    server.apply('ann', post('m2'))
    server.talk.read('bo', 2)
    server.broadcast({ t: 'read', user: 'bo', seq: 1 })
    clock.advance(50)
    expect(ann.state.talk.reads.get('bo')).toBe(2)
  })

  it('move in all windows of one person', async () => {
    const { clock, server } = makeServer()
    server.apply('bo', post('m1'))
    const here = await room(server)
    const there = await room(server)
    here.client.talk.see('chat', ['m1'])
    clock.advance(50)
    expect(there.state.talk.unread).toBe(0)
  })

  it('do not pass chat that was not seen when comments are looked at', async () => {
    const { clock, server } = makeServer()
    server.apply('bo', post('c1', 'comment', { channel: 'comment', about: on }))
    server.apply('bo', post('m1', 'chat'))
    server.apply('bo', post('c2', 'comment', { channel: 'comment', about: on }))
    const ann = await room(server)
    await ann.client.talk.open('comments')
    expect(ann.state.talk).toMatchObject({ unread: 3, freshComments: true })
    ann.client.talk.see('comments', ['c1', 'c2'])
    expect(ann.state.talk).toMatchObject({ unread: 1, freshComments: false })
    clock.advance(50)
    expect(server.talk.marks.get('ann')).toBe(1)
    ann.client.talk.see('chat', ['m1'])
    expect(ann.state.talk.unread).toBe(0)
  })
})

describe('an answer', () => {
  const open = (server: ReturnType<typeof makeServer>['server']) =>
    server.talk.say('answer.open', 'ann', { id: 'ans', new: true, set: { author: 'assistant', answer: { question: 'q', asked_by: 'ann', status: 'queued' } } })
  const piece = (at: number, text: string, more: Partial<Stream> = {}): Stream => ({ t: 'stream', answer: 'ans', status: 'streaming', at, text, ...more })

  it('grows by code points, and its end replaces it', async () => {
    const { clock, server } = makeServer()
    const ann = await room(server)
    open(server)
    const shown = () => ann.state.talk.streams.get('ans')
    for (const each of [piece(0, '去👩‍👩‍👧西湖'), piece(8, '🎉!'), piece(6, '西湖🎉!再'), piece(0, '去👩')]) server.broadcast(each)
    clock.advance(50)
    expect(shown()).toMatchObject({ status: 'streaming', text: '去👩‍👩‍👧西湖🎉!再' })
    expect(sent(server, 'watch')).toEqual([])
    server.talk.say('answer.finish', 'ann', { id: 'ans', set: { text: 'done', answer: { question: 'q', asked_by: 'ann', status: 'done' } } })
    clock.advance(50)
    expect(shown()).toBeUndefined()
    expect(message(ann, 'ans')).toMatchObject({ text: 'done', answer: { status: 'done', sources: [] } })
  })

  it('with a hole is asked for, once, and goes on from the text so far', async () => {
    const { clock, server } = makeServer()
    const ann = await room(server)
    open(server)
    for (const each of [piece(0, 'ab'), piece(5, 'fg'), piece(7, 'h')]) server.broadcast(each)
    clock.advance(50)
    expect(sent(server, 'watch')).toEqual([{ t: 'watch', answer: 'ans' }])
    expect(ann.state.talk.streams.get('ans')?.text).toBe('ab')
    server.broadcast(piece(0, 'abcdefgh', { reasoning_at: 0, reasoning: 'hm' }))
    server.broadcast(piece(8, 'i'))
    clock.advance(50)
    expect(ann.state.talk.streams.get('ans')).toMatchObject({ text: 'abcdefghi', reasoning: 'hm' })
  })

  it('under way is asked for after a reconnect, and by who comes late', async () => {
    const { clock, server } = makeServer()
    const ann = await room(server)
    open(server)
    server.broadcast(piece(0, 'ab'))
    clock.advance(50)
    ann.socket().break()
    clock.advance(5_000)
    expect(sent(server, 'watch')).toHaveLength(1)
    await room(server, 'bo')
    clock.advance(50)
    expect(sent(server, 'watch')).toHaveLength(2)
  })

  it('puts pieces together only where they fit', () => {
    const before = { text: 'a👍', length: 2 }
    expect(grow(before, 3, 'x')).toBeNull()
    expect(grow(before, 2, '')).toBe(before)
    expect(grow(before, 0, 'a👍')).toBe(before)
    expect(grow(before, 1, '👍b')).toEqual({ text: 'a👍b', length: 3 })
  })
})

it('visitors have no talk, and an event that is not theirs to see only counts', async () => {
  const { clock, server } = makeServer()
  server.pass = (each) => {
    if (each.t === 'joined') each.role = 'spectator'
    return true
  }
  const ann = await room(server)
  expect(server.talk.queries).toEqual([])
  server.commit({ seq: 1, op_id: '', actor: '', at: '', kind: 'hidden', changes: [] })
  clock.advance(50)
  expect(ann.state.seq).toBe(1)
  expect(ann.state.talk.messages.size).toBe(0)
})

it('says of each message once that it was said', async () => {
  const { clock, server } = makeServer()
  const ann = await room(server)
  const heard: string[] = []
  const stop = ann.client.talk.onMessage((each) => heard.push(each.text))
  server.apply('bo', post('m1'))
  server.apply('bo', { kind: 'message.edit', id: 'm1', text: 'changed' })
  clock.advance(50)
  stop()
  server.apply('bo', post('m2'))
  clock.advance(50)
  expect(heard).toEqual(['m1'])
})

it('does not speak of comments where the unread are only more chat than a page holds', async () => {
  const { server } = makeServer()
  for (let n = 1; n <= 60; n += 1) server.apply('bo', post(`m${n}`))
  const ann = await room(server)
  expect(ann.state.talk).toMatchObject({ unread: 60, freshComments: false })
  const { server: other } = makeServer()
  other.apply('bo', post('c1', 'comment', { channel: 'comment', about: on }))
  expect((await room(other)).state.talk).toMatchObject({ unread: 1, freshComments: true })
})
