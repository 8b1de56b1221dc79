// Ed25519 without the browser's help.
import { getPublicKey, hashes, sign, verify } from '@noble/ed25519'
import type { Access } from './access.ts'
import { sha512 } from './sha512.ts'
import type { Signature } from './signature.ts'

hashes.sha512 = sha512

export function ofLibrary(access: Exclude<Access, { kind: 'open' }>): Signature {
  const publicKey = access.kind === 'write' ? new Uint8Array(getPublicKey(access.seed)) : access.publicKey
  return {
    publicKey,
    sign: access.kind === 'write' ? async (message) => sign(message, access.seed) : null,
    verify: async (message, signature) => {
      try {
        return verify(signature, message, publicKey, { zip215: false }) // as strict as browsers are
      } catch {
        return false
      }
    },
  }
}
