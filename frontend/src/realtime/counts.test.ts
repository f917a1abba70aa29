/** What is unread and how many comments there are, whatever order pages, events, marks and deletions come in. */
import { expect, it } from 'vitest'
import type { ClientMessage, MessagePage, Operation } from '../protocol.gen'
import type { ListKey } from './state'
import type { MessageQuery } from './talk'
import { enter, makeServer, type TestRoom } from './testing/room'

type Server = ReturnType<typeof makeServer>['server']
const on = { t: 'stop' as const, id: 'a' }
const post = (id: string, text = id, more: Partial<Extract<Operation, { kind: 'message.post' }>> = {}): Operation =>
  ({ kind: 'message.post', id, text, ...more })
const comment = (id: string, text = id): Operation => post(id, text, { channel: 'comment', about: on })
const remove = (id: string): Operation => ({ kind: 'message.delete', id })

async function settle(): Promise<void> {
  for (let n = 0; n < 20; n += 1) await Promise.resolve()
}

async function room(server: Server, user = 'ann'): Promise<TestRoom> {
  const entered = await enter(server, user)
  await settle()
  return entered
}

function onPages(server: Server, change: (page: MessagePage, query: MessageQuery) => Promise<MessagePage>): void {
  const source = server.talk.source.bind(server.talk)
  server.talk.source = (user) => {
    const real = source(user)
    return { ...real, messages: async (query) => change(await real.messages(query), query) }
  }
}

it('an older page that answers after a newer one says nothing new', async () => {
  const { clock, server } = makeServer()
  server.apply('ann', post('m1'))
  let release = (): void => undefined
  const held = new Promise<void>((resolve) => (release = resolve))
  onPages(server, async (page, query) => {
    if (query.about === 'stop:b') await held
    return page
  })
  const ann = await room(server)
  const slow = ann.client.talk.open('stop:b')
  await settle()
  server.apply('bo', comment('c2'))
  await ann.client.talk.open('stop:a')
  expect(ann.state.talk.unread).toBe(1)
  release()
  await slow
  expect(ann.state.talk.unread).toBe(1)
  clock.advance(50)
  expect(ann.state.talk.unread).toBe(1)
})

it('deleting what was read long ago leaves comments that are not loaded unread', async () => {
  const { clock, server } = makeServer()
  server.apply('bo', post('m1'))
  server.talk.marks.set('ann', 1)
  server.apply('bo', comment('c1'))
  server.apply('bo', comment('c2'))
  const ann = await room(server)
  expect(ann.state.talk.unread).toBe(2)
  server.apply('bo', remove('m1'))
  clock.advance(50)
  expect(ann.state.talk.unread).toBe(2)
})

it('deleting what is unread makes one less, loaded or not', async () => {
  const { clock, server } = makeServer()
  server.apply('bo', post('m1'))
  server.apply('bo', comment('c1'))
  server.apply('bo', comment('c2'))
  const ann = await room(server)
  expect(ann.state.talk.unread).toBe(3)
  server.apply('bo', remove('m1'))
  clock.advance(50)
  expect(ann.state.talk.unread).toBe(2)
  server.apply('bo', remove('c1'))
  clock.advance(5_000)
  await settle()
  expect(ann.state.talk.unread).toBe(1)
})

it('a page that was read before the own mark got there does not bring the number back', async () => {
  const { clock, server } = makeServer()
  server.apply('bo', post('m1'))
  const ann = await room(server)
  ann.client.talk.see('chat', ['m1'])
  expect(ann.state.talk.unread).toBe(0)
  await ann.client.talk.open('stop:b')
  expect(ann.state.talk.unread).toBe(0)
  clock.advance(10_000)
  await settle()
  expect(ann.state.talk.unread).toBe(0)
})

it('comments that were seen do not come back with the next page', async () => {
  const { clock, server } = makeServer()
  server.apply('bo', post('m1'))
  server.apply('bo', comment('c2'))
  const ann = await room(server)
  await ann.client.talk.open('stop:a')
  ann.client.talk.see('stop:a', ['c2'])
  expect(ann.state.talk.unread).toBe(1)
  await ann.client.talk.open('stop:b')
  clock.advance(5_000)
  expect(ann.state.talk.unread).toBe(1)
})

