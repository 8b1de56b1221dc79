import type { Json } from './json.ts'
import type { LinkKind } from './link.ts'

/**
 * How one data channel behaves; both sides should say the same.
 *
 * @example
 * const carets: ChannelOptions = { ordered: false, maxRetransmits: 0, latestOnly: true }
 */
export interface ChannelOptions {
  /** Whether messages arrive in the order sent; true unless set. */
  ordered?: boolean
  /** How often a lost packet is sent again; until it arrives unless set. */
  maxRetransmits?: number
  /** Keep only the newest message while the channel cannot send: for carets and the like. */
  latestOnly?: boolean
}

/**
 * What {@link join} takes.
 *
 * @example
 * const options: JoinOptions = { server: 'https://parley.example', room: 'garden', channels: { chat: {} } }
 */
export interface JoinOptions {
  /** Where the service is, for example `location.origin`; any path prefix works. */
  server: string | URL
  /** 1–128 of the characters A–Z a–z 0–9 - . _ ~ */
  room: string
  /** Shown to the others; at most 64 bytes. */
  name?: string
  /** Shown to the others; at most 1,024 bytes of JSON. */
  meta?: Json
  /** The app's token, asked for anew for every join; it has 10 s, then another try follows. */
  token?: () => string | Promise<string>
  /** `relay` lets nothing but relayed paths be used; where the server has none, that is the error `no_relay`. */
  iceTransportPolicy?: RTCIceTransportPolicy
  /**
   * The channels by name, at most 100 of at most 128 characters. Peers should have the same; one that only one of two has
   * never opens between them, which is the error `channels_differ`.
   */
  channels: Record<string, ChannelOptions>
  /**
   * What the peers of the room share and the server never sees, as {@link newKey} makes it: 16 to 64 random bytes, or their
   * base64url. With it they sign what they tell each other through the server, and seal what goes through it. Peers without
   * the key, or with another one, are refused: `key_differs`. Where there is no `crypto.subtle` (pages from plain http), it
   * cannot be used: peers are `unverified` then.
   */
  key?: string | Uint8Array
  /**
   * Lets peers in that sign nothing, though there is a key here: those on pages from plain http, say. The server can then
   * get between any two of them unnoticed. False unless set; without a key everybody is let in.
   */
  allowUnverified?: boolean
  /** Whether messages may go through the server while a peer has no connection; true unless set. Both sides must let them. */
  serverRelay?: boolean
  /** The most bytes one message may have, sent or received; 64 MiB unless set. A larger one that comes is dropped. */
  maxMessage?: number
  /** The kinds of links to the server that may be used; all unless set. The best of them that works is. */
  links?: readonly LinkKind[]
  /** Keeps the peer id over a reload; `sessionStorage` where there is one. Null: nothing is kept, neither which links work. */
  storage?: Storage | null
  /** Leaves when aborted. */
  signal?: AbortSignal
  /** What the room reaches the world through, for tests and other run-times. */
  environment?: Partial<Environment>
}

/**
 * Time, randomness and the network; each part defaults to the browser's own.
 *
 * @example
 * join({ ...options, environment: { WebSocket: ws.WebSocket, RTCPeerConnection: undefined } }) // signaling only, in node
 */
export interface Environment {
  fetch: typeof fetch
  WebSocket: typeof WebSocket
  /** Absent where there is no WebRTC: messages go through the server then. */
  RTCPeerConnection: typeof RTCPeerConnection | undefined
  clock: Clock
  /** Absent on pages that came over plain http: nothing can be verified there. */
  subtle: SubtleCrypto | undefined
  /** Fills the array with random bytes. */
  random: (bytes: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>
}

/**
 * Tells the time and calls back later.
 *
 * @example
 * const cancel = clock.after(1000, () => show('a second has passed'))
 */
export interface Clock {
  /** Milliseconds since 1970, which go on evenly. */
  now(): number
  /** Calls `call` after `delay` milliseconds; returns what cancels it. */
  after(delay: number, call: () => void): () => void
}
