/**
 * The typed REST client: one function a route, JSON both ways, CSRF header on every write.
 *
 * Every failure is an `ApiError` with the server's code; never retries by itself (a reading caller
 * may: `error.retryable`), except once after a refused CSRF token, which only means a new cookie.
 */
import type { Operation, Role } from '../protocol.gen'
import { ApiError } from './errors'
import type {
  Applied, HistoryAnswer, Invite, InviteInfo, MeAnswer, Members, NewTrip, TripAnswer, TripPatch,
  TripSummary, User,
} from './types'

type Method = 'GET' | 'POST' | 'PATCH' | 'DELETE'

export interface ApiOptions {
  fetch?: typeof fetch
  /** The page's cookies, as `document.cookie` spells them. */
  cookies?: () => string
}

const enc = encodeURIComponent

export class Api {
  private readonly fetch: typeof fetch
  private readonly cookies: () => string

  constructor(options: ApiOptions = {}) {
    this.fetch = options.fetch ?? ((input, init) => globalThis.fetch(input, init))
    this.cookies = options.cookies ?? (() => document.cookie)
  }

  // --- who I am -----------------------------------------------------------------------------

  me = (signal?: AbortSignal) => this.call<MeAnswer>('GET', '/api/me', undefined, signal)
  updateMe = (body: { name?: string; locale?: string }) => this.call<{ user: User }>('PATCH', '/api/me', body)
  register = (body: { username?: string; email?: string; password: string; name: string }) =>
    this.call<{ user: User }>('POST', '/api/auth/register', body)
  login = (login: string, password: string) => this.call<{ user: User }>('POST', '/api/auth/login', { login, password })
  guest = (name: string, locale?: string) => this.call<{ user: User }>('POST', '/api/auth/guest', { name, locale })
  logout = () => this.call<{ ok: true }>('POST', '/api/auth/logout')
  logoutAll = () => this.call<{ ok: true }>('POST', '/api/auth/logout-all')
  changePassword = (current: string, next: string) =>
    this.call<{ ok: true }>('POST', '/api/auth/password', { current, new: next })
  demo = (name: string, locale: 'zh' | 'en') =>
    this.call<{ trip_id: string; invite_url: string }>('POST', '/api/demo', { name, locale })

  // --- trips --------------------------------------------------------------------------------

  trips = (deleted = false, signal?: AbortSignal) =>
    this.call<{ trips: TripSummary[] }>('GET', `/api/trips?deleted=${deleted ? 1 : 0}`, undefined, signal)
  createTrip = (trip: NewTrip) => this.call<{ trip: TripSummary }>('POST', '/api/trips', trip)
  trip = (id: string, signal?: AbortSignal) => this.call<TripAnswer>('GET', `/api/trips/${enc(id)}`, undefined, signal)
  updateTrip = (id: string, patch: TripPatch) => this.call<{ seq: number }>('PATCH', `/api/trips/${enc(id)}`, patch)
  deleteTrip = (id: string) => this.call<{ seq: number }>('DELETE', `/api/trips/${enc(id)}`)
  restoreTrip = (id: string) => this.call<{ seq: number }>('POST', `/api/trips/${enc(id)}/restore`)
  operate = (id: string, opId: string, base: number, op: Operation) =>
    this.call<Applied>('POST', `/api/trips/${enc(id)}/operations`, { op_id: opId, base, op })

  /** Newest first; `record` narrows it to one record, such as `stop:<id>`. */
  history = (id: string, query: { before?: number; limit?: number; record?: string } = {}, signal?: AbortSignal) => {
    const search = new URLSearchParams()
    for (const [name, value] of Object.entries(query)) if (value !== undefined) search.set(name, String(value))
    const tail = search.size > 0 ? `?${search}` : ''
    return this.call<HistoryAnswer>('GET', `/api/trips/${enc(id)}/history${tail}`, undefined, signal)
  }

  // --- people -------------------------------------------------------------------------------

