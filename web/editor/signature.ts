// Ed25519 by the browser where it has it, and by a library, loaded then only, where it does not: older browsers, and
// pages that came over plain http from another machine.
import type { Access } from './access.ts'

/** Checks what was signed and, with the key to write, signs. */
export interface Signature {
  readonly publicKey: Uint8Array<ArrayBuffer>
  /** Null without the key to write. */
  readonly sign: ((message: Uint8Array<ArrayBuffer>) => Promise<Uint8Array>) | null
  verify(message: Uint8Array<ArrayBuffer>, signature: Uint8Array<ArrayBuffer>): Promise<boolean>
}

/** The bytes of a signature. */
export const signatureLength = 64

/** What an Ed25519 key in PKCS #8 begins with (RFC 8410, section 7); the seed follows. */
const pkcs8 = Uint8Array.of(0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20)

/** Gets ready what this access needs; null where nothing is signed. */
export async function openSignature(access: Access, subtle = (globalThis.crypto as Partial<Crypto> | undefined)?.subtle): Promise<Signature | null> {
  if (access.kind === 'open') return null
  if (subtle !== undefined) {
    try {
      return await ofBrowser(access, subtle)
    } catch {
      // Without Ed25519, which browsers got in 2023 to 2025.
    }
  }
  const { ofLibrary } = await import('./signature-library.ts')
  return ofLibrary(access)
}

async function ofBrowser(access: Exclude<Access, { kind: 'open' }>, subtle: SubtleCrypto): Promise<Signature> {
  const algorithm = 'Ed25519'
  let publicKey: Uint8Array<ArrayBuffer>
  let sign: Signature['sign'] = null
  if (access.kind === 'write') {
    const bytes = new Uint8Array([...pkcs8, ...access.seed])
    const key = await subtle.importKey('pkcs8', bytes, algorithm, true, ['sign'])
    const { x } = await subtle.exportKey('jwk', key)
    if (x === undefined) throw new Error('a private key without its public half')
    publicKey = Uint8Array.from(atob(x.replace(/-/g, '+').replace(/_/g, '/')), (character) => character.charCodeAt(0))
    sign = async (message) => new Uint8Array(await subtle.sign(algorithm, key, message))
  } else {
    publicKey = access.publicKey
  }
  const key = await subtle.importKey('raw', publicKey, algorithm, false, ['verify'])
  return { publicKey, sign, verify: (message, signature) => subtle.verify(algorithm, key, signature, message) }
}
