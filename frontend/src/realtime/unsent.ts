/**
 * What was typed in the talk and not sent, by account, trip and place: kept on this device until it
 * is sent or the account signs out. A browser that refuses storage only costs the convenience.
 */
import type { About } from '../protocol.gen'

export interface Unsent {
  text: string
  about: Pick<About, 't' | 'id'> | null
}

export const NOTHING_UNSENT: Unsent = { text: '', about: null }
const PREFIX = 'tongyou.unsent.'

export function readUnsent(key: string): Unsent {
  try {
    const kept = JSON.parse(localStorage.getItem(PREFIX + key) ?? 'null') as Partial<Unsent> | null
    return { text: typeof kept?.text === 'string' ? kept.text : '', about: kept?.about ?? null }
  } catch {
    return NOTHING_UNSENT
  }
}

export function keepUnsent(key: string, { text, about }: Unsent): void {
  try {
    if (text === '' && about === null) localStorage.removeItem(PREFIX + key)
    else localStorage.setItem(PREFIX + key, JSON.stringify({ text, about }))
  } catch {
    // It then lasts as long as the page.
  }
}

/** Of every account on this device: for signing out. */
export function clearUnsent(): void {
  try {
    for (const key of Object.keys(localStorage)) if (key.startsWith(PREFIX)) localStorage.removeItem(key)
  } catch {
    // Nothing could be kept.
  }
}
