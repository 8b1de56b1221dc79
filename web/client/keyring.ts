// What is derived from a room's key.
import { fromText, toText } from './base64.ts'

type Bytes = Uint8Array<ArrayBuffer>

const hash = 'SHA-256'

/** Texts in an order and with bounds that nobody can mistake. */
export function fields(...texts: readonly (string | number)[]): Bytes {
  const encode = (text: string) => new TextEncoder().encode(text)
  const parts = texts.flatMap((text) => {
    const bytes = encode(String(text))
    return [...encode(`${bytes.length}:`), ...bytes]
  })
  return Uint8Array.from(parts)
}

/** Signs, checks and seals by a room's key. */
export class Keyring {
  /** The name of the key, which says nothing of it. */
  readonly id: Promise<string>

  readonly #subtle: SubtleCrypto
  readonly #signing: Promise<CryptoKey>
  readonly #derive: (purpose: string, length: number, ...context: readonly string[]) => Promise<Bytes>

  constructor(subtle: SubtleCrypto, key: Bytes, room: string) {
    const root = subtle.importKey('raw', key, 'HKDF', false, ['deriveBits'])
    this.#subtle = subtle
    this.#derive = async (purpose, length, ...context) => {
      const info = fields(`parley 1 ${purpose}`, room, ...context)
      return new Uint8Array(await subtle.deriveBits({ name: 'HKDF', hash, salt: new Uint8Array(), info }, await root, length * 8))
    }
    this.id = this.#derive('id', 8).then(toText)
    this.#signing = this.#derive('sign', 32).then((bytes) => subtle.importKey('raw', bytes, { name: 'HMAC', hash }, false, ['sign', 'verify']))
  }

  async sign(message: Bytes): Promise<string> {
    return toText(new Uint8Array(await this.#subtle.sign('HMAC', await this.#signing, message)))
  }

  async verify(message: Bytes, mac: string): Promise<boolean> {
    return this.#subtle.verify('HMAC', await this.#signing, fromText(mac) ?? new Uint8Array(), message)
  }

  /** What seals one direction of what goes through the server. */
  async sealing(...context: readonly string[]): Promise<Seal> {
    const subtle = this.#subtle
    const key = await subtle.importKey('raw', await this.#derive('seal', 32, ...context), 'AES-GCM', false, ['encrypt', 'decrypt'])
    const algorithm = (sort: number, n: number): AesGcmParams => {
      const iv = new DataView(new ArrayBuffer(12))
      iv.setUint8(0, sort)
      iv.setUint32(8, n)
      return { name: 'AES-GCM', iv: iv.buffer }
    }
    return {
      close: async (sort, n, plain) => new Uint8Array(await subtle.encrypt(algorithm(sort, n), key, plain)),
      open: (sort, n, sealed) => subtle.decrypt(algorithm(sort, n), key, sealed).then((plain) => new Uint8Array(plain), () => null),
    }
  }
}

/** Seals or opens one direction of a relay stream. No two pieces of it may have the same sort and number. */
export interface Seal {
  close(sort: number, n: number, plain: Bytes): Promise<Bytes>
  /** Null when it was not sealed so. */
  open(sort: number, n: number, sealed: Bytes): Promise<Bytes | null>
}
