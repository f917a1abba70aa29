/** The browser's side of the room client's needs: sockets, connectivity and visibility. */
import type { Surroundings, WebSocketLike } from './socket'

/** Named, a room can be kept together by whatever balances load; the server does not read the name. */
export function socketUrl(room: string): string {
  const scheme = location.protocol === 'https:' ? 'wss' : 'ws'
  return `${scheme}://${location.host}/api/socket?room=${encodeURIComponent(room)}`
}

export const openWebSocket = (url: string): WebSocketLike => new WebSocket(url) as unknown as WebSocketLike

export const browserSurroundings: Surroundings = {
  isOnline: () => navigator.onLine !== false,
  isVisible: () => document.visibilityState !== 'hidden',
  listen(callback) {
    const stop = new AbortController()
    const { signal } = stop
    window.addEventListener('online', () => callback('online'), { signal })
    window.addEventListener('offline', () => callback('offline'), { signal })
    window.addEventListener('pagehide', () => callback('hidden'), { signal })
    document.addEventListener(
      'visibilitychange',
      () => callback(document.visibilityState === 'hidden' ? 'hidden' : 'visible'),
      { signal },
    )
    return () => stop.abort()
  },
}