it('what was seen without a connection is told after a snapshot, too', async () => {
  const { clock, server } = makeServer()
  server.resumeLimit = 2
  server.apply('bo', post('m1'))
  const ann = await room(server)
  ann.socket().break()
  ann.client.talk.see('chat', ['m1'])
  for (let n = 0; n < 5; n += 1) server.apply('bo', { kind: 'stop.set_fields', id: 'a', fields: { name: `x${n}` } })
  for (let n = 0; n < 2; n += 1) {
    clock.advance(10_000)
    await settle()
  }
  expect(ann.state.connection.state).toBe('live')
  expect([server.talk.marks.get('ann'), ann.state.talk.unread]).toEqual([1, 0])
})

it('who becomes a member while the page is open reads what was said', async () => {
  const { clock, server } = makeServer()
  server.apply('bo', post('m1'))
  server.pass = (each) => {
    if (each.t === 'joined') each.role = 'spectator'
    return true
  }
  const ann = await room(server)
  expect(await ann.client.talk.open('chat')).toBe(false)
  ann.socket().tell({ t: 'role', role: 'editor' })
  clock.advance(1_000)
  await settle()
  expect([ann.state.me.role, await ann.client.talk.open('chat'), ann.state.talk.lists.get('chat')?.status]).toEqual(['editor', true, 'ready'])
})

it('deleting a chat message asks nobody for counts of comments', async () => {
  const { clock, server } = makeServer()
  server.apply('bo', post('m1'))
  let asked = 0
  const source = server.talk.source.bind(server.talk)
  server.talk.source = (user) => {
    const real = source(user)
    return { ...real, threads: () => { asked += 1; return real.threads() } }
  }
  await room(server)
  const before = asked
  server.apply('bo', remove('m1'))
  clock.advance(5_000)
  await settle()
  expect(asked).toBe(before)
})

it('nothing is said of a message that was deleted before its event came', async () => {
  const { clock, server } = makeServer()
  const ann = await room(server)
  const heard: string[] = []
  ann.client.talk.onMessage((each) => heard.push(each.text))
  server.apply('bo', comment('c1', 'secret'))
  server.apply('bo', remove('c1'))
  await ann.client.talk.open('stop:a')
  clock.advance(50)
  expect(heard).toEqual([])
})

it('resolving a thread whose first comment was deleted asks what it counts', async () => {
  const { clock, server } = makeServer()
  server.apply('bo', comment('c1'))
  server.apply('bo', comment('c2'))
  const ann = await room(server)
  await ann.client.talk.open('stop:a')
  server.apply('bo', remove('c1'))
  clock.advance(5_000)
  await settle()
  expect(ann.state.talk.threads.get('stop:a')).toEqual({ open: 1, total: 1 })
  // By somebody who was offline until now.
  server.apply('cy', { kind: 'comment.resolve', id: 'c1' })
  clock.advance(10_000)
  await settle()
  expect(ann.state.talk.threads.get('stop:a')).toEqual({ open: 1, total: 1 })
})

it('a piece of an answer that has ended says nothing', async () => {
  const { clock, server } = makeServer()
  const ann = await room(server)
  const answer = { question: 'q', asked_by: 'ann' }
  server.talk.say('answer.open', 'ann', { id: 'ans', new: true, set: { author: 'assistant', answer: { ...answer, status: 'queued' } } })
  server.talk.say('answer.finish', 'ann', { id: 'ans', set: { text: 'done', answer: { ...answer, status: 'done' } } })
  server.broadcast({ t: 'stream', answer: 'ans', status: 'streaming', at: 10, text: 'late' })
  clock.advance(50)
  const asked = server.received.filter((each: ClientMessage) => each.t === 'watch').length
  expect([ann.state.talk.streams.has('ans'), asked]).toEqual([false, 0])
})

it('after a snapshot only what was opened last is asked for again', async () => {
  const { clock, server } = makeServer()
  server.resumeLimit = 2
  const ann = await room(server)
  await ann.client.talk.open('comments')
  for (let n = 0; n < 60; n += 1) await ann.client.talk.open(`stop:s${n}`)
  await ann.client.talk.open('stop:s7')
  const before = server.talk.queries.length
  ann.socket().break()
  for (let n = 0; n < 5; n += 1) server.apply('bo', { kind: 'stop.set_fields', id: 'a', fields: { name: `x${n}` } })
  clock.advance(10_000)
  await settle()
  expect(server.talk.queries.length - before).toBeLessThan(10)
  expect(['chat', 'comments', 'stop:s7', 'stop:s59'].map((key) => ann.state.talk.lists.get(key as ListKey)?.status)).toEqual(Array(4).fill('ready'))
  expect(await ann.client.talk.open('stop:s0')).toBe(true)
})
