/** A browser whose connectivity and visibility are the test's to say. */
import type { Surroundings } from '../socket'

type What = 'online' | 'offline' | 'visible' | 'hidden'

export class FakeSurroundings implements Surroundings {
  online = true
  visible = true
  private listeners = new Set<(what: What) => void>()

  isOnline(): boolean {
    return this.online
  }

  isVisible(): boolean {
    return this.visible
  }

  listen(callback: (what: What) => void): () => void {
    this.listeners.add(callback)
    return () => this.listeners.delete(callback)
  }

  say(what: What): void {
    if (what === 'online' || what === 'offline') this.online = what === 'online'
    else this.visible = what === 'visible'
    for (const listener of [...this.listeners]) listener(what)
  }
}
