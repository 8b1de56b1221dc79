import { Channel } from './channel.ts'
import { Connection } from './connection.ts'
import type { Fellow } from './flood.ts'
import type { RosterEntry } from './frames.ts'
import type { Json } from './json.ts'
import { hash, mark } from './mesh.ts'
import type { Neighbour } from './neighbourhood.ts'
import { compareGenerations, noGeneration, parseNote, type ConnectionNote, type Generation, type Note, type RelayNote, type SignedNote } from './note.ts'
import { Course } from './path.ts'
import type { PeerContext } from './peer-context.ts'
import type { Path, Peer, PeerState, Presence, TrustState } from './peer.ts'
import { Recovery, type Health } from './recovery.ts'
import type { Relay } from './relay.ts'
import { Standing } from './standing.ts'
import type { Party } from './trust.ts'

/** A connection younger than this, in milliseconds, is not given up because the other side asks for another. */
const tooYoung = 2000

/** Without a connection for so long, in milliseconds, messages go through the server: at first, and after there was one. */
const relayAfter = 2000
const relayAfterLoss = 4000

/** A connection that neither side needs is let go after so long, one that never was ready after the other, in milliseconds. */
const fadeTime = 3000
const unaskedTime = 10_000

/** What may wait for a peer of what is passed on; one message may be larger. */
const passLimit = 1024 * 1024

/** One page at the other end, and the connection to it, which is renewed for as long as the peer is there. */
export class RemotePeer implements Peer, Fellow, Neighbour {
  readonly id: string
  readonly instance: string
  /** Whether the server counts the peer among those in the room. */
  listed = true
  readonly run: number | null
  isHeard = false
  via: RemotePeer | null = null

  readonly #context: PeerContext
  readonly #recovery: Recovery
  readonly #party: Party
  readonly #standing: Standing
  #relay: Relay | null = null // when it is loaded
  #wished: readonly [note: RelayNote, isProven: boolean] | null = null // before that
  #entry: RosterEntry
  #ownEpoch: number // under which this side was last seen by the peer
  #connection: Connection | null = null
  #newest: Generation = noGeneration // seen or made
  #ready: Connection | null = null // the last one that was
  #doomed: Connection | null = null // the one that was ready before a way through the server was wished for
  #early: ConnectionNote[] = [] // candidates whose offer did not come yet
  #health: Health = 'none'
  readonly #course = new Course()
  #wasConnected = false
  #hasWebRTC = true // the other side, as far as it said
  #closed = false
  #isWanted = true
  #askedAt = 0 // when a connection was last begun or asked for
  #spareSince = Infinity // when neither side needed the connection any more
  #inbox = Promise.resolve()
  #outbox = Promise.resolve()

