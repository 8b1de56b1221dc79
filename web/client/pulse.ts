import type { DataChannel } from './channel.ts'
import type { Clock } from './options.ts'

/** Milliseconds between pings. */
const interval = 2000

/** After so many intervals without a sound the peer counts as dead. */
const silentIntervals = 3

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

  readonly #channel: DataChannel
  readonly #clock: Clock
  readonly #events: PulseEvents
  #quiet = 0 // whole intervals without a sound
  #heard = false // since the last tick
  #cancel = () => {}

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
    if (!this.silent) return
    this.silent = false
    this.#events.changed()
  }

  /** Asks for a sign of life now. */
  ask(): void {
    this.#send(ping, this.#clock.now())
  }

  close(): void {
    this.#cancel()
    this.#channel.onopen = this.#channel.onmessage = this.#channel.onclose = null
    this.#channel.close()
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
    if (kind === ping) this.#send(pong, time)
    if (kind !== pong) return
    const rtt = this.#clock.now() - time
    if (rtt >= 0 && rtt < 60_000) this.#events.measured(rtt, message.getUint8(1) === 1)
  }

  #send(kind: number, time: number): void {
    if (!this.isOpen) return
    const message = new DataView(new ArrayBuffer(length))
    message.setUint8(0, kind)
    message.setUint8(1, this.relayed ? 1 : 0)
    message.setFloat64(2, time)
    try {
      this.#channel.send(new Uint8Array(message.buffer))
    } catch {
      // The channel is full or closing; silence will say so.
    }
  }
}
