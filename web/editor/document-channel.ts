// The shared document over the room's `document` channel, which is ordered and reliable.
//
// When a channel opens, both sides ask for what they lack. From then on each side tells its own edits to everybody, and
// nobody passes on anybody else's: a keystroke among n peers costs n−1 messages. Now and then a random peer is asked
// whether it has the same document, which mends whatever a lost message or a missing path has kept apart.
//
// In a room that is meshed, the room passes edits on; questions and answers go between neighbours alone, and who learned
// something by an answer asks its other neighbours whether they have it, too.
//
// Where edits are signed, each is checked before it touches the document. Writers sign what they answer anew; readers
// answer with the signed edits that they have seen.
import * as Y from 'yjs'
import type { Clock, Peer, Room } from '../client/index.ts'
import type { Edit, Notary } from './edit.ts'
import { Ledger } from './ledger.ts'
import * as messages from './messages.ts'

/** The name of the channel. */
export const documentChannel = 'document'

const repairEvery = 4_000 // ms between two questions to random peers, and up to half as much again by chance
const spreadAfter = 100 // ms between an answer that brought something and questions to the other neighbours
const drainEvery = 250 // ms between two looks at a peer that could not take more
const drained = 64 << 10 // bytes still waiting at which a slow peer is spoken to again
const slowAt = 1 << 20 // bytes waiting from which on edits are kept from a peer
const uncheckedLimit = 16 << 20 // bytes of a peer's messages that may wait for their signatures to be checked

/** One peer whose channel is open. */
interface Line {
  readonly peer: Peer
  /** It told us everything it had at some point since the channel opened. */
  synced: boolean
  /** It could not take a message: nothing more is said until it has drained, then all that it lacks at once. */
  slow: boolean
  /** Its messages are checked one after the other. */
  checked: Promise<void>
  unchecked: number
  /** What it asked last, while an answer is being signed; null when nothing is to be answered. */
  question: Uint8Array | null
  answering: boolean
}

/** What is wrong with a peer's edits: nobody who may write signed them, or there is a signature and no key to check it. */
export type Doubt = 'unsigned' | 'unchecked'

export interface DocumentChannelOptions {
  readonly room: Pick<Room, 'broadcast' | 'meshed'>
  readonly doc: Y.Doc
  readonly clock: Clock
  /** Numbers from 0 to below 1. */
  readonly random: () => number
  /** Signs and checks; null where nothing is signed. It may take a moment to get ready. */
  readonly notary: Promise<Notary> | null
  /** Whether changes of this origin come from the browser's storage: they were told to others before, or may have been. */
  readonly isStored: (origin: unknown) => boolean
  /** Called when a peer's {@link DocumentChannel.inSync} changed. */
  readonly changed: () => void
  readonly doubted: (peer: Peer, doubt: Doubt) => void
  readonly fault: (error: unknown) => void
}

export class DocumentChannel {
  readonly #options: DocumentChannelOptions
  readonly #doc: Y.Doc
  readonly #lines = new Map<string, Line>()
  readonly #origin: number
  readonly #ledger = new Ledger()
  #number = 0
  #edits: Uint8Array[] = [] // of this tick, or made while others are being signed
  #telling = false
  #digest: Uint8Array | null = null // of the document as it is, once somebody wanted to know
  #stopRepair: () => void
  #stopDrain: (() => void) | null = null
  #stopSpread: (() => void) | null = null
  #destroyed = false

  constructor(options: DocumentChannelOptions) {
    this.#options = options
    this.#doc = options.doc
    this.#origin = Math.floor(options.random() * 2 ** 32) * 2 ** 20 + Math.floor(options.random() * 2 ** 20)
    this.#doc.on('update', this.#edited)
    this.#stopRepair = this.#nextRepair()
  }

  /** Whether a peer told us everything it had, and is told what happens here as it does. */
  inSync(peer: string): boolean {
    const line = this.#lines.get(peer)
    const isFine = ({ synced, slow }: Line): boolean => synced && !slow
    if (line !== undefined && isNear(line)) return isFine(line)
    const near = this.#near // with those beyond as they are
    return this.#options.room.meshed && near.length > 0 && near.every(isFine)
  }

  opened(peer: Peer): void {
    this.#open(peer)
  }

