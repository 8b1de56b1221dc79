// What two peers tell each other through signaling, in the data of signal frames.
import { isCount, isFields, isText } from './frames.ts'
import type { Json } from './json.ts'

/**
 * Names one RTCPeerConnection on both its ends: the epoch of the peer that began it, and a count of what that peer's
 * page began. A later connection of two peers compares greater, so that what belongs to an earlier one can be dropped.
 */
export type Generation = readonly [epoch: number, count: number]

/** Before the first connection. */
export const noGeneration: Generation = [0, 0]

/** One message about a connection. */
export type Note = { readonly generation: Generation } & (
  /** With the names of the sender's channels: their order, on the side that began the connection, gives them their ids. */
  | { readonly kind: 'description'; readonly description: RTCSessionDescriptionInit; readonly channels: readonly string[] }
  /** Candidates as they were found; null is their end. */
  | { readonly kind: 'candidates'; readonly candidates: readonly (RTCIceCandidateInit | null)[] }
  /** This generation is no good, please begin another. */
  | { readonly kind: 'renew' }
)

/** The most candidates and channels taken out of one note. */
const candidateLimit = 256
const channelLimit = 256

/** Less than 0, 0 or more than 0, as a is before, the same as or after b. */
export function compareGenerations(a: Generation, b: Generation): number {
  return a[0] - b[0] || a[1] - b[1]
}

/** Reads the data of a signal; null is something that no peer of this kind says. */
export function parseNote(value: Json): Note | null {
  if (!isFields(value) || !isGeneration(value.generation)) return null
  const { generation, description, channels, candidates, kind } = value
  switch (kind) {
    case 'description':
      return isDescription(description) && isNames(channels) ? { kind, generation, description, channels } : null
    case 'candidates':
      return Array.isArray(candidates) && candidates.length <= candidateLimit && candidates.every(isCandidate)
        ? { kind, generation, candidates }
        : null
    case 'renew':
      return { kind, generation }
  }
  return null
}

function isGeneration(value: unknown): value is Generation {
  return Array.isArray(value) && value.length === 2 && isCount(value[0]) && isCount(value[1])
}

function isDescription(value: unknown): value is RTCSessionDescriptionInit {
  return isFields(value) && (value.type === 'offer' || value.type === 'answer') && isText(value.sdp)
}

function isNames(value: unknown): value is string[] {
  return Array.isArray(value) && value.length <= channelLimit && value.every(isText)
}

function isCandidate(value: unknown): value is RTCIceCandidateInit | null {
  return value === null || (isFields(value) && isText(value.candidate))
}
