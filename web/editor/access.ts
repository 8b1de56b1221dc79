// What a link allows: the keys in its fragment, which browsers never send to the server.
//
//   #k=ROOM KEY&w=SEED          to write: the seed of the Ed25519 key that signs every change
//   #k=ROOM KEY&r=PUBLIC KEY    to read: what is needed to check those signatures, and not to make any
//   (nothing)                   a link of old: whoever knows the room's name writes, and nothing is signed
//
// All values are base64url. The room key is for what lies below the text: it is handed on as it is.

/** What this page may do, and the keys it needs for it. */
export type Access =
  | { readonly kind: 'open'; readonly roomKey: string | null }
  | { readonly kind: 'write'; readonly roomKey: string | null; readonly seed: Uint8Array<ArrayBuffer> }
  | { readonly kind: 'read'; readonly roomKey: string | null; readonly publicKey: Uint8Array<ArrayBuffer> }

/** Why a fragment cannot be used. */
export interface BadAccess {
  readonly kind: 'bad'
  readonly fault: string
}

const keyBytes = 32
const encodedKey = 43 // characters

/** Reads the fragment of a page's address. Whatever else it holds is not ours. */
export function readAccess(hash: string): Access | BadAccess {
  const values = new URLSearchParams(hash.replace(/^#/, ''))
  const [roomKey, seed, publicKey] = ['k', 'w', 'r'].map((name) => values.get(name))
  for (const [name, value] of [['room key', roomKey], ['key to write', seed], ['key to read', publicKey]] as const) {
    const fault = value == null ? null : faultOf(value)
    if (fault !== null) return { kind: 'bad', fault: `its ${name} ${fault}` }
  }
  if (seed != null && publicKey != null) return { kind: 'bad', fault: 'it has a key to write and one to read' }
  const common = { roomKey: roomKey ?? null }
  if (seed != null) return { kind: 'write', seed: decode(seed), ...common }
  if (publicKey != null) return { kind: 'read', publicKey: decode(publicKey), ...common }
  return { kind: 'open', ...common }
}

function faultOf(value: string): string | null {
  const stranger = /[^A-Za-z0-9_-]/u.exec(value)?.[0]
  if (stranger !== undefined) return `contains “${stranger}”, which no key does`
  if (value.length !== encodedKey) return `has ${value.length} characters instead of ${encodedKey}`
  return null
}

/** Keys for a new text; `random` fills an array with bytes that nobody can foresee. */
export function freshAccess(random: (bytes: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>): Access {
  const fresh = (): Uint8Array<ArrayBuffer> => random(new Uint8Array(keyBytes))
  return { kind: 'write', roomKey: encode(fresh()), seed: fresh() }
}

/** The fragment that gives somebody the same access. */
export function fragmentOf(access: Access): string {
  const parts = access.roomKey === null ? [] : [`k=${access.roomKey}`]
  if (access.kind === 'write') parts.push(`w=${encode(access.seed)}`)
  if (access.kind === 'read') parts.push(`r=${encode(access.publicKey)}`)
  return parts.length === 0 ? '' : `#${parts.join('&')}`
}

/** Bytes as base64url without padding. */
export function encode(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes)).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '')
}

function decode(text: string): Uint8Array<ArrayBuffer> {
  const binary = atob(text.replace(/-/g, '+').replace(/_/g, '/'))
  return Uint8Array.from(binary, (character) => character.charCodeAt(0))
}
