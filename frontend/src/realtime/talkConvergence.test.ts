/** Seeded talk, with slow and failing pages, cuts and offline periods: in the end the badges are the server's, and the lists whole. */
import { expect, it } from 'vitest'
import type { Operation } from '../protocol.gen'
import type { ListKey } from './state'
import { seeded } from './testing/fakeClock'
import { enter, makeServer } from './testing/room'

const STEPS = 60
const LISTS: readonly ListKey[] = ['chat', 'comments', 'stop:a', 'stop:b']

async function settle(): Promise<void> {
  for (let n = 0; n < 30; n += 1) await Promise.resolve()
}

async function run(seed: number): Promise<string[]> {
  const chance = seeded(seed)
  const pick = <T>(all: readonly T[]): T => all[Math.floor(chance() * all.length)] as T
  const { clock, server } = makeServer(chance)
  server.resumeLimit = chance() < 0.5 ? 3 : 50
  server.delay = () => 1 + Math.floor(chance() * 400)
  const source = server.talk.source.bind(server.talk)
  server.talk.source = (user) => {
    const real = source(user)
    const slowly = <T>(read: () => Promise<T>): Promise<T> => new Promise((resolve, reject) => {
      clock.setTimeout(() => {
        if (chance() < 0.05) clock.setTimeout(() => reject(new Error('down')), 10)
        else void read().then((answer) => clock.setTimeout(() => resolve(answer), 1 + Math.floor(chance() * 400)))
      }, 1 + Math.floor(chance() * 200))
    })
    return { messages: (query) => slowly(() => real.messages(query)), threads: () => slowly(() => real.threads()) }
  }

  let serial = 0
  const words = (id: string, comment: boolean): Operation =>
    ({ kind: 'message.post', id, text: id, ...(comment ? { channel: 'comment' as const, about: { t: 'stop' as const, id: pick(['a', 'b', 'c']) } } : {}) })
  /** What anybody may say or do with what is there, by `author`. */
  const something = (author: string): Operation => {
    const there = [...server.talk.all.values()].filter((each) => !each.deleted)
    const roots = there.filter((each) => each.channel === 'comment' && each.reply_to == null)
    const own = there.filter((each) => each.author === author)
    const roll = chance()
    const id = `${author}${(serial += 1)}`
    if (roll >= 0.5 && roll < 0.65 && roots.length > 0) return { kind: 'message.post', id, text: id, channel: 'comment', reply_to: pick(roots).id }
    if (roll >= 0.65 && roll < 0.8 && roots.length > 0) {
      const root = pick(roots)
      return { kind: 'comment.resolve', id: root.id, resolved: root.resolved_by == null }
    }
    if (roll >= 0.8 && roll < 0.9 && own.length > 0) return { kind: 'message.edit', id: pick(own).id, text: `again ${id}` }
    if (roll >= 0.9 && own.length > 0) return { kind: 'message.delete', id: pick(own).id }
    return words(id, chance() < 0.6)
  }

  for (let n = 0; n < 3; n += 1) server.apply('bo', something('bo'))
  const ann = await enter(server, 'ann')
  const heard: string[] = []
  ann.client.talk.onMessage((message) => heard.push(message.id))
  for (let n = 0; n < STEPS; n += 1) {
    const roll = chance()
    if (roll < 0.4) server.apply('bo', something('bo'))
    else if (roll < 0.45) ann.client.submit(words(`ann${(serial += 1)}`, chance() < 0.5))
    else if (roll < 0.6) void ann.client.talk.open(pick(LISTS))
    else if (roll < 0.64) void ann.client.talk.older(pick(LISTS))
    else if (roll < 0.68) ann.socket().break()
    else if (roll < 0.7) ann.surroundings.say('offline')
    else if (roll < 0.74) ann.surroundings.say('online')
    clock.advance(Math.floor(chance() * 150))
    await settle()
  }
  ann.surroundings.say('online')
  for (let n = 0; n < 200; n += 1) {
    clock.advance(250)
    await settle()
  }

  const { state } = ann
  const wrong: string[] = []
  const differs = (what: string, shown: unknown, there: unknown): void => {
    if (JSON.stringify(shown) !== JSON.stringify(there)) wrong.push(`${what}: ${JSON.stringify(shown)} for ${JSON.stringify(there)}`)
  }
  const real = source('ann')
  for (const { t, id, open, total } of (await real.threads()).threads) differs(`comments on ${t}:${id}`, state.talk.threads.get(`${t}:${id}`), { open, total })
  differs('unread', state.talk.unread, (await real.messages({ channel: 'chat', limit: 1 })).unread)
  differs('seq', [state.connection.state, state.seq, state.connection.pendingCount], ['live', server.seq, 0])
  differs('heard twice', heard.filter((id, n) => heard.indexOf(id) !== n), [])
  for (const [key, list] of state.talk.lists) {
    if (list.status === 'failed' || list.status === 'idle') continue
    differs(`${key} rests`, [list.status, list.busy], ['ready', false])
    const all = [...server.talk.all.values()].filter((each) =>
      key === 'chat' ? (each.channel ?? 'chat') === 'chat' : each.channel === 'comment' && (key === 'comments' || `${each.about?.t}:${each.about?.id}` === key))
    if (!list.more) differs(key, list.ids, all.map((each) => each.id))
    for (const id of list.ids) {
      const there = server.talk.all.get(id)
      const shown = state.talk.messages.get(id)
      differs(id, [shown?.text, shown?.deleted, shown?.resolved_by ?? null], [there?.text, there?.deleted ?? false, there?.resolved_by ?? null])
    }
  }
  ann.client.stop()
  return wrong
}

it.each(Array.from({ length: 80 }, (_, n) => n + 1))('seed %i', async (seed) => {
  expect(await run(seed)).toEqual([])
})
