import { Connection, type ConnectionSetup } from './connection.ts'
import { SignalError } from './errors.ts'
import type { RosterEntry } from './frames.ts'
import type { Json } from './json.ts'
import { compareGenerations, noGeneration, parseNote, type Generation, type Note } from './note.ts'
import type { Clock } from './options.ts'
import type { Route } from './path.ts'
import type { Path, Peer, PeerState, Presence } from './peer.ts'
import { Recovery, type Health } from './recovery.ts'

/** A connection younger than this, in milliseconds, is not given up because the other side asks for another. */
const tooYoung = 2000

/** What a peer needs of its room. */
export interface PeerContext {
  readonly clock: Clock
  /** This side's epoch. */
  epoch(): number
  /** Whether signaling works just now. */
  isLinked(): boolean
  signal(to: string, epoch: number, data: Json): void
  /** Counts the connections that this page began. */
  nextCount(): number
  /** Throws when the app sends what could never be sent. */
  check(channel: string, data: Uint8Array): void
  /** Null where there is no WebRTC. */
  setup(): ConnectionSetup | null
  /** State, path or who the peer is changed. */
  changed(peer: RemotePeer): void
  open(peer: RemotePeer, channel: string): void
  message(peer: RemotePeer, channel: string, data: Uint8Array): void
  fault(peer: RemotePeer, cause: unknown): void
}

/** One page at the other end, and the connection to it, which is renewed for as long as the peer is there. */
export class RemotePeer implements Peer {
  readonly id: string
  readonly instance: string
  /** Whether the server counts the peer among those in the room. */
  listed = true

  readonly #context: PeerContext
  readonly #recovery: Recovery
  #entry: RosterEntry
  #ownEpoch: number // under which this side was last seen by the peer
  #connection: Connection | null = null
  #newest: Generation = noGeneration // seen or made
  #early: Exclude<Note, { kind: 'renew' }>[] = [] // candidates whose offer did not come yet
  #health: Health = 'none'
  #route: Omit<Route, 'relayed'> | null = null
  #rtt: number | null = null
  #wasConnected = false
  #saidDiffer = false
  #closed = false

