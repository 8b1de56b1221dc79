// How messages of any size go through a data channel, of which each message is best kept small. The first byte says
// what follows:
//
//   0  a whole message
//   1  a fragment: the message's id, the fragment's index, the message's size (each 32 bits, big endian), and the bytes
//
//   2, 3 the same of an envelope, which is passed on from peer to peer
//
// All fragments of a message but the last are equally long. They may come in any order, and on a lossy channel some may
// never come.

/** The most bytes given to a channel at once: what every implementation takes. */
export const chunkSize = 16 * 1024

const whole = 0
const fragment = 1
const envelope = 2 // beside the others
const fragmentHeader = 13
const fragmentPayload = chunkSize - fragmentHeader

/** The most bytes that an envelope has in front of its message. */
const envelopeHead = 522

/** How many messages may be incomplete at once; beyond that the oldest is given up. */
const incompleteLimit = 32

/** Cuts a message into what a channel is given, one chunk at a time. */
export function* chunks(message: Uint8Array, id: number, isEnvelope = false): Generator<Uint8Array<ArrayBuffer>, void> {
  const bit = isEnvelope ? envelope : 0
  if (message.length < chunkSize) {
    const chunk = new Uint8Array(message.length + 1)
    chunk[0] = whole + bit
    chunk.set(message, 1)
    yield chunk
    return
  }
  for (let index = 0, start = 0; start < message.length; index++, start += fragmentPayload) {
    const part = message.subarray(start, start + fragmentPayload)
    const chunk = new Uint8Array(fragmentHeader + part.length)
    const header = new DataView(chunk.buffer)
    header.setUint8(0, fragment + bit)
    header.setUint32(1, id)
    header.setUint32(5, index)
    header.setUint32(9, message.length)
    chunk.set(part, fragmentHeader)
    yield chunk
  }
}

/** How many bytes of its message a chunk holds. */
export function payloadLength(chunk: Uint8Array): number {
  return chunk.length - ((chunk[0]! & fragment) === whole ? 1 : fragmentHeader)
}

interface Incomplete {
  readonly size: number
  readonly parts: Map<number, Uint8Array>
}

/** Puts the messages of one channel together again. What it holds is bounded, and what is malformed is dropped. */
export class Reassembly {
  /** Whether the last message was an envelope. */
  isEnvelope = false

  readonly #limit: number
  readonly #dropped: (why: string) => void
  readonly #lossy: boolean
  readonly #incomplete = new Map<number, Incomplete>()
  #held = 0

  /**
   * @param limit the most bytes of one message, and of all incomplete ones together
   * @param dropped is told what was dropped, for people
   * @param lossy whether messages may well stay incomplete, so that it is not worth a word
   */
  constructor(limit: number, dropped: (why: string) => void = () => {}, lossy = false) {
    this.#limit = limit
    this.#dropped = dropped
    this.#lossy = lossy
  }

  /** Takes what a channel received; returns a message when it is complete. */
  take(chunk: Uint8Array): Uint8Array | null {
    const kind = chunk[0] ?? 4
    const isWhole = (kind & fragment) === whole
    if (kind > 3 || (!isWhole && chunk.length <= fragmentHeader)) return this.#drop('a malformed message')
    const header = new DataView(chunk.buffer, chunk.byteOffset, chunk.byteLength)
    const size = isWhole ? chunk.length - 1 : header.getUint32(9)
    if (size > this.#limit + (kind >= envelope ? envelopeHead : 0)) return this.#drop(`a message of ${size} bytes, over this side's limit of ${this.#limit}`)
    this.isEnvelope = kind >= envelope
    if (isWhole) return chunk.subarray(1)
    const id = header.getUint32(1)
    const index = header.getUint32(5)
    const part = chunk.subarray(fragmentHeader)
    const message = this.#incomplete.get(id) ?? { size, parts: new Map() }
    const fits = part.length === Math.min(fragmentPayload, size - index * fragmentPayload)
    if (!fits || message.size !== size || message.parts.has(index)) return this.#drop('a malformed fragment')

    if (!this.#incomplete.has(id)) {
      if (this.#incomplete.size >= incompleteLimit) this.#giveUpOldest()
      this.#incomplete.set(id, message)
    }
    while (this.#held + part.length > this.#limit && this.#incomplete.size > 1) this.#giveUpOldest()
    if (!this.#incomplete.has(id)) return null
    message.parts.set(index, part)
    this.#held += part.length
    return message.parts.size === Math.ceil(size / fragmentPayload) ? this.#complete(id, message) : null
  }

  #drop(why: string): null {
    this.#dropped(why)
    return null
  }

  #complete(id: number, { size, parts }: Incomplete): Uint8Array {
    const bytes = new Uint8Array(size)
    for (const [index, part] of parts) bytes.set(part, index * fragmentPayload)
    this.#forget(id)
    return bytes
  }

  #giveUpOldest(): void {
    if (!this.#lossy) this.#dropped('an incomplete message, for newer ones')
    for (const id of this.#incomplete.keys()) return this.#forget(id)
  }

  #forget(id: number): void {
    for (const part of this.#incomplete.get(id)?.parts.values() ?? []) this.#held -= part.length
    this.#incomplete.delete(id)
  }
}
