/**
 * The room as a zustand store: the room client writes it, components read it through `hooks.ts`.
 *
 * One store and one client for each opened trip. The store holds state only; what users do goes to
 * the client.
 */
import { createStore, type StoreApi } from 'zustand/vanilla'
import { api } from '../api'
import { browserSurroundings, openWebSocket, socketUrl } from '../realtime/browser'
import { systemClock } from '../realtime/clock'
import { sessionDrafts } from '../realtime/draftStorage'
import { newClientId } from '../realtime/ids'
import { RoomClient, type RoomClientOptions } from '../realtime/roomClient'
import { initialState, type RoomState } from '../realtime/state'
import { pageLife } from '../realtime/pages'
import { IndexedDbStorage } from '../realtime/storage'

export type RoomStore = StoreApi<RoomState>

export interface Room {
  tripId: string
  store: RoomStore
  client: RoomClient
  /** Leave the room; what was not confirmed stays on the device. */
  close(): void
}

export interface RoomOptions extends Partial<Omit<RoomClientOptions, 'tripId' | 'userId' | 'onUpdate'>> {
  tripId: string
  userId: string | null
}

/** Open a trip: shows the device's copy when there is one, and connects. */
export function openRoom(options: RoomOptions): Room {
  const { tripId, userId } = options
  const store = createStore<RoomState>(() => ({
    ...initialState(),
    me: { user: userId, session: null, role: null, color: 0 },
  }))
  const clientId = options.clientId ?? newClientId()
  const surroundings = options.surroundings ?? browserSurroundings
  const client = new RoomClient({
    url: options.url ?? socketUrl(tripId),
    openSocket: options.openSocket ?? openWebSocket,
    clock: options.clock ?? systemClock,
    surroundings,
    storage: options.storage ?? new IndexedDbStorage({ tripId, userId, owner: clientId, life: pageLife() }),
    talk: options.talk ?? { messages: (query) => api.messages(tripId, query), threads: () => api.threads(tripId) },
    proposals: options.proposals ?? ((ids) => api.proposals(tripId, ids)),
    drafts: options.drafts ?? sessionDrafts(tripId, userId),
    tripId,
    userId,
    clientId,
    onUpdate: (update) => store.setState(update),
  })
  const unlisten = surroundings.listen((what) => {
    if (what !== 'hidden') return
    client.flushTyping()
    client.review.flush()
    client.save()
  })
  void client.start()
  return {
    tripId,
    store,
    client,
    close() {
      unlisten()
      client.stop()
    },
  }
}
