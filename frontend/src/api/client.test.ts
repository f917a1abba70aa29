import { describe, expect, it } from 'vitest'
import { Api } from './client'
import { ApiError } from './errors'

interface Call {
  path: string
  init: RequestInit
}

function make(answers: (Response | Error)[], cookies = '_xsrf="2|abc%7C"; other=1') {
  const calls: Call[] = []
  const jar = { cookies }
  const api = new Api({
    fetch: (async (path: string, init: RequestInit) => {
      calls.push({ path, init })
      if (path === '/api/me' && jar.cookies === '') jar.cookies = '_xsrf=new'
      const answer = answers.shift()
      if (answer !== undefined && !(answer instanceof Response)) throw answer
      return answer ?? Response.json({})
    }) as unknown as typeof fetch,
    cookies: () => jar.cookies,
  })
  const header = (n: number, name: string) => (calls[n]?.init.headers as Record<string, string>)[name]
  return { api, calls, header, jar }
}

const refusal = (status: number, error: object, headers = {}) => Response.json({ error }, { status, headers })

describe('requests', () => {
  it('reads without a token and writes with the one of the cookie', async () => {
    const { api, calls, header } = make([Response.json({ user: null, features: {} }), Response.json({ seq: 3 })])
    expect(await api.me()).toEqual({ user: null, features: {} })
    expect(header(0, 'X-XSRFToken')).toBeUndefined()
    expect(await api.updateTrip('t/1', { title: '云南' })).toEqual({ seq: 3 })
    expect(calls[1]).toMatchObject({
      path: '/api/trips/t%2F1', init: { method: 'PATCH', credentials: 'same-origin', body: '{"title":"云南"}' },
    })
    expect(header(1, 'X-XSRFToken')).toBe('2|abc|')
  })

  it('fetches a cookie first when there is none', async () => {
    const { api, calls, header } = make([], '')
    await api.logout()
    expect(calls.map((call) => call.path)).toEqual(['/api/me', '/api/auth/logout'])
    expect(header(1, 'X-XSRFToken')).toBe('new')
  })

  it('tries once more after a refused token', async () => {
    const refused = () => refusal(403, { code: 'csrf', message: "'_xsrf' argument is invalid", retryable: false })
    const { api, calls } = make([refused(), Response.json({}), Response.json({ ok: true })])
    expect(await api.logout()).toEqual({ ok: true })
    expect(calls.map((call) => call.path)).toEqual(['/api/auth/logout', '/api/me', '/api/auth/logout'])
    const again = make([refused(), Response.json({}), refused()])
    await expect(again.api.logout()).rejects.toMatchObject({ status: 403, code: 'csrf' })
  })

  it('tells when nobody is signed in any more, beside the error, and not of a wrong password', async () => {
    const gone = () => refusal(401, { code: 'unauthenticated', message: 'sign in first' })
    const { api } = make([gone(), refusal(401, { code: 'login_failed', message: 'no' }), gone()])
    let told = 0
    api.onUnauthenticated = () => { told += 1 }
    await expect(api.trips()).rejects.toMatchObject({ status: 401, code: 'unauthenticated', message: 'sign in first' })
    expect(told).toBe(1)
    await expect(api.login('ann', 'x')).rejects.toMatchObject({ code: 'login_failed' })
    expect(told).toBe(1)
    await expect(api.updateTrip('t', { title: 'x' })).rejects.toMatchObject({ status: 401 })
    expect(told).toBe(2)
  })

  it('spells the query of the history', async () => {
    const { api, calls } = make([])
    await api.history('t', { before: 9, record: 'stop:a' })
    await api.history('t')
    expect(calls.map((call) => call.path)).toEqual(['/api/trips/t/history?before=9&record=stop%3Aa', '/api/trips/t/history'])
  })
})

describe('failures', () => {
  it('carry what the server said', async () => {
    const { api } = make([
      refusal(429, { code: 'throttled', message: 'too many', retryable: true, details: { a: 1 } }, { 'Retry-After': '7' }),
    ])
    const error = await api.trips().catch((each: unknown) => each)
    expect(error).toBeInstanceOf(ApiError)
    expect(error).toMatchObject({
      status: 429, code: 'throttled', message: 'too many', retryable: true, details: { a: 1 }, retryAfterSeconds: 7,
    })
  })

  it('have a code even when a proxy answers', async () => {
    const { api } = make([new Response('<html>', { status: 502 }), new Response('<html>', { status: 200 })])
    await expect(api.trips()).rejects.toMatchObject({ status: 502, code: 'http_502', retryable: true })
    await expect(api.trips()).rejects.toMatchObject({ code: 'unreadable' })
  })

  it('say that the server was not reached, but let an abort through', async () => {
    const { api } = make([new TypeError('failed to fetch'), new DOMException('stop', 'AbortError')])
    await expect(api.trips()).rejects.toMatchObject({ status: 0, code: 'network', retryable: true })
    await expect(api.trips()).rejects.toMatchObject({ name: 'AbortError' })
  })
})
