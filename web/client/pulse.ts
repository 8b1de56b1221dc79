import type { DataChannel } from './channel.ts'
import type { Clock } from './options.ts'

/** Milliseconds between pings. */
const interval = 2000

/** After so many intervals without a sound the peer counts as dead. */
const silentIntervals = 3

/** Without an answer for so long there is doubt, in milliseconds; longer where answers take long. */
export const doubtTime = 1000
const doubtTimes = 4 // the round trip

/** While messages are sent, pings are so often, in milliseconds: whoever types learns soon of packets that go nowhere. */
const busyInterval = 500

/** The kinds of message, in the first byte; a ping's own time follows, which the pong returns. */
const ping = 0
const pong = 1
const length = 10

/** What a pulse tells. */
export interface PulseEvents {
  open(): void
  /** A round trip was measured, in milliseconds; and whether the other side knows its end to be relayed. */
  measured(rtt: number, relayed: boolean): void
  /** The peer fell silent, or is heard again. */
  changed(): void
  /** A ping has no answer yet: not here, or not from there, packets may go nowhere. Said once, until something is heard. */
  doubted(): void
  /** Every interval, while open. */
  tick(): void
  closed(): void
}

/** Knows whether a peer is alive, by pings over a data channel of the library's own. */
export class Pulse {
  /** Whether nothing was heard for too long. */
  silent = false
  /** Whether this side's end of the path is a relay, which the other side cannot always see: it is told. */
  relayed = false
  /** Whether this side can do without the connection, and the other one. */
  isSpare = false
  isSpareThere = false

  readonly #channel: DataChannel
  readonly #clock: Clock
  readonly #events: PulseEvents
  #quiet = 0 // whole intervals without a sound
  #heard = false // since the last tick
  #cancel = () => {}
  #rtt = 0
  #askedAt = 0
  #cancelDoubt: (() => void) | null = null
  #late: (() => void) | null = null
  #isDoubted = false

  constructor(channel: DataChannel, clock: Clock, events: PulseEvents) {
    this.#channel = channel
    this.#clock = clock
    this.#events = events
    channel.binaryType = 'arraybuffer'
    channel.onopen = () => {
      this.#beat()
      events.open()
    }
    channel.onmessage = ({ data }: MessageEvent<unknown>) => {
      this.heard()
      if (data instanceof ArrayBuffer && data.byteLength === length) this.#read(new DataView(data))
    }
    channel.onclose = () => events.closed()
  }

  get isOpen(): boolean {
    return this.#channel.readyState === 'open'
  }

  /** Takes note that something arrived from the peer, on whatever channel. */
  heard(): void {
    this.#heard = true
    this.#quiet = 0
    this.#trust()
    if (!this.silent) return
    this.silent = false
    this.#events.changed()
  }

  /** Takes note that a message was sent. */
  sent(): void {
    if (this.#clock.now() - this.#askedAt >= busyInterval) this.ask()
  }

  /** Asks for a sign of life now; when there is doubt, or as soon as there is, `late` is called in place of the event. */
  ask(late?: () => void): void {
    if (!this.isOpen) return
    this.#send(ping, (this.#askedAt = this.#clock.now()))
    if (this.#isDoubted) return late?.()
    this.#late = late ?? this.#late
    this.#cancelDoubt ??= this.#clock.after(Math.max(doubtTime, doubtTimes * this.#rtt), () => {
      this.#isDoubted = true
      if (this.#late === null) this.#events.doubted()
      else this.#late()
    })
  }

  close(): void {
    this.#cancel()
    this.#trust()
    this.#channel.onopen = this.#channel.onmessage = this.#channel.onclose = null
    this.#channel.close()
  }

  #trust(): void {
    this.#cancelDoubt?.()
    this.#cancelDoubt = this.#late = null
    this.#isDoubted = false
  }

  #beat(): void {
    this.#cancel = this.#clock.after(interval, () => this.#beat())
    // Intervals are counted, not time: a machine that slept has not listened.
    if (!this.#heard) this.#quiet++
    this.#heard = false
    this.ask()
    if (this.#quiet >= silentIntervals && !this.silent) {
      this.silent = true
      this.#events.changed()
    }
    this.#events.tick()
  }

  #read(message: DataView): void {
    const kind = message.getUint8(0)
    const time = message.getFloat64(2)
    const flags = message.getUint8(1)
    if (kind <= pong) this.isSpareThere = flags > 1
    if (kind === ping) this.#send(pong, time)
    if (kind !== pong) return
    const rtt = this.#clock.now() - time
    if (rtt < 0 || rtt >= 60_000) return
    this.#rtt = rtt
    this.#events.measured(rtt, (flags & 1) === 1)
  }

  #send(kind: number, time: number): void {
    if (!this.isOpen) return
    const message = new DataView(new ArrayBuffer(length))
    message.setUint8(0, kind)
    message.setUint8(1, (this.relayed ? 1 : 0) + (this.isSpare ? 2 : 0))
    message.setFloat64(2, time)
    try {
      this.#channel.send(new Uint8Array(message.buffer))
    } catch {
      // The channel is full or closing; silence will say so.
    }
  }
}
