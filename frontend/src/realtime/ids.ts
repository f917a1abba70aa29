/** Client-made identifiers: random, url-safe, within the server's patterns. */
const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_'

function random(length: number): string {
  const bytes = crypto.getRandomValues(new Uint8Array(length))
  let text = ''
  for (const byte of bytes) text += ALPHABET[byte & 63]
  return text
}

/** For a new stop or day: 96 random bits. */
export const newId = (): string => random(16)
/** For an operation; the server answers the same id only once. */
export const newOpId = (): string => random(22)
/** For one tab of one room; names its presence and its stored queue. */
export const newClientId = (): string => random(16)
