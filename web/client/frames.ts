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
  | { readonly kind: 'received'; readonly upTo: number; readonly gap: boolean; /** Over the rate: in seconds. */ readonly retryAfter?: number }
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
  // `received` has a number, too, but it is that of an uplink frame.
  if (!('n' in value) || value.kind === 'received') return linkFrame(value)
  if (!isCount(value.n) || value.n === 0) return null
  return { ...(numberedFrame(value) ?? { kind: 'unknown' }), n: value.n }
}

type WithoutNumber<F> = F extends unknown ? Omit<F, 'n'> : never

function numberedFrame(f: Fields): WithoutNumber<NumberedFrame> | null {
  switch (f.kind) {
    case 'joined': {
      const entry = rosterEntry(f)
      return entry && { kind: 'joined', ...entry }
    }
    case 'left':
      return isText(f.peer) && isCount(f.epoch) && isText(f.reason)
        ? { kind: 'left', peer: f.peer, epoch: f.epoch, reason: f.reason }
        : null
    case 'changed':
      return isText(f.peer) && isCount(f.epoch)
        ? {
            kind: 'changed',
            peer: f.peer,
            epoch: f.epoch,
            ...(isPresence(f.presence) && { presence: f.presence }),
            ...(isText(f.name) && { name: f.name }),
            ...(f.meta !== undefined && { meta: f.meta as Json }),
          }
        : null
    case 'signal':
      return isText(f.from) && isCount(f.epoch) && f.data !== undefined
        ? { kind: 'signal', from: f.from, epoch: f.epoch, data: f.data as Json }
        : null
    case 'refused':
      return refused(f)
  }
  return null
}

function refused(f: Fields): ({ readonly kind: 'refused' } & Refusal) | null {
  if (!isText(f.code)) return null
  return {
    kind: 'refused',
    code: f.code,
    message: isText(f.message) ? f.message : f.code,
    ...(isCount(f.of) && { of: f.of }),
    ...(isText(f.to) && { to: f.to }),
    ...(isSeconds(f.retryAfter) && { retryAfter: f.retryAfter }),
  }
}

function linkFrame(f: Fields): LinkFrame | null {
  switch (f.kind) {
    case 'ping':
    case 'pong':
    case 'superseded':
      return { kind: f.kind }
    case 'hello':
      return isCount(f.link) && isCount(f.received) ? { kind: 'hello', link: f.link, received: f.received } : null
    case 'received':
      return isCount(f.n)
        ? {
            kind: 'received',
            upTo: f.n,
            gap: f.code === 'gap',
            ...(f.code === 'rate_limited' && { retryAfter: isSeconds(f.retryAfter) ? f.retryAfter : 1 }),
          }
        : null
    case 'refused':
      return refused(f)
    case 'ice':
      return Array.isArray(f.iceServers) && isSeconds(f.ttl)
        ? { kind: 'ice', iceServers: f.iceServers as RTCIceServer[], ttl: f.ttl }
        : null
    case 'drain':
      return { kind: 'drain', in: isSeconds(f.in) ? f.in : 0 }
    case 'ended':
      return isText(f.code)
        ? {
            kind: 'ended',
            code: f.code,
            message: isText(f.message) ? f.message : f.code,
            ...(isSeconds(f.in) && { in: f.in }),
          }
        : null
  }
  return null
}

/** Reads a roster; an entry that cannot be read is left out, and no list at all is null. */
export function roster(value: unknown): RosterEntry[] | null {
  if (value === undefined || value === null) return []
  if (!Array.isArray(value)) return null
  return value.map((entry: unknown) => (isFields(entry) ? rosterEntry(entry) : null)).filter((entry) => entry !== null)
}

function rosterEntry(f: Fields): RosterEntry | null {
  if (!isText(f.peer) || !isCount(f.epoch) || !isText(f.instance)) return null
  return {
    peer: f.peer,
    epoch: f.epoch,
    instance: f.instance,
    presence: isPresence(f.presence) ? f.presence : 'here',
    ...(isText(f.name) && f.name !== '' && { name: f.name }),
    ...(f.meta !== undefined && f.meta !== null && { meta: f.meta as Json }),
  }
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

function isPresence(value: unknown): value is Presence {
  return value === 'here' || value === 'away' || value === 'leaving'
}
