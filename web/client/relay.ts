// The part of the client that sends messages through the server: it is loaded by itself.
import type { Item } from './channel.ts'
import type { PieceNote, RelayNote } from './note.ts'
import { Stream, type StreamEvents, type StreamSetup } from './stream.ts'
import type { Lock, Party } from './trust.ts'

/** Between the first two wishes for a stream, in milliseconds; the next ones come after twice as long, up to the other. */
const firstPause = 3000
const longestPause = 30_000

/** What waits for a peer of which no connection is ready, in bytes; one message may be larger. */
const queueLimit = 1024 * 1024

/** After so long what is on its way through the server is given up for lost, and holds up a move no longer, in milliseconds. */
const moveLimit = 10_000

/** Between looks at channels that are too full to take over what waits, in milliseconds. */
const fullPause = 50

type Message = readonly [channel: string, ...item: Item]

/** Sends a message over a connection. */
type Send = (...message: Message) => boolean

/** What a relay is made with. */
export interface RelaySetup extends Pick<StreamSetup, 'clock' | 'channels' | 'maxMessage' | 'Channel'> {
  readonly lock: Promise<Pick<Lock, 'keyring'>> | null
  nonce(): string
  hasWebRTC(): boolean
  self(): Party
  readonly peer: Party
}

/** What a relay tells. */
export interface RelayEvents extends Omit<StreamEvents, 'drained' | 'stuck'> {
  /** Proves and sends it. */
  open(note: RelayNote): void
  /** There is a stream; and whether it answers this side's wish. */
  opened(answered: boolean): void
  /** The messages go over the connection now; and whether some may be lost. */
  moved(lossy: boolean): void
}

/** The way to one peer through the server. */
export class Relay {
  /** Whether what is sent goes through the server. */
  isUsed = false
  /** How long the answer to the last wish took, in milliseconds. */
  rtt: number | null = null

  readonly #setup: RelaySetup
  readonly #events: RelayEvents
  readonly #near: readonly string[]
  #stream: Stream | null = null
  #wish: string | null = null // this side's nonce, until it has an answer
  #wishes = 0
  #wishedAt = 0
  #cancelWish: (() => void) | null = null
  #move: Send | null = null
  #held: Message[] = [] // until they can go over the connection
  #cancelMove: (() => void) | null = null
  #closed = false

  constructor(setup: RelaySetup, events: RelayEvents) {
    this.#setup = setup
    this.#events = events
    this.#near = Object.keys(setup.channels).sort()
  }

