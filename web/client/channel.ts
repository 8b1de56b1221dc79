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
  message(data: Uint8Array): void
  /** Something arrived, whatever it was. */
  heard(): void
  /** The other side closed it, or its connection is gone. */
  closed(): void
}

/** What a channel needs of an RTCDataChannel. */
export type DataChannel = Pick<
  RTCDataChannel,
  'readyState' | 'bufferedAmount' | 'bufferedAmountLowThreshold' | 'binaryType' | 'close' | 'onopen' | 'onclose' | 'onmessage' | 'onbufferedamountlow'
> & { send(data: Uint8Array<ArrayBuffer>): void }

/** Messages of any size over one data channel, with no more than a bound in the browser's own buffer. */
export class Channel {
  readonly #channel: DataChannel
  readonly #latestOnly: boolean
  readonly #highWater: number
  readonly #reassembly: Reassembly
  #queue: Uint8Array[] = []
  #current: Generator<Uint8Array<ArrayBuffer>, void> | null = null // the message being cut
  #chunk: Uint8Array<ArrayBuffer> | null = null // its next piece
  #queued = 0 // bytes not given to the browser
  #nextId = 0

  constructor(channel: DataChannel, { latestOnly = false }: ChannelOptions, maxMessage: number, events: ChannelEvents) {
    this.#channel = channel
    this.#latestOnly = latestOnly
    this.#highWater = latestOnly ? 1 : highWater
    this.#reassembly = new Reassembly(maxMessage)
    channel.binaryType = 'arraybuffer'
    channel.bufferedAmountLowThreshold = latestOnly ? 0 : lowWater
    channel.onopen = () => events.open()
    channel.onclose = () => events.closed()
    channel.onbufferedamountlow = () => this.#pump()
    channel.onmessage = ({ data }: MessageEvent<unknown>) => {
      events.heard()
      const message = data instanceof ArrayBuffer ? this.#reassembly.take(new Uint8Array(data)) : null
      if (message !== null) events.message(message)
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
  send(message: Uint8Array): boolean {
    if (!this.isOpen) return false
    if (this.#latestOnly) this.#drop()
    else if (this.#queued > 0 && this.#queued + message.length > queueLimit) return false
    // What waits, waits as a copy, since the caller may use its array again. What is small mostly does not wait.
    const small = message.length < chunkSize
    this.#queue.push(small ? message : message.slice())
    this.#queued += message.length
    this.#pump()
    if (small && this.#queue.at(-1) === message) this.#queue[this.#queue.length - 1] = message.slice()
    return true
  }

  close(): void {
    const channel = this.#channel
    channel.onopen = channel.onclose = channel.onmessage = channel.onbufferedamountlow = null
    channel.close()
    this.#drop()
    this.#current = this.#chunk = null
    this.#queued = 0
  }

  /** Drops the messages of which nothing was sent. */
  #drop(): void {
    for (const message of this.#queue) this.#queued -= message.length
    this.#queue = []
  }

  #pump(): void {
    while (this.isOpen && this.#channel.bufferedAmount < this.#highWater) {
      const chunk = (this.#chunk ??= this.#next())
      if (chunk === null) return
      try {
        this.#channel.send(chunk)
      } catch {
        return // the browser's own buffer is full: it keeps the channel, and says when there is room
      }
      this.#chunk = null
      this.#queued -= payloadLength(chunk)
    }
  }

  #next(): Uint8Array<ArrayBuffer> | null {
    for (;;) {
      const { done, value } = this.#current?.next() ?? { done: true }
      if (!done && value) return value
      const message = this.#queue.shift()
      if (message === undefined) return (this.#current = null)
      this.#current = chunks(message, this.#nextId++ >>> 0)
    }
  }
}
