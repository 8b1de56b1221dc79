import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Json } from '../json.ts'
import type { PieceNote, SignedNote } from '../note.ts'

/** The repository, as the runner of the tests says. */
export const repository = process.env.PARLEY_ROOT ?? join(process.cwd(), '..')

/** What the protocol's text and both implementations are tested by. */
export const vectors = join(repository, 'docs/protocol/vectors')

interface Ends {
  readonly says: string
  readonly from: string
  readonly fromInstance: string
  readonly to: string
  readonly toInstance: string
}

/** What peers say to each other: docs/protocol/peers.md. */
export const peers = JSON.parse(readFileSync(join(vectors, 'peers.json'), 'utf8')) as {
  readonly trust: {
    readonly key: string
    readonly room: string
    readonly keyId: string
    readonly fields: readonly { readonly fields: readonly string[]; readonly hex: string }[]
    readonly keys: {
      readonly good: readonly { readonly key: string; readonly hex: string }[]
      readonly bad: readonly { readonly says: string; readonly key: string }[]
    }
    readonly signed: readonly (Ends & { readonly fields: readonly string[]; readonly note: SignedNote })[]
  }
  readonly relay: {
    readonly frames: readonly (Ends & {
      readonly fromNonce: string
      readonly toNonce: string
      readonly plain: string
      readonly note: PieceNote
      readonly unsealed: PieceNote
    })[]
  }
  readonly notes: { readonly read: readonly Json[]; readonly ignored: readonly { readonly says: string; readonly note: Json }[] }
  readonly framing: {
    readonly messages: readonly {
      readonly size: number
      readonly id: number
      readonly chunks: readonly { readonly length: number; readonly head: string; readonly sha256: string }[]
    }[]
  }
  readonly mesh: {
    readonly hash: readonly { readonly text: string; readonly hash: number }[]
    readonly neighbours: readonly { readonly room: readonly string[]; readonly neighbours: Readonly<Record<string, readonly string[]>> }[]
    readonly envelopes: {
      readonly read: readonly {
        readonly says: string
        readonly sort: number
        readonly instance: string
        readonly n: number
        readonly origin: string
        readonly to?: string
        readonly hops?: number
        readonly payload: string
        readonly hex: string
      }[]
      readonly refused: readonly { readonly says: string; readonly hex: string }[]
    }
  }
  readonly pulse: readonly { readonly kind: 'ping' | 'pong'; readonly relayed: boolean; readonly time: number; readonly hex: string }[]
}
