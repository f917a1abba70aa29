/** Own operations that were refused for good, kept until the user has decided about each. */
import type { Operation } from '../protocol.gen'
import type { Failure } from './state'

const MAX_FAILURES = 50

export interface FailureOptions {
  submit(op: Operation): void
  onChange(): void
  now(): number
}

export class Failures {
  private failures: readonly Failure[] = []

  constructor(private readonly options: FailureOptions) {}

  list(): readonly Failure[] {
    return this.failures
  }

  add(id: string, op: Operation, code: string, message: string, details: Record<string, unknown>): void {
    const failure: Failure = {
      id, op, code, message, details, at: this.options.now(),
      retry: () => {
        if (!this.remove(id)) return
        this.options.submit(op)
        this.options.onChange()
      },
      discard: () => {
        if (this.remove(id)) this.options.onChange()
      },
    }
    this.failures = [...this.failures, failure].slice(-MAX_FAILURES)
  }

  private remove(id: string): boolean {
    const kept = this.failures.filter((failure) => failure.id !== id)
    const found = kept.length !== this.failures.length
    this.failures = kept
    return found
  }
}