  constructor(entry: RosterEntry, context: PeerContext) {
    this.id = entry.peer
    this.instance = entry.instance
    this.#entry = entry
    this.#context = context
    this.#ownEpoch = context.epoch()
    this.#recovery = new Recovery(context.clock, {
      isFirst: () => this.#offers,
      canSignal: () => this.listed && context.isLinked(),
      restart: () => this.#connection?.restart(),
      renew: () => this.#renew(),
    })
    if (context.setup() !== null) this.#recovery.update('none')
  }

  /** What the roster last said. */
  get entry(): RosterEntry {
    return this.#entry
  }

  get name(): string | undefined {
    return this.#entry.name
  }

  get meta(): Json | undefined {
    return this.#entry.meta
  }

  get epoch(): number {
    return this.#entry.epoch
  }

  get presence(): Presence {
    return this.listed ? this.#entry.presence : 'away'
  }

  get state(): PeerState {
    if (this.#closed) return 'closed'
    if (this.#health === 'connected') return 'connected'
    return this.#wasConnected ? 'reconnecting' : 'connecting'
  }

  get health(): Health {
    return this.#health
  }

  get path(): Path | null {
    return this.#route && { ...this.#route, rtt: this.#rtt }
  }

  get buffered(): number {
    return this.#connection?.buffered ?? 0
  }

  get openChannels(): string[] {
    return this.#connection?.openChannels ?? []
  }

  send(channel: string, data: Uint8Array): boolean {
    this.#context.check(channel, data)
    return this.#connection?.send(channel, data) ?? false
  }

  /** Takes over what the roster says. Under a new epoch of either side, what was on its way may be lost. */
  adopt(entry: RosterEntry): void {
    const before = this.#entry
    const ownEpoch = this.#context.epoch()
    const rejoined = entry.epoch !== before.epoch || ownEpoch !== this.#ownEpoch
    const returned = !this.listed
    this.#entry = entry
    this.#ownEpoch = ownEpoch
    this.listed = true
    if (rejoined) this.#recovery.disturbed(this.#offers ? 0 : tooYoung)
    if (returned || JSON.stringify(before) !== JSON.stringify(entry)) this.#context.changed(this)
  }

  /** Takes the data of a signal from this peer. */
  receive(data: Json): void {
    const note = parseNote(data)
    if (note === null || this.#closed) return
    const order = compareGenerations(note.generation, this.#newest)
    const current = this.#connection !== null && order === 0
    if (note.kind === 'renew') return this.#asked(note.generation, order)
    if (current) return this.#connection?.receive(note)
    if (order < 0) return
    if (note.kind === 'candidates') return void (this.#early.length < 8 && this.#early.push(note))
    if (note.description.type !== 'offer') return
    const early = this.#early.filter((other) => compareGenerations(other.generation, note.generation) === 0)
    if (!this.#begin(note.generation, false)) return
    for (const each of [note, ...early]) this.#connection?.receive(each)
  }

  /** A message of ours to this peer was refused, and may have mattered. */
  refused(retryAfter: number): void {
    this.#recovery.disturbed(Math.max(1000, retryAfter * 1000))
  }

  signalingIsBack(): void {
    this.#recovery.signalingIsBack()
  }

  configure(configuration: RTCConfiguration): void {
    try {
      this.#connection?.configure(configuration)
    } catch (cause) {
      this.#context.fault(this, cause)
    }
  }

  probe(): void {
    this.#connection?.probe()
  }

  close(): void {
    this.#closed = true
    this.#recovery.stop()
    this.#connection?.close()
    this.#connection = null
  }

  /** Of two peers the one who came later begins connections. */
  get #offers(): boolean {
    return this.#context.epoch() > this.epoch
  }

  #renew(): void {
    if (!this.#offers) return this.#send({ kind: 'renew', generation: this.#newest })
    // The next one compares greater in any case. What this peer counts to says nothing to the others.
    const [epoch, count] = this.#newest
    this.#begin([Math.max(this.#context.epoch(), epoch), Math.max(this.#context.nextCount(), count + 1)], true)
  }

  #asked(generation: Generation, order: number): void {
    if (!this.#offers) return
    if (order > 0) this.#newest = generation
    const age = this.#connection === null ? Infinity : this.#context.clock.now() - this.#connection.begunAt
    // Asked about an earlier one than the newest, the newest may just be on its way.
    if (order === 0 || age > tooYoung) this.#renew()
  }

  #begin(generation: Generation, mine: boolean): boolean {
    const setup = this.#context.setup()
    if (setup === null || this.#closed) return false
    this.#connection?.close()
    this.#connection = null
    this.#newest = generation
    this.#early = []
    this.#recovery.began()
    try {
      this.#connection = new Connection(setup, generation, mine, {
        send: (note) => this.#send(note),
        changed: () => this.#check(),
        open: (channel) => this.#context.open(this, channel),
        message: (channel, data) => this.#context.message(this, channel, data),
        measured: (rtt) => this.#measured(rtt),
        routed: (kind, protocol) => this.#routed(kind, protocol),
        differ: (here, there) => this.#differ(here, there),
        fault: (cause) => this.#context.fault(this, cause),
      })
    } catch (cause) {
      this.#context.fault(this, cause)
    }
    this.#route = this.#rtt = null
    this.#check()
    return this.#connection !== null
  }

  #send(note: Note): void {
    this.#context.signal(this.id, this.epoch, note as unknown as Json)
  }

  /** Says once that the peer's channels have other names than this side's. */
  #differ(here: readonly string[], there: readonly string[]): void {
    if (this.#saidDiffer) return
    this.#saidDiffer = true
    const parts = [here.length > 0 && `only this side has ${quoted(here)}`, there.length > 0 && `only the peer has ${quoted(there)}`]
    const message = `the channels of peer ${this.id} differ: ${parts.filter(Boolean).join(', ')}`
    this.#context.fault(this, new SignalError('channels_differ', message, 'never'))
  }

  /** Looks at how the connection is doing, and tells if that changed. */
  #check(): void {
    const health = this.#connection?.health ?? 'none'
    if (health === this.#health || this.#closed) return
    this.#health = health
    if (health === 'connected') this.#wasConnected = true
    this.#recovery.update(health)
    this.#context.changed(this)
  }

  #measured(sample: number): void {
    const before = this.#rtt
    this.#rtt = before === null ? sample : before + (sample - before) / 4
    const visible = this.#route !== null && (before === null || Math.round(before) !== Math.round(this.#rtt))
    if (visible) this.#context.changed(this)
  }

  #routed(kind: Path['kind'], protocol: string | undefined): void {
    if (this.#route?.kind === kind && this.#route.protocol === protocol) return
    this.#route = { kind, ...(protocol !== undefined && { protocol }) }
    this.#context.changed(this)
  }
}

/** A few names, for people. */
function quoted(names: readonly string[]): string {
  const shown = names.slice(0, 5).map((name) => `“${name.slice(0, 40)}”`)
  return shown.join(', ') + (names.length > shown.length ? ' and others' : '')
}
