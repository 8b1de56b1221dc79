import type { ConnectionSetup } from './connection.ts'
import type { Json } from './json.ts'
import type { Clock } from './options.ts'
import type { RelaySetup } from './relay.ts'
import type { RemotePeer } from './remote-peer.ts'
import type { Parts } from './sources.ts'
import type { Party, RoomTrust } from './trust.ts'

/** What a peer needs of its room. */
export interface PeerContext {
  readonly clock: Clock
  readonly trust: RoomTrust
  /** What messages through the server are sent with; null where they are not to be. */
  readonly relay: (Pick<RelaySetup, 'channels' | 'maxMessage' | 'nonce'> & { load(): Promise<Parts['relay']> }) | null
  /** This side, as the others know it. */
  self(): Party
  /** This side's epoch. */
  epoch(): number
  /** Whether signaling works just now. */
  isLinked(): boolean
  signal(to: string, epoch: number, data: Json): void
  /** Counts the connections that this page began. */
  nextCount(): number
  /** Throws when the app sends what could never be sent. */
  check(channel: string, data: Uint8Array): void
  /** Null where there is no WebRTC. */
  setup(): ConnectionSetup | null
  /** State, path or who the peer is changed. */
  changed(peer: RemotePeer): void
  open(peer: RemotePeer, channel: string): void
  message(peer: RemotePeer, channel: string, data: Uint8Array): void
  /** Nothing is heard of a peer, perhaps since this side's network is another. */
  doubted(): void
  fault(peer: RemotePeer, cause: unknown): void
  /** Whether others pass messages on. */
  isMeshed(): boolean
  /** Something came that is to be passed on. */
  envelope(peer: RemotePeer, channel: string, data: Uint8Array): void
  /** Sends by way of others; false when it cannot. */
  route(peer: RemotePeer, channel: string, data: Uint8Array): boolean
}
