/** What a REST call can fail with: the server's stable code, and whether trying again can help. */
export class ApiError extends Error {
  override readonly name = 'ApiError'

  constructor(
    /** HTTP status; 0 when the server was not reached. */
    readonly status: number,
    /** Stable code, to be translated: `invalid`, `forbidden`, `network` ... */
    readonly code: string,
    message: string,
    readonly retryable: boolean,
    readonly details: Record<string, unknown> = {},
    /** From `Retry-After`, when the server said so. */
    readonly retryAfterSeconds: number | null = null,
  ) {
    super(message)
  }
}
