import { chunks, chunkSize, payloadLength, Reassembly } from './framing.ts'
import type { ChannelOptions } from './options.ts'

/** Bytes given to the browser at once, and when to give it more. */
const highWater = 1024 * 1024 - chunkSize // with the last piece, no more than 1 MiB
const lowWater = 256 * 1024

/** The most bytes that wait behind what the browser has. One message may be larger, if nothing waits before it. */
const queueLimit = 16 * 1024 * 1024

/** What a channel tells. */
export interface ChannelEvents {
  open(): void
  message(data: Uint8Array, isEnvelope: boolean): void
  /** Something arrived, whatever it was. */
  heard(): void
  /** Something that came was dropped; why, for people. */
  dropped(why: string): void
  /** The other side closed it, or its connection is gone. */
  closed(): void
}

/** What a channel needs of an RTCDataChannel. */
export type DataChannel = Pick<
  RTCDataChannel,
  'readyState' | 'bufferedAmount' | 'bufferedAmountLowThreshold' | 'binaryType' | 'close' | 'onopen' | 'onclose' | 'onmessage' | 'onbufferedamountlow'
> & { send(data: Uint8Array<ArrayBuffer>): void }

/** A message; an envelope has a key, by which a later one takes its place where only the latest is kept. */
export type Item = readonly [data: Uint8Array, key?: string | undefined]

/** Messages of any size over one data channel, with no more than a bound in the browser's own buffer. */
export class Channel {
  readonly #channel: DataChannel
  readonly #latestOnly: boolean
  readonly #highWater: number
  readonly #reassembly: Reassembly
  #queue: Item[] = []
  #current: Item | null = null // the message being cut
  #chunks: Generator<Uint8Array<ArrayBuffer>, void> | null = null // what is left of it
  #chunk: Uint8Array<ArrayBuffer> | null = null // its next piece
  #queued = 0 // bytes not given to the browser
  #nextId = 0

  constructor(channel: DataChannel, { latestOnly = false, maxRetransmits }: ChannelOptions, maxMessage: number, events: ChannelEvents) {
    this.#channel = channel
    this.#latestOnly = latestOnly
    this.#highWater = latestOnly ? 1 : highWater
    this.#reassembly = new Reassembly(maxMessage, (why) => events.dropped(why), maxRetransmits !== undefined)
    channel.binaryType = 'arraybuffer'
    channel.bufferedAmountLowThreshold = latestOnly ? 0 : lowWater
    channel.onopen = () => events.open()
    channel.onclose = () => events.closed()
    channel.onbufferedamountlow = () => this.#pump()
    channel.onmessage = ({ data }: MessageEvent<unknown>) => {
      events.heard()
      const message = this.#reassembly.take(data instanceof ArrayBuffer ? new Uint8Array(data) : new Uint8Array())
      if (message !== null) events.message(message, this.#reassembly.isEnvelope)
    }
  }

  get isOpen(): boolean {
    return this.#channel.readyState === 'open'
  }

  /** Bytes taken and not yet on their way. */
  get buffered(): number {
    return this.#queued + this.#channel.bufferedAmount
  }

  /** Takes a message to send; false when the channel is not open or too much is waiting. The message is copied. */
  send(message: Uint8Array, key?: string): boolean {
    if (!this.isOpen) return false
    if (this.#latestOnly) this.#drop(key)
    else if (this.#queued > 0 && this.#queued + message.length > queueLimit) return false
    // What waits, waits as a copy, since the caller may use its array again. What is small mostly does not wait.
    const small = message.length < chunkSize
    this.#queue.push([small ? message : message.slice(), key])
    this.#queued += message.length
    this.#pump()
    if (small && this.#queue.at(-1)?.[0] === message) this.#queue[this.#queue.length - 1] = [message.slice(), key]
    return true
  }

  /** Takes back the messages that were not given to the channel wholly: the other side never gets them from here. */
  take(): Item[] {
    const messages = this.#current === null ? this.#queue : [this.#current, ...this.#queue]
    this.#queue = []
    this.#current = this.#chunk = null
    this.#queued = 0
    return messages
  }

  close(): void {
    const channel = this.#channel
    channel.onopen = channel.onclose = channel.onmessage = channel.onbufferedamountlow = null
    channel.close()
    this.take()
  }

  /** Drops the messages of this key of which nothing was sent. */
  #drop(key: string | undefined): void {
    this.#queue = this.#queue.filter(([message, other]) => {
      if (other === key) this.#queued -= message.length
      return other !== key
    })
  }

  #pump(): void {
    while (this.isOpen && this.#channel.bufferedAmount < this.#highWater) {
      this.#chunk ??= this.#next()
      if (this.#chunk === null) return
      try {
        this.#channel.send(this.#chunk)
      } catch {
        return // the buffer below is full: it keeps the channel, and says when there is room
      }
      this.#queued -= payloadLength(this.#chunk)
      this.#cut()
    }
  }

  /** The first piece of the next message. */
  #next(): Uint8Array<ArrayBuffer> | null {
    this.#current = this.#queue.shift() ?? null
    this.#chunks = this.#current && chunks(this.#current[0], this.#nextId++ >>> 0, this.#current[1] !== undefined)
    return this.#cut()
  }

  /** Cuts the next piece; when there is none, the message is given away wholly. */
  #cut(): Uint8Array<ArrayBuffer> | null {
    this.#chunk = this.#chunks?.next().value ?? null
    if (this.#chunk === null) this.#current = this.#chunks = null
    return this.#chunk
  }
}
