/**
 * The typed REST client: one function a route, JSON both ways, CSRF header on every write.
 *
 * Every failure is an `ApiError` with the server's code; never retries by itself (a reading caller
 * may: `error.retryable`), except once after a refused CSRF token, which only means a new cookie.
 */
import type { AnswerEnded, ConversationView, MessagePage, Operation, Role, ThreadList } from '../protocol.gen'
import { ApiError } from './errors'
import type {
  Applied, AskedAnswer, Conversations, EmailLink, EmailState, Export, ExportFormat, HistoryAnswer, Invite, InviteInfo, MeAnswer, Members, MessageQuery, NewTrip, PhotoView,
  PrivateQuestion, Proposals, Question, ResetLink, TripAnswer, TripPatch, TripSummary, User,
} from './types'

type Method = 'GET' | 'POST' | 'PATCH' | 'DELETE'
type Headers = Record<string, string>

export interface ApiOptions {
  fetch?: typeof fetch
  xhr?: () => XMLHttpRequest
  /** The page's cookies, as `document.cookie` spells them. */
  cookies?: () => string
}

export interface UploadOptions {
  signal?: AbortSignal
  /** What has been sent, from 0 to 1. */
  onProgress?: (part: number) => void
}

const enc = encodeURIComponent

export class Api {
  private readonly fetch: typeof fetch
  private readonly xhr: () => XMLHttpRequest
  private readonly cookies: () => string
  /** Called when the server does not know (any more) who asks, beside the error. A wrong password is not this. */
  onUnauthenticated: () => void = () => undefined

  constructor(options: ApiOptions = {}) {
    this.fetch = options.fetch ?? ((input, init) => globalThis.fetch(input, init))
    this.xhr = options.xhr ?? (() => new XMLHttpRequest())
    this.cookies = options.cookies ?? (() => document.cookie)
  }

  // --- who I am -----------------------------------------------------------------------------

