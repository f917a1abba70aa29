/** A clock that stands still until a test moves it, and seeded chance. */
import type { Clock, Timer } from '../clock'

export class FakeClock implements Clock {
  private time = 1_800_000_000_000
  private next = 1
  private timers = new Map<number, { at: number; callback: () => void }>()

  constructor(private readonly chance: () => number = () => 0.5) {}

  now(): number {
    return this.time
  }

  random(): number {
    return this.chance()
  }

  setTimeout(callback: () => void, ms: number): Timer {
    const id = this.next++
    this.timers.set(id, { at: this.time + Math.max(0, ms), callback })
    return id
  }

  clearTimeout(timer: Timer): void {
    this.timers.delete(timer as number)
  }

  get waiting(): number {
    return this.timers.size
  }

  /** Run everything that falls due within `ms`, in order. */
  advance(ms: number): void {
    const end = this.time + ms
    for (;;) {
      let due: [number, { at: number; callback: () => void }] | null = null
      for (const each of this.timers) {
        if (each[1].at <= end && (due === null || each[1].at < due[1].at)) due = each
      }
      if (due === null) break
      this.timers.delete(due[0])
      this.time = Math.max(this.time, due[1].at)
      due[1].callback()
    }
    this.time = end
  }
}

/** Mulberry32: small, seeded, good enough to shuffle tests. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}
