// The key of a room, which its peers share and its server never sees.
import { fromText, toText } from './base64.ts'

/** The fewest and the most bytes of a room's key. */
const keyBytes = [16, 64] as const

/**
 * Makes a key for a room: 128 random bits, as text that fits into the fragment of a link. Whoever has it can check that no
 * server changed what peers tell each other; so it must never be sent to one.
 *
 * @example
 * location.hash ||= newKey()
 * const room = join({ server: location.origin, room: 'garden', key: location.hash.slice(1), channels: { chat: {} } })
 */
export function newKey(): string {
  return toText(crypto.getRandomValues(new Uint8Array(keyBytes[0])))
}

/** The bytes of a room's key. Throws a TypeError or RangeError that says what is wrong with it, but never what it is. */
export function parseKey(key: string | Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = typeof key === 'string' ? fromText(key) : key instanceof Uint8Array ? key.slice() : null
  if (bytes === null) throw new TypeError('key must be base64url text (A-Z a-z 0-9 - _), as newKey() makes it, or a Uint8Array')
  const [least, most] = keyBytes
  if (bytes.length >= least && bytes.length <= most) return bytes
  throw new RangeError(`key must have ${least} to ${most} bytes, and has ${bytes.length}`)
}