  members = (id: string) => this.call<Members>('GET', `/api/trips/${enc(id)}/members`)
  setRole = (id: string, user: string, role: Role) =>
    this.call<{ seq: number }>('PATCH', `/api/trips/${enc(id)}/members/${enc(user)}`, { role })
  removeMember = (id: string, user: string) =>
    this.call<{ seq: number }>('DELETE', `/api/trips/${enc(id)}/members/${enc(user)}`)
  invites = (id: string) => this.call<{ invites: Invite[] }>('GET', `/api/trips/${enc(id)}/invites`)
  createInvite = (id: string, role: 'editor' | 'viewer', expiresInHours: number | null = null) =>
    this.call<{ invite: Invite; url: string }>('POST', `/api/trips/${enc(id)}/invites`, {
      role, expires_in_hours: expiresInHours,
    })
  revokeInvite = (id: string, invite: string) =>
    this.call<unknown>('DELETE', `/api/trips/${enc(id)}/invites/${enc(invite)}`)
  invite = (token: string, signal?: AbortSignal) =>
    this.call<InviteInfo>('GET', `/api/invites/${enc(token)}`, undefined, signal)
  acceptInvite = (token: string) => this.call<{ trip_id: string; role: Role }>('POST', `/api/invites/${enc(token)}/accept`)

  // --- the call -----------------------------------------------------------------------------

  /** For routes that have no function here yet. */
  async call<T>(method: Method, path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
    if (method !== 'GET' && this.token() === null) await this.request('GET', '/api/me', undefined, signal)
    let response = await this.request(method, path, body, signal)
    if (method !== 'GET' && (await isCsrfRefusal(response))) {
      await this.request('GET', '/api/me', undefined, signal)
      response = await this.request(method, path, body, signal)
    }
    if (!response.ok) throw await errorOf(response)
    if (response.status === 204) return undefined as T
    return (await response.json().catch(() => {
      throw new ApiError(response.status, 'unreadable', 'the server sent something unreadable', true)
    })) as T
  }

  private async request(method: Method, path: string, body: unknown, signal?: AbortSignal): Promise<Response> {
    const headers: Record<string, string> = { Accept: 'application/json' }
    const token = this.token()
    if (method !== 'GET' && token !== null) headers['X-XSRFToken'] = token
    const init: RequestInit = { method, headers, credentials: 'same-origin' }
    if (signal !== undefined) init.signal = signal
    if (body !== undefined) {
      headers['Content-Type'] = 'application/json'
      init.body = JSON.stringify(body)
    }
    try {
      return await this.fetch(path, init)
    } catch (error) {
      if ((error as { name?: string } | null)?.name === 'AbortError') throw error
      throw new ApiError(0, 'network', 'the server could not be reached', true)
    }
  }

  private token(): string | null {
    const found = /(?:^|;\s*)_xsrf=([^;]*)/.exec(this.cookies())
    return found?.[1] === undefined ? null : decodeURIComponent(found[1].replace(/^"|"$/g, ''))
  }
}

async function isCsrfRefusal(response: Response): Promise<boolean> {
  if (response.status !== 403) return false
  const body = (await response.clone().json().catch(() => null)) as { error?: { code?: string; message?: string } } | null
  return /xsrf|csrf/i.test(`${body?.error?.code ?? ''} ${body?.error?.message ?? ''}`)
}

async function errorOf(response: Response): Promise<ApiError> {
  const body = (await response.json().catch(() => null)) as {
    error?: { code?: string; message?: string; retryable?: boolean; details?: Record<string, unknown> }
  } | null
  const error = body?.error ?? {}
  const seconds = Number(response.headers.get('Retry-After') ?? '')
  return new ApiError(
    response.status,
    error.code ?? `http_${response.status}`,
    error.message ?? response.statusText,
    error.retryable ?? response.status >= 500,
    error.details ?? {},
    Number.isFinite(seconds) && seconds > 0 ? seconds : null,
  )
}

/** The app's one client. */
export const api = new Api()
