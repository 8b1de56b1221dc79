// What is passed on from peer to peer: docs/protocol/peers.md.

/** What an envelope says. */
export const message = 0
export const here = 1
export const who = 2
export const lost = 3

export interface Envelope {
  readonly sort: number
  /** The hash of the origin's instance. */
  readonly run: number
  readonly n: number
  readonly origin: string
  /** For whom it is, if not for all; and how often it may yet be passed on. */
  readonly to?: string | undefined
  readonly hops?: number
  readonly payload: Uint8Array
}

const headLength = 9

/** How often an envelope to one is passed on at most. */
export const mostHops = 8

/** The most bytes of a message to one that others pass on. */
export const oneLimit = 64 * 1024

export function write({ sort, run, n, origin, to, hops = 0, payload }: Envelope): Uint8Array<ArrayBuffer> {
  const encoder = new TextEncoder()
  const names = to === undefined ? [origin] : [origin, to]
  const size = names.reduce((sum, name) => sum + 1 + name.length, headLength + names.length - 1)
  const bytes = new Uint8Array(size + payload.length)
  const head = new DataView(bytes.buffer)
  head.setUint8(0, sort * 2 + names.length - 1)
  head.setUint32(1, run)
  head.setUint32(5, n)
  let at = headLength
  for (const name of names) {
    if (at > headLength) bytes[at++] = hops
    bytes[at++] = name.length
    encoder.encodeInto(name, bytes.subarray(at))
    at += name.length
  }
  bytes.set(payload, at)
  return bytes
}

/** Reads an envelope; null is what cannot be read. */
export function read(bytes: Uint8Array): Envelope | null {
  const kind = bytes[0] ?? 8
  if (kind > 7 || bytes.length < headLength) return null
  const head = new DataView(bytes.buffer, bytes.byteOffset)
  let at = headLength
  const name = () => {
    const end = at + 1 + (bytes[at] ?? 0)
    const text = new TextDecoder().decode(bytes.subarray(at + 1, end))
    at = end
    return text
  }
  const origin = name()
  const hops = kind & 1 ? bytes[at++] : undefined
  const to = kind & 1 ? name() : undefined
  if (origin === '' || to === '' || at > bytes.length || (kind & 1 && (hops! > mostHops || bytes.length - at > oneLimit))) return null
  return { sort: kind >> 1, run: head.getUint32(1), n: head.getUint32(5), origin, to, hops: hops ?? 0, payload: bytes.subarray(at) }
}

/** Takes one hop off an envelope to one; false when none is left. */
export function spend(bytes: Uint8Array): boolean {
  const at = headLength + 1 + (bytes[headLength] ?? 0)
  return (bytes[at] ?? 0) > 0 && bytes[at]!-- > 0
}