  closed(peer: string): void {
    if (this.#lines.delete(peer)) this.#options.changed()
  }

  /** Takes a message in; throws `Malformed` when it is none, and then has done nothing. */
  received(peer: Peer, data: Uint8Array): void {
    const message = messages.read(data)
    const line = this.#lines.get(peer.id) ?? this.#open(peer) // the other side may have opened first
    switch (message.kind) {
      case 'step1':
        this.#answer(line, message.vector)
        return
      case 'step2':
        this.#unsigned(line, message.update, true)
        return
      case 'update':
        this.#unsigned(line, message.update, false)
        return
      case 'edit':
        this.#signed(line, [message.edit], false, data.length)
        return
      case 'answer':
        this.#signed(line, message.edits, true, data.length)
        return
      case 'digest':
        if (equal(message.digest, this.#currentDigest())) {
          this.#synced(line)
          return
        }
        this.#answer(line, message.vector)
        this.#ask(line)
    }
  }

  destroy(): void {
    this.#destroyed = true
    this.#doc.off('update', this.#edited)
    this.#stopRepair()
    this.#stopDrain?.()
    this.#stopSpread?.()
    this.#lines.clear()
  }

  readonly #edited = (change: Uint8Array, origin: unknown): void => {
    this.#digest = null
    if (origin === this) return
    if (this.#options.isStored(origin)) {
      for (const line of this.#near) this.#compare(line) // what was kept here may be news to them
      return
    }
    this.#edits.push(change)
    if (!this.#telling) void this.#tellEdits()
  }

  async #tellEdits(): Promise<void> {
    this.#telling = true
    await null // what happens in one tick travels as one edit
    while (this.#edits.length > 0 && !this.#destroyed) {
      const edits = this.#edits
      this.#edits = []
      const update = edits.length === 1 ? (edits[0] as Uint8Array) : Y.mergeUpdates(edits)
      try {
        const message = messages.edit(await this.#sign(update))
        this.#tell(message)
      } catch (error) {
        this.#options.fault(error)
      }
    }
    this.#telling = false
  }

  async #sign(update: Uint8Array): Promise<Edit> {
    const edit = { origin: this.#origin, number: ++this.#number, update }
    const notary = this.#options.notary
    return notary === null ? { ...edit, signature: new Uint8Array(0) } : (await notary).sign(edit)
  }

  /** Tells a peer what it lacks; one that has drained is told by another way. */
  #answer(line: Line, vector: Uint8Array): void {
    const { notary, fault } = this.#options
    if (line.slow) return
    if (notary === null) {
      this.#say(line, messages.step2(this.#doc, vector))
      return
    }
    line.question = vector
    if (!line.answering) void this.#answerSigned(line, notary).catch(fault)
  }

  /** Answers what was asked last, however much was asked meanwhile. */
  async #answerSigned(line: Line, notary: Promise<Notary>): Promise<void> {
    line.answering = true
    try {
      while (line.question !== null && this.#lines.get(line.peer.id) === line) {
        const vector = line.question
        line.question = null
        const edits = (await notary).maySign ? [await this.#sign(Y.encodeStateAsUpdate(this.#doc, vector))] : this.#ledger.missing(vector)
        this.#say(line, messages.answer(edits))
      }
    } finally {
      line.answering = false
    }
  }

  /** Takes in an update without a signature, which is good only where nothing is signed. */
  #unsigned(line: Line, update: Uint8Array, all: boolean): void {
    if (this.#options.notary !== null) {
      this.#options.doubted(line.peer, 'unsigned')
      return
    }
    this.#apply(update, all)
    if (all) this.#synced(line)
  }

  #signed(line: Line, edits: readonly Edit[], all: boolean, size: number): void {
    const { notary, doubted, fault } = this.#options
    if (notary === null) {
      if (edits.some(({ signature }) => signature.length > 0)) doubted(line.peer, 'unchecked')
      for (const { update } of edits) this.#apply(update, all)
      if (all) this.#synced(line)
      return
    }
    // More than can be checked is dropped; the next question to this peer mends it.
    if (line.unchecked > 0 && line.unchecked + size > uncheckedLimit) return
    line.unchecked += size
    line.checked = line.checked
      .then(async () => this.#check(line, await notary, edits, all))
      .catch(fault)
      .finally(() => (line.unchecked -= size))
  }

  async #check(line: Line, notary: Notary, edits: readonly Edit[], all: boolean): Promise<void> {
    for (const edit of edits) {
      const genuine = await notary.isGenuine(edit)
      if (this.#destroyed) return
      if (!genuine) {
        this.#options.doubted(line.peer, 'unsigned')
        return
      }
      this.#apply(edit.update, all)
      if (notary.maySign) continue
      this.#ledger.add(edit)
    }
    if (this.#lines.get(line.peer.id) !== line) return
    if (all) this.#synced(line)
    if (this.#ledger.isCrowded) {
      this.#ledger.asked()
      this.#say(line, messages.step1())
    }
  }

  #open(peer: Peer): Line {
    const line: Line = { peer, synced: false, slow: false, checked: Promise.resolve(), unchecked: 0, question: null, answering: false }
    this.#lines.set(peer.id, line)
    if (isNear(line)) this.#ask(line)
    return line
  }

  /** Asks a peer for all that is missing here. */
  #ask(line: Line): void {
    const { notary, fault } = this.#options
    if (notary === null) {
      this.#say(line, messages.step1(this.#doc))
      return
    }
    const ask = async (): Promise<void> => {
      // What a reader has saved carries no signature: to be able to pass anything on, it must be told everything once.
      const everything = !(await notary).maySign && this.#ledger.size === 0
      if (this.#lines.get(line.peer.id) === line) this.#say(line, everything ? messages.step1() : messages.step1(this.#doc))
    }
    ask().catch(fault)
  }

  #synced(line: Line): void {
    if (line.synced) return
    line.synced = true
    this.#options.changed()
  }