  me = (signal?: AbortSignal) => this.call<MeAnswer>('GET', '/api/me', undefined, signal)
  updateMe = (body: { name?: string; locale?: string }) => this.call<{ user: User }>('PATCH', '/api/me', body)
  register = (body: { username?: string; email?: string; password: string; name: string; locale?: string }) =>
    this.call<{ user: User }>('POST', '/api/auth/register', body)
  login = (login: string, password: string) => this.call<{ user: User }>('POST', '/api/auth/login', { login, password })
  guest = (name: string, locale?: string) => this.call<{ user: User }>('POST', '/api/auth/guest', { name, locale })
  logout = () => this.call<{ ok: true }>('POST', '/api/auth/logout')
  logoutAll = () => this.call<{ ok: true }>('POST', '/api/auth/logout-all')
  changePassword = (current: string, next: string) =>
    this.call<{ ok: true }>('POST', '/api/auth/password', { current, new: next })
  forgotPassword = (login: string, locale: string) => this.call<{ ok: true }>('POST', '/api/auth/forgot', { login, locale })
  checkReset = (token: string, signal?: AbortSignal) =>
    this.call<ResetLink>('POST', '/api/auth/reset/check', { token }, signal)
  resetPassword = (token: string, password: string) =>
    this.call<{ user: User }>('POST', '/api/auth/reset', { token, password })
  email = (signal?: AbortSignal) => this.call<EmailState>('GET', '/api/me/email', undefined, signal)
  requestEmail = (email: string, current: string) => this.call<EmailState>('POST', '/api/me/email', { email, current })
  resendEmail = () => this.call<EmailState>('POST', '/api/me/email/resend')
  cancelEmail = () => this.call<EmailState>('POST', '/api/me/email/cancel')
  removeEmail = (current: string) => this.call<EmailState>('POST', '/api/me/email/remove', { current })
  checkEmail = (token: string, signal?: AbortSignal) =>
    this.call<EmailLink>('POST', '/api/auth/email/check', { token }, signal)
  confirmEmail = (token: string) => this.call<{ email: string; name: string }>('POST', '/api/auth/email', { token })
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
    return this.call<HistoryAnswer>('GET', `/api/trips/${enc(id)}/history${tail(query)}`, undefined, signal)
  }

  // --- exports ------------------------------------------------------------------------------

  startExport = (id: string, format: ExportFormat, locale: string) =>
    this.call<{ export: Export }>('POST', `/api/trips/${enc(id)}/exports`, { format, locale })
  exported = (id: string) => this.call<{ export: Export }>('GET', `/api/exports/${enc(id)}`)

  // --- photos -------------------------------------------------------------------------------

  /** The same `photo` again is the same upload. */
  uploadPhoto = (id: string, photo: string, body: Blob, options: UploadOptions = {}) =>
    this.upload<{ photo: PhotoView }>(`/api/trips/${enc(id)}/photos/${enc(photo)}`, body, options)
  photo = (id: string, photo: string, signal?: AbortSignal) =>
    this.call<{ photo: PhotoView }>('GET', `/api/trips/${enc(id)}/photos/${enc(photo)}`, undefined, signal)

  // --- talk ---------------------------------------------------------------------------------

  /** Newest first. */
  messages = (id: string, query: MessageQuery = {}, signal?: AbortSignal) =>
    this.call<MessagePage>('GET', `/api/trips/${enc(id)}/messages${tail(query)}`, undefined, signal)
  threads = (id: string, signal?: AbortSignal) =>
    this.call<ThreadList>('GET', `/api/trips/${enc(id)}/threads`, undefined, signal)
  /** Those that wait, newest first, and those named. */
  proposals = (id: string, ids: readonly string[] = [], signal?: AbortSignal) =>
    this.call<Proposals>('GET', `/api/trips/${enc(id)}/proposals${tail({ ids: ids.join(',') || undefined })}`, undefined, signal)

  // --- the assistant ------------------------------------------------------------------------

  /** Ask in the room: the answer grows there. The same `key` asks only once. */
  ask = (id: string, question: Question, key?: string) =>
    this.call<AskedAnswer>('POST', `/api/trips/${enc(id)}/ai/chat`, question, undefined, idempotent(key))
  answer = (id: string, answer: string, signal?: AbortSignal) =>
    this.call<AnswerEnded>('GET', `/api/trips/${enc(id)}/ai/answers/${enc(answer)}`, undefined, signal)
  stopAnswer = (id: string, answer: string) =>
    this.call<{ ok: true }>('POST', `/api/trips/${enc(id)}/ai/answers/${enc(answer)}/stop`)

  askPrivately = (question: PrivateQuestion, key?: string) =>
    this.call<AskedAnswer>('POST', '/api/ai/chat', question, undefined, idempotent(key))
  privateAnswer = (answer: string, signal?: AbortSignal) =>
    this.call<AnswerEnded>('GET', `/api/ai/answers/${enc(answer)}`, undefined, signal)
  stopPrivateAnswer = (answer: string) => this.call<{ ok: true }>('POST', `/api/ai/answers/${enc(answer)}/stop`)
  conversations = (signal?: AbortSignal) =>
    this.call<Conversations>('GET', '/api/ai/conversations', undefined, signal)
  conversation = (id: string, signal?: AbortSignal) =>
    this.call<ConversationView>('GET', `/api/ai/conversations/${enc(id)}`, undefined, signal)
  deleteConversation = (id: string) => this.call<{ ok: true }>('DELETE', `/api/ai/conversations/${enc(id)}`)

  // --- people -------------------------------------------------------------------------------

  members = (id: string) => this.call<Members>('GET', `/api/trips/${enc(id)}/members`)
  setRole = (id: string, user: string, role: Role) =>
    this.call<{ seq: number }>('PATCH', `/api/trips/${enc(id)}/members/${enc(user)}`, { role })
  removeMember = (id: string, user: string) =>
    this.call<{ seq: number }>('DELETE', `/api/trips/${enc(id)}/members/${enc(user)}`)
  invites = (id: string) => this.call<{ invites: Invite[] }>('GET', `/api/trips/${enc(id)}/invites`)
  /** `mail`: send it to these addresses, too, in this language. */
  createInvite = (id: string, role: 'editor' | 'viewer', expiresInHours: number | null = null, mail?: { to: string[]; locale: string }) =>
    this.call<{ invite: Invite; url: string; mails: number }>('POST', `/api/trips/${enc(id)}/invites`, {
      role, expires_in_hours: expiresInHours, ...(mail && mail.to.length > 0 ? { send_to: mail.to, locale: mail.locale } : {}),
    })
  revokeInvite = (id: string, invite: string) =>
    this.call<unknown>('DELETE', `/api/trips/${enc(id)}/invites/${enc(invite)}`)
  invite = (token: string, signal?: AbortSignal) =>
    this.call<InviteInfo>('GET', `/api/invites/${enc(token)}`, undefined, signal)
  acceptInvite = (token: string) => this.call<{ trip_id: string; role: Role }>('POST', `/api/invites/${enc(token)}/accept`)

  // --- the call -----------------------------------------------------------------------------

  /** For routes that have no function here yet. */
  async call<T>(method: Method, path: string, body?: unknown, signal?: AbortSignal, extra: Headers = {}): Promise<T> {
    const response = await this.send(method, path, body, signal, extra)
    if (!response.ok) throw await errorOf(response)
    if (response.status === 204) return undefined as T
    return (await response.json().catch(() => {
      throw new ApiError(response.status, 'unreadable', 'the server sent something unreadable', true)
    })) as T
  }

  /** The response as it comes, whatever its status: for routes that stream. */
  async send(method: Method, path: string, body?: unknown, signal?: AbortSignal, extra: Headers = {}): Promise<Response> {
    if (method !== 'GET' && this.token() === null) await this.request('GET', '/api/me', undefined, signal)
    let response = await this.request(method, path, body, signal, extra)
    if (method !== 'GET' && (await isCsrfRefusal(response))) {
      await this.request('GET', '/api/me', undefined, signal)
      response = await this.request(method, path, body, signal, extra)
    }
    await this.heed(response)
    return response
  }

  /** A file as the body. By XMLHttpRequest: `fetch` does not tell how much has been sent. */
  async upload<T>(path: string, body: Blob, options: UploadOptions = {}): Promise<T> {
    if (this.token() === null) await this.request('GET', '/api/me', undefined, options.signal)
    let response = await this.transfer(path, body, options)
    if (await isCsrfRefusal(response)) {
      await this.request('GET', '/api/me', undefined, options.signal)
      response = await this.transfer(path, body, options)
    }
    await this.heed(response)
    if (!response.ok) throw await errorOf(response)
    return (await response.json()) as T
  }

  private async heed(response: Response): Promise<void> {
    if (response.status === 401 && (await refusalOf(response)).code === 'unauthenticated') this.onUnauthenticated()
  }

  private transfer(path: string, body: Blob, { signal, onProgress }: UploadOptions): Promise<Response> {
    return new Promise((resolve, reject) => {
      const request = this.xhr()
      const gone = () => reject(new ApiError(0, 'network', 'the server could not be reached', true))
      request.open('POST', path)
      request.setRequestHeader('Accept', 'application/json')
      request.setRequestHeader('Content-Type', body.type || 'application/octet-stream')
      request.setRequestHeader('X-XSRFToken', this.token() ?? '')
      if (onProgress) request.upload.onprogress = (event) => { if (event.lengthComputable) onProgress(event.loaded / event.total) }
      request.onload = () => {
        const retry = request.getResponseHeader('Retry-After')
        if (request.status < 200) gone()
        else resolve(new Response(request.responseText, { status: request.status, ...(retry === null ? {} : { headers: { 'Retry-After': retry } }) }))
      }
      request.onerror = gone
      request.onabort = () => reject(new DOMException('the upload was cancelled', 'AbortError'))
      signal?.addEventListener('abort', () => request.abort())
      if (signal?.aborted) request.onabort(new ProgressEvent('abort'))
      else request.send(body)
    })
  }

  private async request(method: Method, path: string, body: unknown, signal?: AbortSignal, extra: Headers = {}): Promise<Response> {
    const headers: Headers = { Accept: 'application/json', ...extra }
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

/** `?name=value` of those that are given, or nothing. */
function tail(query: object): string {
  const search = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) if (value !== undefined) search.set(name, String(value))
  return search.size > 0 ? `?${search}` : ''
}

const idempotent = (key: string | undefined): Headers => (key === undefined ? {} : { 'Idempotency-Key': key })

async function isCsrfRefusal(response: Response): Promise<boolean> {
  if (response.status !== 403) return false
  const { code, message } = await refusalOf(response)
  return /xsrf|csrf/i.test(`${code} ${message}`)
}

/** The error in a response, which can still be read afterwards. */
async function refusalOf(response: Response): Promise<{ code: string; message: string }> {
  const body = (await response.clone().json().catch(() => null)) as { error?: { code?: string; message?: string } } | null
  return { code: body?.error?.code ?? '', message: body?.error?.message ?? '' }
}

/** What a response that is not OK says. */
export async function errorOf(response: Response): Promise<ApiError> {
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
