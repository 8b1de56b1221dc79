// The shared document over the room's `document` channel, which is ordered and reliable.
//
// When a channel opens, both sides ask for what they lack. From then on each side tells its own edits to everybody, and
// nobody passes on anybody else's: a keystroke among n peers costs n−1 messages. Now and then a random peer is asked
// whether it has the same document, which mends whatever a lost message or a missing path has kept apart.
import * as Y from 'yjs'
import type { Clock, Peer } from '../client/index.ts'
import * as messages from './messages.ts'

/** The name of the channel. */
export const documentChannel = 'document'

const repairEvery = 4_000 // ms between two questions to random peers, and up to half as much again by chance
const drainEvery = 250 // ms between two looks at a peer that could not take more
const drained = 64 << 10 // bytes still waiting at which a slow peer is spoken to again

/** One peer whose channel is open. */
interface Line {
  readonly peer: Peer
  /** It told us everything it had at some point since the channel opened. */
  synced: boolean
  /** It could not take a message: nothing more is said until it has drained, then all that it lacks at once. */
  slow: boolean
}

export interface DocumentChannelOptions {
  readonly doc: Y.Doc
  readonly clock: Clock
  /** Numbers from 0 to below 1. */
  readonly random: () => number
  /** Called when a peer's {@link DocumentChannel.synced} changed. */
  readonly changed: () => void
}

export class DocumentChannel {
  readonly #doc: Y.Doc
  readonly #clock: Clock
  readonly #random: () => number
  readonly #changed: () => void
  readonly #lines = new Map<string, Line>()
  #edits: Uint8Array[] = [] // of this tick
  #digest: Uint8Array | null = null // of the document as it is, once somebody wanted to know
  #stopRepair: () => void
  #stopDrain: (() => void) | null = null

  constructor({ doc, clock, random, changed }: DocumentChannelOptions) {
    this.#doc = doc
    this.#clock = clock
    this.#random = random
    this.#changed = changed
    doc.on('update', this.#edited)
    this.#stopRepair = this.#nextRepair()
  }

  synced(peer: string): boolean {
    return this.#lines.get(peer)?.synced ?? false
  }

  opened(peer: Peer): void {
    this.#open(peer)
  }

  closed(peer: string): void {
    if (this.#lines.delete(peer)) this.#changed()
  }

  /** Takes a message in; throws `Malformed` when it is none, and then has done nothing. */
  received(peer: Peer, data: Uint8Array): void {
    const message = messages.read(data)
    const line = this.#lines.get(peer.id) ?? this.#open(peer) // the other side may have opened first
    switch (message.kind) {
      case 'step1':
        this.#say(line, messages.step2(this.#doc, message.vector))
        return
      case 'step2':
        Y.applyUpdate(this.#doc, message.update, this)
        this.#synced(line)
        return
      case 'update':
        Y.applyUpdate(this.#doc, message.update, this)
        return
      case 'digest':
        if (equal(message.digest, this.#currentDigest())) {
          this.#synced(line)
          return
        }
        this.#say(line, messages.step2(this.#doc, message.vector))
        this.#say(line, messages.step1(this.#doc))
    }
  }

  destroy(): void {
    this.#doc.off('update', this.#edited)
    this.#stopRepair()
    this.#stopDrain?.()
    this.#lines.clear()
  }

  readonly #edited = (change: Uint8Array, origin: unknown): void => {
    this.#digest = null
    if (origin === this) return
    if (this.#edits.length === 0) queueMicrotask(() => this.#tellEdits())
    this.#edits.push(change)
  }

  #tellEdits(): void {
    const edits = this.#edits
    this.#edits = []
    const change = edits.length === 1 ? edits[0] : Y.mergeUpdates(edits)
    if (change === undefined) return
    const message = messages.update(change)
    for (const line of this.#lines.values()) this.#say(line, message)
  }

  #open(peer: Peer): Line {
    const line: Line = { peer, synced: false, slow: false }
    this.#lines.set(peer.id, line)
    this.#say(line, messages.step1(this.#doc))
    return line
  }

  #synced(line: Line): void {
    if (line.synced) return
    line.synced = true
    this.#changed()
  }

  #say(line: Line, message: Uint8Array): void {
    if (line.slow || line.peer.send(documentChannel, message)) return
    line.slow = true
    this.#stopDrain ??= this.#clock.after(drainEvery, this.#drain)
  }

  readonly #drain = (): void => {
    this.#stopDrain = null
    for (const line of this.#lines.values()) {
      if (!line.slow) continue
      line.slow = line.peer.buffered > drained
      if (!line.slow) this.#say(line, messages.digest(this.#doc, this.#currentDigest()))
      if (line.slow) this.#stopDrain ??= this.#clock.after(drainEvery, this.#drain)
    }
  }

  #nextRepair(): () => void {
    return this.#clock.after(repairEvery * (1 + this.#random() / 2), () => {
      this.#stopRepair = this.#nextRepair()
      const lines = [...this.#lines.values()]
      const line = lines[Math.floor(this.#random() * lines.length)]
      if (line !== undefined) this.#say(line, messages.digest(this.#doc, this.#currentDigest()))
    })
  }

  #currentDigest(): Uint8Array {
    this.#digest ??= messages.digestOf(this.#doc)
    return this.#digest
  }
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index])
}
