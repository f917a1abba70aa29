/**
 * Which pages of this browser are still there: a page that has gone cannot send what it kept.
 *
 * Web Locks where the browser has them (a lock goes with its page). They need a secure context, so
 * on plain http a page is asked by BroadcastChannel instead, and counts as gone when it is silent.
 */
const ANSWER_MS = 300
const CHANNEL = 'tongyou:pages'

export interface Life {
  /** This page is there, by this name. */
  begin(name: string): void
  end(): void
  /** Act if page `name` has gone, with nobody else acting for it at the same time (with locks). */
  whenGone(name: string, act: () => Promise<void>): Promise<void>
}

export function pageLife(): Life {
  const locks = globalThis.navigator?.locks
  if (locks !== undefined) return new LockLife(locks)
  return typeof BroadcastChannel === 'undefined' ? alone : new AskingLife()
}

export class LockLife implements Life {
  private release: (() => void) | null = null

  constructor(private readonly locks: Pick<LockManager, 'request'>) {}

  begin(name: string): void {
    const held = new Promise<void>((resolve) => (this.release = resolve))
    this.locks.request(lockName(name), () => held).catch(() => undefined)
  }

  end(): void {
    this.release?.()
  }

  async whenGone(name: string, act: () => Promise<void>): Promise<void> {
    try {
      await this.locks.request(lockName(name), { ifAvailable: true }, async (lock) => {
        if (lock !== null) await act()
      })
    } catch {
      // Not allowed to lock here: the next page that may will act.
    }
  }
}

export class AskingLife implements Life {
  private readonly channel = new BroadcastChannel(CHANNEL)
  private name = ''
  private readonly seen = new Set<string>()

  constructor() {
    this.channel.onmessage = ({ data }: MessageEvent<{ ask?: string; here?: string }>) => {
      if (data.ask !== undefined && data.ask === this.name) this.channel.postMessage({ here: this.name })
      if (data.here !== undefined) this.seen.add(data.here)
    }
  }

  begin(name: string): void {
    this.name = name
  }

  end(): void {
    this.channel.close()
  }

  async whenGone(name: string, act: () => Promise<void>): Promise<void> {
    this.seen.delete(name)
    try {
      this.channel.postMessage({ ask: name })
    } catch {
      return
    }
    await new Promise((resolve) => setTimeout(resolve, ANSWER_MS))
    if (!this.seen.has(name)) await act()
  }
}

/** No way to know: take everybody for gone. Operation ids make sending twice harmless. */
export const alone: Life = {
  begin: () => undefined,
  end: () => undefined,
  whenGone: (_name, act) => act(),
}

const lockName = (name: string): string => `tongyou:page:${name}`
