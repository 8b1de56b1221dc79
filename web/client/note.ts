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
  | { readonly kind: 'renew'; readonly generation: Generation }
  | RelayNote
  | PieceNote
  /** Something was refused here, where the key has this name. */
  | { readonly kind: 'key'; readonly key: string }

/** A note that has a proof, where there is a key. */
export type SignedNote = Extract<Note, { kind: 'description' | 'relay' }>

/** The most candidates and channels taken out of one note. */
const listLimit = 256

/** Less than 0, 0 or more than 0, as a is before, the same as or after b. */
export function compareGenerations(a: Generation, b: Generation): number {
  return a[0] - b[0] || a[1] - b[1]
}

/** What a note's signature covers beside who sends it to whom. */
export function signedFields(note: SignedNote): (string | number)[] {
  const { kind, channels } = note
  if (kind === 'relay') return [kind, note.nonce, note.echo ?? '', Number(note.webrtc), ...channels]
  const { type, sdp = '' } = note.description
  return [kind, ...note.generation, type, sdp, ...channels]
}

/** Reads the data of a signal; null is something that no peer of this kind says. */
export function parseNote(value: Json): Note | null {
  if (!isFields(value)) return null
  const { generation, description, channels, candidates, kind, proof, nonce, echo, webrtc, stream, n, data, ack, key } = value
  const proven = { ...(proof !== undefined && { proof: proof as unknown as Proof }) }
  switch (kind) {
    case 'description':
      return isGeneration(generation) && isDescription(description) && isList(channels, isText) && isProof(proof)
        ? { kind, generation, description, channels, ...proven }
        : null
    case 'candidates':
      return isGeneration(generation) && isList(candidates, isCandidate) ? { kind, generation, candidates } : null
    case 'renew':
      return isGeneration(generation) ? { kind, generation } : null
    case 'relay':
      return isNonce(nonce) && (echo === undefined || isNonce(echo)) && typeof webrtc === 'boolean' && isList(channels, isText) && isProof(proof)
        ? { kind, nonce, webrtc, channels, ...(echo !== undefined && { echo }), ...proven }
        : null
    case 'relayed':
      if (!isNonce(stream) || !isCount(n) || n === 0 || n >= 2 ** 32) return null
      if (isBase64(data)) return ack === undefined ? { kind, stream, n, data } : null
      return isBase64(ack) && data === undefined ? { kind, stream, n, ack } : null
    case 'key':
      return isBase64(key) ? { kind, key } : null
  }
  return null
}

function isGeneration(value: unknown): value is Generation {
  return isList(value, isCount) && value.length === 2
}

function isDescription(value: unknown): value is RTCSessionDescriptionInit {
  return isFields(value) && (value.type === 'offer' || value.type === 'answer') && isText(value.sdp)
}

function isList<T>(value: unknown, isItem: (item: unknown) => item is T): value is T[] {
  return Array.isArray(value) && value.length <= listLimit && value.every(isItem)
}

function isCandidate(value: unknown): value is RTCIceCandidateInit | null {
  return value === null || (isFields(value) && isText(value.candidate))
}

function isProof(value: unknown): boolean {
  return value === undefined || (isFields(value) && isText(value.key) && isCount(value.serial) && isText(value.mac))
}

function isBase64(value: unknown): value is string {
  return isText(value) && /^[\w-]*$/.test(value)
}

function isNonce(value: unknown): value is string {
  return isBase64(value) && value.length === 22
}
