/**
 * Where the draft of suggest mode outlives a reload: this tab's session storage, by trip and account.
 *
 * A browser that refuses storage only costs the draft at a reload: nothing here throws.
 */
import type { DraftStorage } from './draft'
import type { Proposable } from '../protocol.gen'

const PREFIX = 'tongyou.draft.'

export function sessionDrafts(tripId: string, userId: string | null): DraftStorage {
  const key = `${PREFIX}${userId ?? '-'}|${tripId}`
  return {
    load() {
      try {
        const kept = JSON.parse(sessionStorage.getItem(key) ?? 'null') as { on?: unknown; ops?: unknown } | null
        return kept !== null && Array.isArray(kept.ops) ? { on: kept.on === true, ops: kept.ops as Proposable[] } : null
      } catch {
        return null
      }
    },
    save(draft) {
      try {
        if (!draft.on && draft.ops.length === 0) sessionStorage.removeItem(key)
        else sessionStorage.setItem(key, JSON.stringify(draft))
      } catch {
        // The draft then lasts as long as the page.
      }
    },
  }
}

/** Forget the drafts of every account in this tab: for signing out. */
export function clearDrafts(): void {
  try {
    for (const key of Object.keys(sessionStorage)) if (key.startsWith(PREFIX)) sessionStorage.removeItem(key)
  } catch {
    // Nothing could be kept.
  }
}