  /** The channels that can be used. */
  get channels(): string[] {
    return this.isUsed ? (this.#stream?.channels ?? []) : []
  }

  get buffered(): number {
    return this.#held.reduce((sum, [, { length }]) => sum + length, this.#stream?.buffered ?? 0)
  }

  send(channel: string, data: Uint8Array, key?: string): boolean {
    const { buffered } = this
    const latestOnly = this.#setup.channels[channel]?.latestOnly
    if (buffered > 0 && buffered + data.length > queueLimit && !latestOnly) return false
    if (this.#move === null) return this.#stream?.send(channel, data, key) ?? false
    if (!this.channels.includes(channel)) return false
    if (latestOnly) this.#held = this.#held.filter(([name, , other]) => name !== channel || other !== key)
    this.#held.push([channel, data.slice(), key])
    return true
  }

  /** Wishes for a stream after so long, and again until there is an answer. */
  wish(after: number): void {
    if (this.#cancelWish !== null || this.#closed) return
    this.#cancelWish = this.#setup.clock.after(after, () => {
      this.#cancelWish = null
      this.wish(Math.min(longestPause, firstPause * 2 ** this.#wishes++))
      if (!this.#events.canSignal()) return
      this.#wish ??= this.#setup.nonce()
      this.#wishedAt = this.#setup.clock.now()
      this.#say(this.#wish)
    })
  }

  /** Wishes again at once, since the last wish may be lost; and sends again what may be. */
  again(): void {
    if (this.#wishes > 0 && this.#cancelWish !== null) {
      this.calm()
      this.wish(0)
    }
    this.resend(0)
  }

  /** Sends again what is on its way, after so many milliseconds. */
  resend(after: number): void {
    if (this.#stream?.isDrained === false) this.#stream.resend(after)
  }

  /** Wishes for nothing any more. */
  calm(): void {
    this.#cancelWish?.()
    this.#cancelWish = null
    this.#wishes = 0
  }

  /** Takes the other side's wish, or its answer; one after the other. */
  async receive(note: RelayNote, isProven: boolean): Promise<void> {
    const { nonce, echo } = note
    if (echo === undefined && nonce === this.#stream?.other) return this.#say(this.#stream.own, nonce)
    if (echo !== undefined && echo !== this.#wish) return
    const own = this.#wish ?? this.#setup.nonce()
    if (echo !== undefined) this.rtt = this.#setup.clock.now() - this.#wishedAt
    this.#wish = null
    this.calm()
    const { clock, channels, maxMessage, Channel } = this.#setup
    const seals = isProven ? await this.#seals(own, nonce) : null
    if (this.#closed) return
    const before = this.isUsed ? this.#take() : []
    this.#stream?.close()
    this.#stream = new Stream({ clock, channels, maxMessage, Channel, near: this.#near, far: note.channels, own, other: nonce, seals }, {
      ...this.#events,
      drained: () => this.#moveOn(),
      stuck: () => this.wish(0),
    })
    if (echo === undefined) this.#say(own, nonce)
    if (this.isUsed) this.use(before)
    this.#events.opened(echo !== undefined)
  }

  async piece(note: PieceNote): Promise<void> {
    if (note.stream === this.#stream?.own) await this.#stream.receive(note)
  }

  /** From now on messages go through the server, first those that were to go over a connection. */
  use(first: readonly Message[]): void {
    this.isUsed = true
    for (const message of first) this.#stream?.send(...message)
  }

  /** From now on messages go over the connection, as soon as what is on its way through the server has arrived. */
  moveTo(send: Send): void {
    if (!this.isUsed || this.#stream === null || this.#move !== null) return
    this.#move = send
    this.#held.push(...this.#stream.pause(true))
    this.#cancelMove = this.#setup.clock.after(moveLimit, () => this.#moveOn(true))
    this.#moveOn()
  }

  /** The connection failed before the move was made. */
  stay(): void {
    if (this.#move === null) return
    const held = this.#take()
    this.#stream?.pause(false)
    this.use(held)
  }

  close(): void {
    this.#closed = true
    this.calm()
    this.#take()
    this.#drop()
    this.isUsed = false
  }

  /** Takes back all that was not sent, and gives up a move. */
  #take(): Message[] {
    const rest = [...this.#held, ...(this.#stream?.pause(true) ?? [])]
    this.#cancelMove?.()
    this.#cancelMove = this.#move = null
    this.#held = []
    return rest
  }

  #moveOn(lossy = false): void {
    const send = this.#move
    if (send === null || (!lossy && this.#stream?.isDrained === false)) return
    this.#cancelMove?.()
    while (this.#held[0] !== undefined) {
      if (!send(...this.#held[0])) return void (this.#cancelMove = this.#setup.clock.after(fullPause, () => this.#moveOn(lossy)))
      this.#held.shift()
    }
    this.#move = null
    this.isUsed = false
    if (lossy) this.#drop()
    this.#events.moved(lossy)
  }

  #drop(): void {
    this.#stream?.close()
    this.#stream = null
  }

  #say(nonce: string, echo?: string): void {
    this.#events.open({ kind: 'relay', nonce, ...(echo !== undefined && { echo }), webrtc: this.#setup.hasWebRTC(), channels: this.#near })
  }

  async #seals(own: string, other: string): Promise<StreamSetup['seals']> {
    const { lock, peer } = this.#setup
    if (lock === null) return null
    const { keyring } = await lock
    const self = this.#setup.self()
    const ends = [self.peer, self.instance, peer.peer, peer.instance] as const
    const out = await keyring.sealing(...ends, own, other)
    return { out, in: await keyring.sealing(...ends.slice(2), ...ends.slice(0, 2), other, own) }
  }
}
