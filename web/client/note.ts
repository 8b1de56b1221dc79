// What two peers tell each other through signaling, in the data of signal frames: docs/protocol/peers.md.
import { isCount, isFields, isText } from './frames.ts'
import type { Json } from './json.ts'

/**
 * Names one RTCPeerConnection on both its ends: the epoch of the peer that began it, and a count of what that peer's
 * page began. A later connection of two peers compares greater, so that what belongs to an earlier one can be dropped.
 */
export type Generation = readonly [epoch: number, count: number]

/** Before the first connection. */
export const noGeneration: Generation = [0, 0]

/** Says that who made a note has the room's key, and that it is new. */
export interface Proof {
  /** The name of the key. */
  readonly key: string
  readonly serial: number
  readonly mac: string
}

/** A note about the connection of a generation. */
export type ConnectionNote = { readonly generation: Generation } & (
  | {
      readonly kind: 'description'
      readonly description: RTCSessionDescriptionInit
      /** The sender's: their order, on the side that began the connection, gives them their ids. */
      readonly channels: readonly string[]
      readonly proof?: Proof
    }
  /** Candidates as they were found; null is their end. */
  | { readonly kind: 'candidates'; readonly candidates: readonly (RTCIceCandidateInit | null)[] }
)

/** Opens a stream of messages through the server; with an echo, one that the other side wanted. */
export interface RelayNote {
  readonly kind: 'relay'
  readonly nonce: string
  readonly echo?: string
  /** Whether connections are possible here. */
  readonly webrtc: boolean
  readonly channels: readonly string[]
  readonly proof?: Proof
}

/** A piece of such a stream, or how much of it was handled. */
export type PieceNote = { readonly kind: 'relayed'; readonly stream: string; readonly n: number } & (
  | { readonly data: string; readonly ack?: undefined }
  | { readonly ack: string; readonly data?: undefined }
)

export type Note =
  | ConnectionNote
  /** This generation is no good, please begin another. */
  | { readonly kind: 'renew'; readonly generation: Generation; readonly proof?: Proof }
  | RelayNote
  | PieceNote
  /** Something was refused here, where the key has this name. */
  | { readonly kind: 'key'; readonly key: string }

/** A note that has a proof, where there is a key. */
export type SignedNote = Extract<Note, { kind: 'description' | 'relay' | 'renew' }>

/** The most candidates and channels taken out of one note. */
const listLimit = 256

/** Less than 0, 0 or more than 0, as a is before, the same as or after b. */
export function compareGenerations(a: Generation, b: Generation): number {
  return a[0] - b[0] || a[1] - b[1]
}

type Check = (value: unknown) => boolean

const isBase64: Check = (value) => isText(value) && /^[\w-]*$/.test(value)
const isNonce: Check = (value) => isBase64(value) && (value as string).length === 22
const isBoolean: Check = (value) => typeof value === 'boolean'
const isNumber: Check = (value) => isCount(value) && value > 0 && value < 2 ** 32
const isGeneration: Check = (value) => listOf(isCount)(value) && (value as unknown[]).length === 2
const isDescription: Check = (value) => isFields(value) && (value.type === 'offer' || value.type === 'answer') && isText(value.sdp)
const isCandidate: Check = (value) => value === null || (isFields(value) && isText(value.candidate))
const isProof: Check = (value) => isFields(value) && isText(value.key) && isCount(value.serial) && isText(value.mac)

function listOf(isItem: Check): Check {
  return (value) => Array.isArray(value) && value.length <= listLimit && value.every((item) => isItem(item))
}

function optional(check: Check): Check {
  return (value) => value === undefined || check(value)
}

const connection = { generation: isGeneration }
const proven = { proof: optional(isProof) }
const signed = { ...proven, channels: listOf(isText) }

/** What the fields of each kind must be. */
const shapes: { readonly [kind: string]: Readonly<Record<string, Check>> } = {
  description: { ...connection, ...signed, description: isDescription },
  candidates: { ...connection, candidates: listOf(isCandidate) },
  renew: { ...connection, ...proven },
  relay: { ...signed, nonce: isNonce, echo: optional(isNonce), webrtc: isBoolean },
  relayed: { stream: isNonce, n: isNumber, data: optional(isBase64), ack: optional(isBase64) },
  key: { key: isBase64 },
}

/** Reads the data of a signal; null is something that no peer of this kind says. */
export function parseNote(value: Json): Note | null {
  if (!isFields(value) || !isText(value.kind) || !Object.hasOwn(shapes, value.kind)) return null
  const note: Record<string, unknown> = { kind: value.kind }
  for (const [field, check] of Object.entries(shapes[value.kind] ?? {})) {
    if (!check(value[field])) return null
    if (value[field] !== undefined) note[field] = value[field]
  }
  if (note.kind === 'relayed' && (note.data === undefined) === (note.ack === undefined)) return null
  return note as unknown as Note
}
