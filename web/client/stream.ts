import { fromText, toText } from './base64.ts'
import type { Channel, DataChannel, Item } from './channel.ts'
import type { Seal } from './keyring.ts'
import type { Note, PieceNote } from './note.ts'
import type { ChannelOptions, Clock } from './options.ts'

/** What may be on its way to the other side, not acknowledged. */
const windowBytes = 64 * 1024
const windowPieces = 64

/** Acknowledge after so long, in milliseconds. */
const ackDelay = 50

/** Without progress for so long, in milliseconds, pieces are sent again; each time in vain, it doubles up to the other. */
const patience = 3000
const longestPatience = 30_000

/** The sorts of sealed bytes. */
const dataSort = 0
const ackSort = 1

/** What a stream is made with. */
export interface StreamSetup {
  readonly clock: Clock
  readonly channels: Readonly<Record<string, ChannelOptions>>
  readonly maxMessage: number
  /** The class, which the client has already. */
  readonly Channel: typeof Channel
  /** The names of the channels, in the order of each side. */
  readonly near: readonly string[]
  readonly far: readonly string[]
  /** The nonce of each side. */
  readonly own: string
  readonly other: string
  /** How each direction is sealed, if it is. */
  readonly seals: { readonly out: Seal; readonly in: Seal } | null
}

/** What a stream tells. */
export interface StreamEvents {
  /** Whether what is sent just now can arrive. */
  canSignal(): boolean
  /** Notes are sent in the order of the calls. */
  send(note: Promise<Note>): void
  message(channel: string, data: Uint8Array, isEnvelope: boolean): void
  dropped(why: string): void
  /** What came was not sealed as it must be. */
  forged(): void
  /** All that was on its way is acknowledged. */
  drained(): void
  /** Nothing was acknowledged for too long; pieces were sent again in vain. */
  stuck(): void
}

/** What looks like a data channel to those who cut messages and put them together. */
type Line = { bufferedAmount: number } & Omit<DataChannel, 'bufferedAmount' | 'onmessage' | 'onbufferedamountlow'> & {
    onmessage: ((event: { data: ArrayBuffer }) => void) | null
    onbufferedamountlow(): void
  }

interface Piece {
  readonly n: number
  readonly size: number
  readonly line: Line
  readonly note: Promise<Note>
}

/** Messages to and from a peer as numbered notes, which are sent again until they are acknowledged. */
export class Stream {
  readonly #setup: StreamSetup
  readonly #events: StreamEvents
  readonly #channels = new Map<string, Channel>()
  readonly #lines = new Map<string, Line>()
  #sent = 0
  #onWay: Piece[] = []
  #acked = 0 // the number of the other side's last acknowledgement
  #handled = 0
  #acks = 0
  #paused = false
  #vain = 0 // times that pieces were sent again in a row
  #cancelAck: (() => void) | null = null
  #cancelResend: (() => void) | null = null

  constructor(setup: StreamSetup, events: StreamEvents) {
    this.#setup = setup
    this.#events = events
    for (const [id, name] of setup.near.entries()) if (setup.far.includes(name)) this.#create(id, name)
  }

  /** The nonces of both sides. */
  get own(): string {
    return this.#setup.own
  }

  get other(): string {
    return this.#setup.other
  }

