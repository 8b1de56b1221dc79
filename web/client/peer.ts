import type { Json } from './json.ts'

/**
 * What the server knows of a peer: it has a link, it has none just now, or its page said good-bye and may be back.
 *
 * @example
 * row.classList.toggle('dim', peer.presence !== 'here')
 */
export type Presence = 'here' | 'away' | 'leaving'
/**
 * How the connection to a peer is doing. `reconnecting` may last: it ends when the peer is back or has left the room.
 *
 * @example
 * if (peer.state === 'reconnecting') hideCaret(peer)
 */
export type PeerState = 'connecting' | 'connected' | 'reconnecting' | 'closed'

/**
 * Whether what the peer said through the server was signed with the room's key. `unverified`: this side or the peer has no
 * key, or no means to use it (a page that came over plain http has none); or nothing came yet. `unsigned`: it was refused since
 * it signs nothing, and {@link Peer.admit} lets it in. `refused`: it has another key, this side has none, or the server changed
 * what it said.
 *
 * @example
 * row.title = peer.trust === 'verified' ? 'end-to-end verified' : 'not verified'
 */
export type TrustState = 'verified' | 'unverified' | 'unsigned' | 'refused'

/**
 * The way packets take to a peer.
 *
 * @example
 * const words = peer.path?.kind === 'relay' ? `over a relay by ${peer.path.protocol}` : 'directly'
 */
export interface Path {
  /**
   * `server`: there is no connection, and messages go through signaling. `mesh`: none is needed, since other peers pass
   * messages on.
   */
  readonly kind: 'direct' | 'relay' | 'server' | 'mesh'
  /** `udp`, or for a relay how it is reached: `udp`, `tcp` or `tls`. */
  readonly protocol?: string
  /** Round trip in milliseconds, measured on the library's own channel; through the server, when its use began. */
  readonly rtt: number | null
}

/**
 * Somebody else in the room: one page or process of theirs. A page that takes another's place is another Peer.
 *
 * @example
 * if (!peer.send('file', bytes)) waitAndTryAgain()
 */
export interface Peer {
  readonly id: string
  readonly name?: string | undefined
  readonly meta?: Json | undefined
  readonly presence: Presence
  readonly state: PeerState
  readonly trust: TrustState
  /** Null until known, and while there is none. */
  readonly path: Path | null
  /** How many notes and messages of the peer's were dropped: not signed as they must be, malformed or too large. */
  readonly dropped: number
  /** Bytes accepted by {@link send} and not yet on their way. */
  readonly buffered: number
  /**
   * Sends one message; the other side drops one over its own `maxMessage`. False when the channel is not open, or more
   * than 16 MiB (through the server: 1 MiB) would be waiting; then nothing was sent. To a peer whose path is `mesh`, false
   * when it has more than 64 KiB. The bytes may be changed afterwards.
   *
   * @throws TypeError when the room was joined without such a channel
   * @throws RangeError when the message is over this side's own `maxMessage`: it could never be sent
   */
  send(channel: string, data: Uint8Array): boolean
  /**
   * Lets this page in although it signs nothing; it is `unverified` then. The server, or whoever it lets into the room, may be
   * behind it: ask the person at this side first. Nothing else is believed without a signature by that.
   */
  admit(): void
}
