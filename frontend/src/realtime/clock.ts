/**
 * Time and chance, as everything in this folder sees them: given from outside, so that tests own both.
 */
export type Timer = unknown

export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number
  /** Uniform in [0, 1). */
  random(): number
  setTimeout(callback: () => void, ms: number): Timer
  clearTimeout(timer: Timer): void
}

export const systemClock: Clock = {
  now: () => Date.now(),
  random: () => Math.random(),
  setTimeout: (callback, ms) => globalThis.setTimeout(callback, ms),
  clearTimeout: (timer) => globalThis.clearTimeout(timer as ReturnType<typeof setTimeout>),
}

/** Full jitter: uniform in [0, min(cap, base * 2^attempt)]. Spreads a crowd that was cut at once. */
export function fullJitter(clock: Clock, attempt: number, baseMs: number, capMs: number): number {
  return clock.random() * Math.min(capMs, baseMs * 2 ** Math.min(attempt, 30))
}

/** The result of `work`, or null when it fails or takes longer than `ms`. */
export function within<T>(clock: Clock, ms: number, work: Promise<T>): Promise<T | null> {
  return new Promise((resolve) => {
    const timer = clock.setTimeout(() => resolve(null), ms)
    const done = (value: T | null) => {
      clock.clearTimeout(timer)
      resolve(value)
    }
    work.then(done, () => done(null))
  })
}
