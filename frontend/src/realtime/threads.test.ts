import { expect, it } from 'vitest'
import type { TalkChange, ThreadList } from '../protocol.gen'
import { applyTalk } from './messages'
import { FakeClock } from './testing/fakeClock'
import { ThreadCounts } from './threads'

const set = { channel: 'comment', about: { t: 'stop', id: 'a' } }
const said = (id: string): TalkChange => ({ t: 'message', id, set, new: true })

function board() {
  const clock = new FakeClock()
  const answers: { give: (list: ThreadList) => void; fail: () => void }[] = []
  const counts = new ThreadCounts(clock, () => new Promise((give, fail) => answers.push({ give, fail: () => fail(new Error('down')) })), () => undefined)
  const absorb = (seq: number, change: TalkChange, known = true) =>
    counts.absorb(seq, known ? applyTalk(applyTalk(null, said(change.id)), change) : null, change)
  const answer = async (seq: number, open: number, total: number) => {
    answers.shift()?.give({ seq, threads: [{ t: 'stop', id: 'a', open, total }] })
    await Promise.resolve()
  }
  return { clock, answers, counts, absorb, answer, shown: () => counts.map().get('stop:a') }
}

it('counts a change once, whether it comes before or after the answer that holds it', async () => {
  const { counts, absorb, answer, shown } = board()
  counts.load()
  absorb(4, said('c4'))
  absorb(5, said('c5'))
  expect(shown()).toEqual({ open: 2, total: 2 })
  // The answer holds what was said up to 6: 4 and 5 are in it, and so is 6, of which nobody has heard here.
  await answer(6, 3, 3)
  expect(shown()).toEqual({ open: 3, total: 3 })
  absorb(6, said('c6'))
  expect(shown()).toEqual({ open: 3, total: 3 })
  absorb(7, said('c7'))
  absorb(8, { t: 'message', id: 'c6', set: { resolved_by: 'ann' } })
  expect(shown()).toEqual({ open: 3, total: 4 })
})

it('keeps what came while an older answer was under way', async () => {
  const { counts, absorb, answer, shown } = board()
  counts.load()
  absorb(7, said('c7'))
  absorb(8, { t: 'message', id: 'c3', set: { resolved_by: 'ann' } })
  await answer(6, 3, 3)
  expect(shown()).toEqual({ open: 3, total: 4 })
})

it('asks again where a change does not say enough, and after a failure a while later', async () => {
  const { clock, answers, counts, absorb, answer, shown } = board()
  counts.load()
  await answer(3, 2, 2)
  absorb(4, { t: 'message', id: 'c1', set: { resolved_by: 'ann' } }, false)
  clock.advance(2_500)
  answers.shift()?.fail()
  await new Promise((done) => setTimeout(done))
  expect(shown()).toEqual({ open: 2, total: 2 })
  absorb(5, said('c5'))
  clock.advance(5_000)
  await answer(5, 2, 3)
  expect(shown()).toEqual({ open: 2, total: 3 })
})