  constructor(entry: RosterEntry, context: PeerContext) {
    this.id = entry.peer
    this.instance = entry.instance
    this.run = entry.instance.endsWith(mark) ? hash(entry.instance) : null
    this.#entry = entry
    this.#context = context
    this.#ownEpoch = context.epoch()
    this.#recovery = new Recovery(context.clock, {
      isFirst: () => this.#offers,
      canSignal: () => this.#canSignal && this.#hasWebRTC && this.#isWanted,
      restart: () => this.#connection?.restart(),
      renew: () => this.#renew(),
    })
    this.#party = { peer: entry.peer, instance: entry.instance }
    this.#standing = new Standing(context.trust, this.#party, context.self, {
      changed: () => context.changed(this),
      send: (note) => this.#send(note),
      fault: (error) => context.fault(this, error),
    })
    this.#recovery.update('none')
    if (context.relay !== null) void this.#prepareRelay(context.relay)
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
    if (this.hasWay || this.#isReached) return 'connected'
    return this.#wasConnected ? 'reconnecting' : 'connecting'
  }

  get trust(): TrustState {
    // Who has the key vouches for those whose messages it passes on, unless it may have let in others.
    const { trust, isProven } = this.#standing
    const isVouched = isProven && this.#isReached && !this.hasWay && !this.#context.trust.allowUnverified
    return trust === 'unverified' && isVouched ? (this.via?.trust ?? trust) : trust
  }

  get isTrusted(): boolean {
    const { lock, allowUnverified } = this.#context.trust
    return lock === null || allowUnverified || this.#standing.isProven
  }

  get dropped(): number {
    return this.#standing.dropped
  }

  get health(): Health {
    return this.#health
  }

  /** Whether messages go through the server. */
  get isRelayed(): boolean {
    return this.#relay?.isUsed ?? false
  }

  get path(): Path | null {
    if (this.#isReached && !this.hasWay) return { kind: 'mesh', rtt: null }
    if (this.#relay?.isUsed) return { kind: 'server', rtt: this.#relay.rtt }
    return this.#course.path
  }

  get buffered(): number {
    return (this.#connection?.buffered ?? 0) + (this.#relay?.buffered ?? 0)
  }

  get openChannels(): string[] {
    return this.#relay?.isUsed ? this.#relay.channels : (this.#connection?.openChannels ?? [])
  }

  send(channel: string, data: Uint8Array): boolean {
    this.#context.check(channel, data)
    if (this.#isReached && !this.isNear) return this.#context.route(this, channel, data)
    return (this.#relay?.isUsed ? this.#relay : this.#connection)?.send(channel, data) ?? false
  }

  admit(): void {
    if (this.trust !== 'unsigned' || !this.#standing.admit()) return
    this.#renew() // what was refused is said again
    this.#relay?.again()
  }

  get isNear(): boolean {
    return this.hasWay && this.#spareSince === Infinity
  }

  get isWanted(): boolean {
    return this.#isWanted
  }

  set isWanted(isWanted: boolean) {
    if (isWanted === this.#isWanted) return
    this.#isWanted = isWanted
    this.#askedAt = this.#context.clock.now()
    if (isWanted) this.#recovery.signalingIsBack()
    this.#reach()
  }

  carry(channel: string, envelope: Uint8Array, key: string): boolean {
    if (this.buffered > passLimit) return false
    return (this.#relay?.isUsed ? this.#relay : this.#connection)?.send(channel, envelope, key) ?? false
  }

  drop(why?: string): void {
    if (why === undefined) this.#standing.dropped++
    else this.#standing.drop(why)
  }

  spare(isSpare: boolean): void {
    this.#look() // whatever the browser did not tell
    const now = this.#context.clock.now()
    const connection = this.#connection
    const isIdle = isSpare && !this.#isWanted
    connection?.spare(isIdle)
    if (this.#health === 'connected' && !this.isRelayed) {
      const both = isIdle && connection?.isSpareThere
      if (both !== (this.#spareSince < Infinity)) {
        this.#spareSince = both ? now : Infinity
        this.#context.changed(this)
      }
      if (now >= this.#spareSince + fadeTime && this.buffered === 0) this.#letGo()
    } else if (isIdle && now >= this.#askedAt + unaskedTime && (connection !== null || this.isRelayed)) {
      this.#letGo()
    }
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
    if (rejoined) {
      this.#recovery.disturbed(this.#offers ? 0 : tooYoung)
      this.#relay?.again()
    }
    if (returned || JSON.stringify(before) !== JSON.stringify(entry)) this.#context.changed(this)
  }

  /** Takes the data of a signal from this peer; one is dealt with before the next. */
  receive(data: Json): void {
    const note = parseNote(data)
    if (note === null) return void this.#standing.dropped++
    this.#queue(() => this.#take(note))
  }

  #queue(task: () => Promise<void>): void {
    this.#inbox = this.#inbox.then(() => (this.#closed ? undefined : task())).catch((cause) => this.#context.fault(this, cause))
  }

  async #take(note: Note): Promise<void> {
    switch (note.kind) {
      case 'key':
        return this.#standing.told(note.key)
      case 'relayed':
        return this.#relay?.piece(note)
      case 'relay':
      case 'renew':
      case 'description': {
        const finding = await this.#standing.check(note)
        if (finding === null || this.#closed) return
        if (note.kind === 'relay') return this.#relayAsked(note, finding === 'verified')
        this.#hasWebRTC = true
      }
    }
    const order = compareGenerations(note.generation, this.#newest)
    if (note.kind === 'renew') return this.#asked(note.generation, order)
    if (this.#connection !== null && order === 0) return this.#connection.receive(note)
    if (order < 0) return
    if (note.kind === 'candidates') return void (this.#early.length < 8 && this.#early.push(note))
    if (note.description.type !== 'offer') return
    const early = this.#early.filter((other) => compareGenerations(other.generation, note.generation) === 0)
    if (!this.#begin(note.generation, false)) return
    for (const each of [note, ...early]) this.#connection?.receive(each)
  }

  /** A message of ours to this peer was refused, and may have mattered. */
  refused(retryAfter: number): void {
    const delay = Math.max(1000, retryAfter * 1000)
    this.#recovery.disturbed(delay)
    this.#relay?.resend(delay)
  }

  /** @param wasLost whether it was gone; else it is of another kind now */
  signalingIsBack(wasLost: boolean): void {
    this.#recovery.signalingIsBack(wasLost)
    if (wasLost && this.#health === 'connected') this.#connection?.probe(true) // what took the link may have taken the path
    this.#relay?.again()
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
    this.#relay?.close()
    this.#connection?.close()
    this.#connection = null
  }

  /** Of two peers the one who came later begins connections. */
  get #offers(): boolean {
    return this.#context.epoch() > this.epoch
  }

  get #canSignal(): boolean {
    return this.listed && this.#context.isLinked()
  }

  get hasWay(): boolean {
    return this.#health === 'connected' || (this.isRelayed && this.#context.isLinked())
  }

  /** Whether others pass on what is said to it. */
  get #isReached(): boolean {
    return this.isHeard && this.#context.isMeshed()
  }

  /** Ends what neither side needs. */
  #letGo(): void {
    this.#connection?.close()
    this.#connection = null
    this.#course.clear()
    this.#relay?.close()
    this.#relay = null
    if (this.#context.relay !== null) void this.#prepareRelay(this.#context.relay)
    this.#spareSince = Infinity
    this.#look()
    this.#context.changed(this)
  }

  #renew(): void {
    if (this.#context.setup() === null) return
    if (!this.#offers) return this.#sign({ kind: 'renew', generation: this.#newest })
    // The next one compares greater in any case. What this peer counts to says nothing to the others.
    const [epoch, count] = this.#newest
    const next = this.#context.nextCount()
    const isSpent = count >= Number.MAX_SAFE_INTEGER // it was made up
    this.#begin([Math.max(this.#context.epoch(), epoch + Number(isSpent)), isSpent ? next : Math.max(next, count + 1)], true)
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
    this.#askedAt = this.#context.clock.now()
    this.#spareSince = Infinity
    try {
      this.#connection = new Connection(setup, generation, mine, {
        send: (note) => (note.kind === 'description' ? this.#sign(note) : this.#send(note)),
        changed: () => this.#look(),
        open: (channel) => (this.#relay?.channels.includes(channel) ? this.#reach() : this.#context.open(this, channel)),
        message: (...message) => this.#message(...message),
        doubted: () => this.#context.doubted(),
        measured: (rtt) => this.#course.measured(rtt) && this.#context.changed(this),
        routed: (kind, protocol) => this.#course.routed(kind, protocol) && this.#context.changed(this),
        dropped: (why) => this.#standing.drop(why),
        differ: (here, there) => this.#standing.differ(here, there),
        fault: (cause) => this.#context.fault(this, cause),
      })
    } catch (cause) {
      this.#context.fault(this, cause)
    }
    this.#course.clear()
    this.#look()
    return this.#connection !== null
  }

  /** Sends notes in the order of the calls. */
  #send(note: Note | Promise<Note>): void {
    this.#outbox = this.#outbox
      .then(async () => {
        const data = await note
        if (!this.#closed) this.#context.signal(this.id, this.epoch, data as unknown as Json)
      })
      .catch((cause) => this.#context.fault(this, cause))
  }

  #sign(note: SignedNote): void {
    this.#send(this.#standing.prove(note))
  }

  async #prepareRelay(setup: NonNullable<PeerContext['relay']>): Promise<void> {
    const { clock, trust, self } = this.#context
    const began = clock.now()
    const { Relay } = await setup.load()
    if (this.#closed || this.#relay !== null) return // it was let go meanwhile, and this was asked for twice
    const context = { clock, Channel, lock: trust.lock, self, peer: this.#party, hasWebRTC: () => this.#context.setup() !== null }
    this.#relay = new Relay({ ...setup, ...context }, {
      canSignal: () => this.#canSignal,
      send: (note) => this.#send(note),
      open: (note) => {
        if (note.echo === undefined) this.#doomed = this.#connection === this.#ready ? this.#ready : null
        this.#sign(note)
      },
      opened: (answered) => this.#opened(answered),
      moved: (lossy) => {
        if (lossy) this.#openAll()
        this.#context.changed(this)
      },
      message: (...message) => this.#message(...message),
      dropped: (why) => this.#standing.drop(why),
      forged: () => this.#standing.forged(),
    })
    this.#reach(clock.now() - began)
    const wished = this.#wished
    this.#wished = null
    if (wished !== null) this.#queue(() => this.#relayAsked(...wished))
  }

  /** The peer wishes for a way through the server, or answers. */
  async #relayAsked(note: RelayNote, isProven: boolean): Promise<void> {
    this.#hasWebRTC = note.webrtc
    this.#askedAt = this.#context.clock.now()
    // A connection that is ready will be so for both, or for none soon.
    if (note.echo === undefined && this.#health === 'connected') return this.probe()
    if (this.#relay === null) this.#wished = [note, isProven]
    else if (note.echo === undefined && note.proof !== undefined && this.#context.trust.lock === null) {
      // Who signs may not take what is not signed; only if it answers a wish of this side's, it does.
      this.#relay.calm()
      this.#relay.wish(0)
    } else await this.#relay.receive(note, isProven)
  }

  /** There is a way through the server. What comes over a connection that was ready before could come too late. */
  #opened(answered: boolean): void {
    this.#standing.reached()
    const old = this.#connection
    const over = old !== null && old === (answered ? this.#doomed : this.#ready)
    // What was on its way in a stream before may be lost, even while the messages move to a connection.
    if (over || this.#health !== 'connected' || this.isRelayed) {
      const rest = old?.take() ?? []
      if (over) {
        old.close()
        this.#connection = null
      }
      this.#wasConnected = true
      this.#relay?.use(rest)
      this.#look()
      this.#openAll()
      this.#context.changed(this)
    }
    this.#reach()
  }

  #openAll(): void {
    for (const channel of this.openChannels) this.#context.open(this, channel)
  }

  /** Sees to it that there is a way: through the server while there is no connection, and no longer; `late` is what was waited already. */
  #reach(late = 0): void {
    const relay = this.#relay
    if (relay === null || this.#closed) return
    if (this.#health === 'connected') {
      relay.calm()
      const open = this.#connection?.openChannels ?? []
      if (relay.isUsed && relay.channels.every((channel) => open.includes(channel))) {
        relay.moveTo((...message) => this.#connection?.send(...message) ?? false)
      }
    } else if (relay.isUsed) {
      relay.stay()
    } else if (!this.#isWanted) {
      relay.calm()
    } else {
      relay.wish(this.#context.setup() === null ? 0 : this.#wasConnected ? relayAfterLoss : Math.max(0, relayAfter - late))
    }
  }

  /** Looks at how the connection is doing, and tells if that changed. */
  #look(): void {
    const health = this.#connection?.health ?? 'none'
    if (health === this.#health || this.#closed) return
    this.#health = health
    if (health === 'connected') {
      this.#wasConnected = true
      this.#ready = this.#connection
      this.#standing.reached()
    }
    this.#recovery.update(health)
    this.#reach()
    this.#context.changed(this)
  }

  #message(channel: string, data: Uint8Array, isEnvelope: boolean): void {
    if (isEnvelope) this.#context.envelope(this, channel, data)
    else this.#context.message(this, channel, data)
  }
}