  #compare(line: Line): void {
    this.#say(line, messages.digest(this.#doc, this.#currentDigest()))
  }

  /** Tells everybody. */
  #tell(message: Uint8Array): void {
    const { room } = this.#options
    if (!room.meshed) return this.#near.forEach((line) => this.#say(line, message))
    room.broadcast(documentChannel, message)
    for (const line of this.#near) this.#heed(line, true)
  }

  #say(line: Line, message: Uint8Array): void {
    if (!line.slow) this.#heed(line, line.peer.send(documentChannel, message))
  }

  #heed(line: Line, taken: boolean): void {
    if (line.slow || (taken && line.peer.buffered < slowAt)) return
    line.slow = true
    this.#options.changed()
    this.#stopDrain ??= this.#options.clock.after(drainEvery, this.#drain)
  }

  readonly #drain = (): void => {
    this.#stopDrain = null
    for (const line of this.#lines.values()) {
      if (!line.slow) continue
      line.slow = line.peer.buffered > drained
      if (!line.slow) {
        this.#compare(line)
        this.#options.changed()
      }
      if (line.slow) this.#stopDrain ??= this.#options.clock.after(drainEvery, this.#drain)
    }
  }

  #nextRepair(): () => void {
    const { clock, random } = this.#options
    return clock.after(repairEvery * (1 + random() / 2), () => {
      this.#stopRepair = this.#nextRepair()
      const lines = this.#near
      const line = lines[Math.floor(random() * lines.length)]
      if (line !== undefined) this.#compare(line)
      for (const each of lines) if (!each.synced) this.#ask(each) // its answer may be lost
    })
  }

  /** The peers to which there is a channel of one's own. */
  get #near(): Line[] {
    return [...this.#lines.values()].filter(isNear)
  }

  /** Applies what a peer said; news in an answer was told to nobody else. */
  #apply(update: Uint8Array, isAnswer: boolean): void {
    const before = isAnswer && this.#options.room.meshed ? this.#currentDigest() : null
    Y.applyUpdate(this.#doc, update, this)
    if (before === null || equal(before, this.#currentDigest())) return
    this.#stopSpread ??= this.#options.clock.after(spreadAfter, () => {
      this.#stopSpread = null
      for (const line of this.#near) this.#compare(line)
    })
  }

  #currentDigest(): Uint8Array {
    this.#digest ??= messages.digestOf(this.#doc)
    return this.#digest
  }
}

function isNear({ peer }: Line): boolean {
  return peer.path?.kind !== 'mesh'
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index])
}
