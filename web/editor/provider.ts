// Keeps a yjs document and its awareness the same among the peers of a room, over the room's own data channels.
import type { Awareness } from 'y-protocols/awareness'
import type * as Y from 'yjs'
import type { ChannelOptions, Clock, Peer, Room } from '../client/index.ts'
import { AwarenessChannel, awarenessChannel } from './awareness-channel.ts'
import { DocumentChannel, documentChannel, type Doubt } from './document-channel.ts'
import type { Notary } from './edit.ts'
import { readIdentity, type Identity } from './identity.ts'
import { Malformed } from './messages.ts'

/** The channels that a room must be joined with. */
export const channels: Record<string, ChannelOptions> = {
  [documentChannel]: { ordered: true },
  [awarenessChannel]: { ordered: false, maxRetransmits: 0, latestOnly: true },
}

export interface ProviderOptions {
  readonly room: Pick<Room, 'on' | 'broadcast' | 'meshed'>
  readonly doc: Y.Doc
  readonly awareness: Awareness
  readonly clock: Clock
  /** Numbers from 0 to below 1. */
  readonly random: () => number
  /** Signs edits and checks them; null, or left out, where nothing is signed. */
  readonly notary?: Promise<Notary> | null
  /** Whether changes of this origin come from the browser's storage. */
  readonly isStored?: (origin: unknown) => boolean
  /** Told what went wrong while a well-formed message was applied, which is never the sender's fault alone. */
  readonly fault: (error: unknown) => void
}

export class Provider {
  readonly #document: DocumentChannel
  readonly #awareness: AwarenessChannel
  readonly #fault: (error: unknown) => void
  readonly #states = new Map<string, Peer['state']>()
  readonly #dropped = new Map<string, number>()
  readonly #doubts = new Map<string, Map<Doubt, number>>()
  readonly #listeners = new Set<() => void>()
  readonly #unsubscribe: readonly (() => void)[]

  constructor({ room, doc, awareness, clock, random, notary = null, isStored = () => false, fault }: ProviderOptions) {
    this.#fault = fault
    this.#document = new DocumentChannel({
      room,
      doc,
      clock,
      random,
      notary,
      isStored,
      changed: () => this.#emit(),
      doubted: (peer, doubt) => this.#doubted(peer, doubt),
      fault,
    })
    this.#awareness = new AwarenessChannel({ room, awareness, clock })
    const heard = (_: unknown, origin: unknown): void => {
      if (origin !== 'local') this.#emit()
    }
    awareness.on('change', heard)
    this.#unsubscribe = [
      () => awareness.off('change', heard),
      room.on('open', (peer, channel) => this.#opened(peer, channel)),
      room.on('message', (peer, channel, data) => this.#received(peer, channel, data)),
      room.on('changed', (peer) => this.#changed(peer)),
      room.on('left', (peer) => this.#closed(peer)),
    ]
  }

  /** Listens for changes of what the questions below answer; returns what stops it. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Whether a peer has told us everything it had, and takes what we tell it. */
  inSync(peer: string): boolean {
    return this.#document.inSync(peer)
  }

  /** How many of a peer's edits had no valid signature, and so were dropped; or were signed, and could not be checked. */
  doubts(peer: string, doubt: Doubt): number {
    return this.#doubts.get(peer)?.get(doubt) ?? 0
  }

  /** How many messages of a peer could not be used. */
  dropped(peer: string): number {
    return this.#dropped.get(peer) ?? 0
  }

  /** The document client that a peer speaks for, by which its caret is known. */
  clientOf(peer: string): number | null {
    return this.#awareness.clientOf(peer)
  }

  /** Who a peer says it is, on its channel. */
  identityOf(peer: string): Identity | null {
    const state = this.#awareness.stateOf(peer)
    return readIdentity((state as { user?: unknown } | undefined)?.user)
  }

  destroy(): void {
    for (const unsubscribe of this.#unsubscribe) unsubscribe()
    this.#document.destroy()
    this.#awareness.destroy()
    this.#listeners.clear()
  }

  #opened(peer: Peer, channel: string): void {
    if (channel === documentChannel) this.#document.opened(peer)
    if (channel === awarenessChannel) this.#awareness.opened(peer)
  }

  #received(peer: Peer, channel: string, data: Uint8Array): void {
    try {
      if (channel === documentChannel) this.#document.received(peer, data)
      if (channel === awarenessChannel) this.#awareness.received(peer, data)
    } catch (error) {
      if (!(error instanceof Malformed)) this.#fault(error)
      this.#dropped.set(peer.id, this.dropped(peer.id) + 1)
      this.#emit()
    }
  }

  #doubted({ id }: Peer, doubt: Doubt): void {
    const counts = this.#doubts.get(id) ?? new Map<Doubt, number>()
    this.#doubts.set(id, counts.set(doubt, (counts.get(doubt) ?? 0) + 1))
    this.#emit()
  }

  #changed(peer: Peer): void {
    const before = this.#states.get(peer.id)
    this.#states.set(peer.id, peer.state)
    if (peer.state === 'closed') this.#hushed(peer)
    else if (peer.state === 'reconnecting' || peer.presence === 'leaving') this.#awareness.lost(peer.id)
    else if (peer.state === 'connected' && (before === 'reconnecting' || (before !== 'connected' && peer.path?.kind === 'mesh'))) {
      this.#awareness.returned(peer)
    }
  }

  #closed(peer: Peer): void {
    this.#hushed(peer)
    this.#states.delete(peer.id)
    this.#dropped.delete(peer.id)
    this.#doubts.delete(peer.id)
  }

  #hushed(peer: Peer): void {
    this.#document.closed(peer.id)
    this.#awareness.closed(peer.id)
  }

  #emit(): void {
    for (const listener of this.#listeners) listener()
  }
}