  get channels(): string[] {
    return [...this.#channels.keys()]
  }

  get isDrained(): boolean {
    return this.#onWay.length === 0
  }

  /** Bytes taken and not acknowledged. */
  get buffered(): number {
    let sum = 0
    for (const channel of this.#channels.values()) sum += channel.buffered
    return sum
  }

  send(channel: string, data: Uint8Array, key?: string): boolean {
    return this.#channels.get(channel)?.send(data, key) ?? false
  }

  /** Takes nothing more on its way, and gives back what was not sent wholly; until it is told to go on. */
  pause(paused: boolean): [channel: string, ...item: Item][] {
    this.#paused = paused
    if (!paused) return []
    return [...this.#channels].flatMap(([name, channel]) => channel.take().map((item) => [name, ...item] as [string, ...Item]))
  }

  /** Sends again what is on its way, after so many milliseconds; `vain` is 1 when no answer came, and nobody said why. */
  resend(after: number, vain = 0): void {
    this.#cancelResend?.()
    this.#cancelResend = this.#setup.clock.after(after, () => {
      if (!this.#events.canSignal()) return this.#wait()
      if ((this.#vain += vain) > 2) return this.#events.stuck()
      for (const { note } of this.#onWay) this.#events.send(note)
      this.#wait()
    })
  }

  /** Takes a piece of this stream; each one before the next. */
  async receive({ n, data, ack }: PieceNote): Promise<void> {
    if (data === undefined) {
      const upTo = n > this.#acked ? await this.#open(ackSort, n, ack) : null
      if (upTo?.length !== 4) return upTo === null ? undefined : this.#events.dropped('a malformed acknowledgement')
      this.#acked = n
      return this.#acknowledged(new DataView(upTo.buffer).getUint32(0))
    }
    const plain = n === this.#handled + 1 ? await this.#open(dataSort, n, data) : null
    if (plain !== null) {
      this.#handled = n
      const name = this.#setup.far[plain[0] ?? -1]
      if (name === undefined) this.#events.dropped('a malformed message')
      else this.#lines.get(name)?.onmessage?.({ data: plain.slice(1).buffer })
    }
    // A piece that was had before comes again because its acknowledgement is lost, or late.
    if (n <= this.#handled) this.#cancelAck ??= this.#setup.clock.after(ackDelay, () => this.#acknowledge())
  }

  close(): void {
    this.#paused = true
    this.#onWay = []
    this.#cancelAck?.()
    this.#cancelResend?.()
    for (const channel of this.#channels.values()) channel.close()
  }

  #create(id: number, name: string): void {
    const nothing = () => {}
    const send = (chunk: Uint8Array) => this.#push(id, chunk, line)
    const line = { readyState: 'open', bufferedAmount: 0, close: nothing, send } as Line
    const { channels, maxMessage, Channel } = this.#setup
    const { dropped, message } = this.#events
    const events = { open: nothing, closed: nothing, heard: nothing, dropped, message: (data: Uint8Array, isEnvelope: boolean) => message(name, data, isEnvelope) }
    this.#lines.set(name, line)
    this.#channels.set(name, new Channel(line as DataChannel, channels[name] ?? {}, maxMessage, events))
  }

  #push(id: number, chunk: Uint8Array, line: Line): void {
    const onWay = this.#onWay.reduce((sum, { size }) => sum + size, 0)
    if (this.#paused || this.#onWay.length >= windowPieces || onWay + chunk.length > windowBytes) throw new RangeError('no room')
    const plain = Uint8Array.of(id, ...chunk)
    const n = ++this.#sent
    const note = this.#seal(dataSort, n, plain).then((data): Note => ({ kind: 'relayed', stream: this.other, n, data }))
    this.#onWay.push({ n, size: chunk.length, line, note })
    line.bufferedAmount += chunk.length
    this.#events.send(note)
    if (this.#onWay.length === 1) this.#wait()
  }

  #acknowledged(upTo: number): void {
    const rest = this.#onWay.filter(({ n }) => n > upTo)
    // The other side is there, and has no room: that is no reason for another stream.
    if (rest.length === this.#onWay.length) return void (this.#vain = Math.min(this.#vain, 1))
    for (const { n, size, line } of this.#onWay) if (n <= upTo) line.bufferedAmount -= size
    this.#onWay = rest
    this.#vain = 0
    this.#wait()
    for (const line of this.#lines.values()) line.onbufferedamountlow()
    if (this.isDrained) this.#events.drained()
  }

  #wait(): void {
    this.#cancelResend?.()
    this.#cancelResend = null
    if (!this.isDrained) this.resend(Math.min(longestPatience, patience * 2 ** this.#vain), 1)
  }

  #acknowledge(): void {
    this.#cancelAck = null
    const plain = new DataView(new ArrayBuffer(4))
    plain.setUint32(0, this.#handled)
    const n = ++this.#acks
    this.#events.send(this.#seal(ackSort, n, new Uint8Array(plain.buffer)).then((ack) => ({ kind: 'relayed', stream: this.other, n, ack })))
  }

  async #seal(sort: number, n: number, plain: Uint8Array<ArrayBuffer>): Promise<string> {
    return toText((await this.#setup.seals?.out.close(sort, n, plain)) ?? plain)
  }

  async #open(sort: number, n: number, text: string): Promise<Uint8Array<ArrayBuffer> | null> {
    const bytes = fromText(text)
    if (bytes === null) this.#events.dropped('malformed text')
    if (bytes === null || this.#setup.seals === null) return bytes
    const plain = await this.#setup.seals.in.open(sort, n, bytes)
    if (plain === null) this.#events.forged()
    return plain
  }
}
