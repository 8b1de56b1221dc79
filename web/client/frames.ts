// The frames of a link, as docs/protocol/signaling.md describes them.
import type { Json } from './json.ts'
import type { Presence } from './peer.ts'

/** One entry of the roster. */
export interface RosterEntry {
  readonly peer: string
  readonly epoch: number
  readonly instance: string
  readonly name?: string
  readonly meta?: Json
  readonly presence: Presence
}

/** Frames with numbers, from the server. `unknown` is one whose kind or fields a newer server may know: it only counts. */
export type NumberedFrame = { readonly n: number } & (
  | ({ readonly kind: 'joined' } & RosterEntry)
  | { readonly kind: 'left'; readonly peer: string; readonly epoch: number; readonly reason: string }
  | {
      readonly kind: 'changed'
      readonly peer: string
      readonly epoch: number
      readonly presence?: Presence
      readonly name?: string
      readonly meta?: Json
    }
  | { readonly kind: 'signal'; readonly from: string; readonly epoch: number; readonly data: Json }
  | ({ readonly kind: 'refused' } & Refusal)
  | { readonly kind: 'unknown' }
)

/** Why an uplink frame was refused. */
export interface Refusal {
  readonly code: string
  readonly message: string
  /** The number of the frame that was refused, if it had one. */
  readonly of?: number
  /** To whom the frame was, if to anybody. */
  readonly to?: string
  /** Seconds after which another try may do. */
  readonly retryAfter?: number
}

/** Frames that belong to the link, from the server. */
export type LinkFrame =
  | { readonly kind: 'hello'; readonly link: number; readonly received: number }
  | { readonly kind: 'received'; /** The last uplink frame received. */ readonly n: number; readonly code?: string; readonly retryAfter?: number }
  | ({ readonly kind: 'refused' } & Refusal)
  | { readonly kind: 'ping' | 'pong' | 'superseded' }
  | { readonly kind: 'ice'; readonly iceServers: RTCIceServer[]; readonly ttl: number }
  | { readonly kind: 'drain'; readonly in: number }
  | { readonly kind: 'ended'; readonly code: string; readonly message: string; readonly in?: number }

/** Frames that get a number on their way to the server. */
export type UplinkFrame =
  | { kind: 'signal'; to: string; epoch: number; data: Json }
  | { kind: 'change'; name?: string; meta?: Json }
  | { kind: 'leave' }

type Fields = { readonly [key: string]: unknown }

/** What fields have to be. */
type Shape = { readonly [key: string]: (value: unknown) => boolean }

const isDefined = (value: unknown) => value !== undefined
const isPresence = (value: unknown) => value === 'here' || value === 'away' || value === 'leaving'
const ofPeer = { peer: isText, epoch: isCount }
const entry = { ...ofPeer, instance: isText }
const entryMore = { presence: isPresence, name: (value: unknown) => isText(value) && value !== '', meta: (value: unknown) => (value ?? null) !== null }
const refused = [{ code: isText }, { message: isText, of: isCount, to: isText, retryAfter: isSeconds }] as const

/** The kinds of frames: the fields that each must have, and those that it may. */
const numbered: { readonly [kind: string]: readonly [Shape, Shape?] } = {
  joined: [entry, entryMore],
  left: [{ ...ofPeer, reason: isText }],
  changed: [ofPeer, { presence: isPresence, name: isText, meta: isDefined }],
  signal: [{ from: isText, epoch: isCount, data: isDefined }],
  refused,
}
const ofLink: typeof numbered = {
  hello: [{ link: isCount, received: isCount }],
  received: [{ n: isCount }, { code: isText, retryAfter: isSeconds }],
  refused,
  ping: [{}],
  pong: [{}],
  superseded: [{}],
  ice: [{ iceServers: Array.isArray, ttl: isSeconds }],
  drain: [{}, { in: isSeconds }],
  ended: [{ code: isText }, { message: isText, in: isSeconds }],
}

/** What frames say that leave something out. */
const unsaid = { joined: { presence: 'here' }, drain: { in: 0 } } as const

/** Reads one message of a link. Null is one that cannot be read, or whose kind is not known and has no number. */
export function parseFrame(text: string): NumberedFrame | LinkFrame | null {
  try {
    return readFrame(JSON.parse(text))
  } catch {
    return null
  }
}

/** Reads a frame out of JSON that was read already. */
export function readFrame(value: unknown): NumberedFrame | LinkFrame | null {
  if (!isFields(value)) return null
  const { kind, n } = value
  // `received` has a number, too, but it is that of an uplink frame.
  const hasNumber = 'n' in value && kind !== 'received'
  if (hasNumber && !(isCount(n) && n > 0)) return null
  const shape = isText(kind) ? (hasNumber ? numbered : ofLink)[kind] : undefined
  const found = shape === undefined ? null : pick(value, ...shape)
  if (!hasNumber) return found && ({ kind, ...unsaid[kind as 'drain'], ...messageOf(found), ...found } as LinkFrame)
  return (found === null ? { kind: 'unknown', n } : { kind, n, ...unsaid[kind as 'joined'], ...messageOf(found), ...found }) as NumberedFrame
}

/** Whether a frame has a number of its own. */
export function isNumbered(frame: NumberedFrame | LinkFrame): frame is NumberedFrame {
  return 'n' in frame && frame.kind !== 'received'
}

/** The words of a frame that has a code and no words. */
function messageOf({ code, n }: Fields): Fields {
  return code === undefined || n !== undefined ? {} : { message: code }
}

/** Takes the fields that are asked for; null when one that is needed is not what it has to be. */
export function pick(from: Fields, needed: Shape, optional: Shape = {}): Fields | null {
  const found: Record<string, unknown> = {}
  for (const [key, is] of Object.entries({ ...needed, ...optional })) {
    if (is(from[key])) found[key] = from[key]
    else if (key in needed) return null
  }
  return found
}

/** Reads a roster; an entry that cannot be read is left out, and no list at all is null. */
export function roster(value: unknown): RosterEntry[] | null {
  const list: unknown = value ?? []
  if (!Array.isArray(list)) return null
  const found = list.map((one: unknown) => (isFields(one) ? pick(one, entry, entryMore) : null))
  return found.flatMap((one) => (one === null ? [] : ({ presence: 'here', ...one } as unknown as RosterEntry)))
}

export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function isText(value: unknown): value is string {
  return typeof value === 'string'
}

/** Numbers of frames and epochs: whole, not negative, exact. */
export function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

export function isSeconds(value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && value < Infinity
}
