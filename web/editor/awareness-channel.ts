// Names and carets over the room's `awareness` channel, which is unordered, never sends again and keeps the newest only.
//
// Each peer speaks for itself alone: a message holds the sender's own state, in the encoding of y-protocols/awareness,
// or no state at all, which asks for the other's. What gets lost is made good by saying the newest state once more
// shortly after, and by the renewal that awareness does by itself every 15 s.
import * as decoding from 'lib0/decoding'
import { applyAwarenessUpdate, encodeAwarenessUpdate, removeAwarenessStates, type Awareness } from 'y-protocols/awareness'
import type { Clock, Peer, Room } from '../client/index.ts'
import { Malformed } from './messages.ts'

/** The name of the channel. */
export const awarenessChannel = 'awareness'

const repeatAfter = 600 // ms
const question = Uint8Array.of(0)

interface Change {
  readonly added: readonly number[]
  readonly updated: readonly number[]
  readonly removed: readonly number[]
}

export interface AwarenessChannelOptions {
  readonly room: Pick<Room, 'broadcast' | 'meshed'>
  readonly awareness: Awareness
  readonly clock: Clock
}

export class AwarenessChannel {
  readonly #room: AwarenessChannelOptions['room']
  readonly #awareness: Awareness
  readonly #clock: Clock
  readonly #open = new Map<string, Peer>()
  readonly #clients = new Map<string, number>() // by peer id: the document client it speaks for
  #stopRepeat: (() => void) | null = null
  #quiet = false

  constructor({ room, awareness, clock }: AwarenessChannelOptions) {
    this.#room = room
    this.#awareness = awareness
    this.#clock = clock
    awareness.on('update', this.#updated)
  }

  /** The state that a peer told about itself. */
  stateOf(peer: string): unknown {
    const client = this.#clients.get(peer)
    return client === undefined ? undefined : this.#awareness.getStates().get(client)
  }

  /** The document client that a peer speaks for. */
  clientOf(peer: string): number | null {
    return this.#clients.get(peer) ?? null
  }

  opened(peer: Peer): void {
    this.#open.set(peer.id, peer)
    this.returned(peer)
  }

  /** The connection to a peer works, perhaps again: says who we are, under a higher clock, and asks who it is. */
  returned(peer: Peer): void {
    if (!this.#room.meshed && !this.#open.has(peer.id)) return
    const state = this.#awareness.getLocalState()
    this.#quiet = this.#room.meshed // where telling everybody costs most, the one is told who needs it
    if (state !== null) this.#awareness.setLocalState(state)
    this.#quiet = false
    if (this.#room.meshed) this.#tell([peer])
    if (this.stateOf(peer.id) === undefined) peer.send(awarenessChannel, question)
  }

  /** The connection to a peer is not working, perhaps for a while: its caret goes at once. */
  lost(peer: string): void {
    const client = this.#clients.get(peer)
    if (client === undefined) return
    this.#clients.delete(peer)
    removeAwarenessStates(this.#awareness, [client], this)
    this.#awareness.meta.delete(client) // so that the same state counts as news when it returns
  }

  closed(peer: string): void {
    this.lost(peer)
    this.#open.delete(peer)
  }

  /** Takes a message in; throws `Malformed` when it is none, and then has done nothing. */
  received(peer: Peer, data: Uint8Array): void {
    const client = readClient(data)
    if (client === null) {
      this.#tell([peer])
      return
    }
    if (client === this.#awareness.clientID) throw new Malformed('a peer speaks for us')
    const known = this.#clients.get(peer.id)
    if (known !== client) {
      if ([...this.#clients.values()].includes(client)) throw new Malformed('a peer speaks for another')
      this.lost(peer.id)
      this.#clients.set(peer.id, client)
    }
    applyAwarenessUpdate(this.#awareness, data, this)
  }

  destroy(): void {
    this.#stopRepeat?.()
    this.#awareness.off('update', this.#updated)
    for (const peer of [...this.#clients.keys()]) this.lost(peer)
    this.#open.clear()
  }

  readonly #updated = ({ added, updated, removed }: Change): void => {
    const own = this.#awareness.clientID
    if (this.#quiet || ![added, updated, removed].some((clients) => clients.includes(own))) return
    this.#tellAll()
    this.#stopRepeat?.()
    this.#stopRepeat = this.#clock.after(repeatAfter, () => this.#tellAll())
  }

  #tellAll(): void {
    if (this.#room.meshed) this.#room.broadcast(awarenessChannel, this.#own())
    else this.#tell(this.#open.values())
  }

  #own(): Uint8Array {
    return encodeAwarenessUpdate(this.#awareness, [this.#awareness.clientID])
  }

  #tell(peers: Iterable<Peer>): void {
    const message = this.#own()
    for (const peer of peers) peer.send(awarenessChannel, message)
  }
}

/** Whom a message is about, or null when it is about nobody, and so a question; throws {@link Malformed}. */
function readClient(data: Uint8Array): number | null {
  try {
    const decoder = decoding.createDecoder(data)
    const count = decoding.readVarUint(decoder)
    const client = count === 0 ? null : readEntry(decoder)
    if (decoding.hasContent(decoder)) throw new Error('something after the first client')
    return client
  } catch (cause) {
    throw new Malformed('not a message of the awareness channel', { cause })
  }
}

function readEntry(decoder: decoding.Decoder): number {
  const client = decoding.readVarUint(decoder)
  decoding.readVarUint(decoder) // clock
  const state: unknown = JSON.parse(decoding.readVarString(decoder))
  if (typeof state !== 'object' || Array.isArray(state)) throw new Error('a state that is no object')
  return client
}
