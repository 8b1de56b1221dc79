import type { SignalError } from './errors.ts'
import type { Json } from './json.ts'
import type { LinkKind } from './link.ts'
import type { Peer } from './peer.ts'

/**
 * How this room's signaling is doing. Open channels to peers do not depend on it.
 *
 * @example
 * room.on('link', (state) => {
 *   if (state.name === 'waiting') show(`trying again in ${Math.ceil((state.retryAt - Date.now()) / 1000)} s`)
 * })
 */
export type LinkState =
  | { readonly name: 'connecting'; readonly attempt: number }
  | { readonly name: 'open'; readonly via: LinkKind }
  /** `retryAt` is in milliseconds since 1970, as of `Date.now()`. */
  | { readonly name: 'waiting'; readonly attempt: number; readonly retryAt: number; readonly error: SignalError }
  | { readonly name: 'closed'; readonly error?: SignalError }

/**
 * Why a peer is gone: what the server said; `replaced` when another page took its place under the same id;
 * `unreachable` when its connection died and the server could not or did not list it.
 *
 * @example
 * room.on('left', (peer, reason) => reason === 'kicked' && show(`${peer.name} was removed`))
 */
export type LeaveReason = 'leave' | 'lost' | 'kicked' | 'slow' | 'replaced' | 'unreachable'

/**
 * Who this side is, as the others see it.
 *
 * @example
 * const mine = room.self?.id === author
 */
export interface Self {
  readonly id: string
  readonly epoch: number
  readonly name?: string
  readonly meta?: Json
}

/**
 * The events of a {@link Room} and what their listeners are given.
 *
 * @example
 * const stop = room.on('changed', (peer) => render(peer))
 */
export interface RoomEvents {
  link: [state: LinkState]
  joined: [peer: Peer]
  left: [peer: Peer, reason: LeaveReason]
  /** Name, meta, presence, state or path changed. */
  changed: [peer: Peer]
  /** A channel can send: at first, and again after its connection was replaced, when messages may have been lost. */
  open: [peer: Peer, channel: string]
  message: [peer: Peer, channel: string, data: Uint8Array]
  /** Something was refused, or failed on the way to a peer. The room goes on; `link` says when it does not. */
  error: [error: SignalError]
}

/**
 * A room one has joined, and stays in until one leaves.
 *
 * @example
 * for (const peer of room.peers.values()) console.log(peer.name, peer.state, peer.path?.kind)
 */
export interface Room {
  /** Null until the first join succeeded. */
  readonly self: Self | null
  readonly link: LinkState
  /**
   * Whether there are so many peers, more than 12, that this side is connected to some of them only, at most 8: what is
   * sent to the others is passed on. `open` is emitted for those alone to whom this side is connected.
   */
  readonly meshed: boolean
  /** The others by peer id. */
  readonly peers: ReadonlyMap<string, Peer>
  /** Listens; returns what stops it. */
  on<K extends keyof RoomEvents>(event: K, listener: (...args: RoomEvents[K]) => void): () => void
  /**
   * Changes what the others see. An empty name or a null meta takes it away. What the server refuses is taken back, and is
   * an `error`: `forbidden` where the app decides the name. Throws a TypeError for a meta that JSON cannot say.
   */
  change(who: { name?: string; meta?: Json }): void
  /**
   * Sends to each peer whose channel is open, as {@link Peer.send} does, and throws what that throws. In a room that is
   * {@link meshed}, to everybody: once, in order on an ordered channel; what is on its way while a connection breaks may
   * be lost.
   */
  broadcast(channel: string, data: Uint8Array): void
  /** Leaves for good, and closes all connections. */
  leave(): void
}
