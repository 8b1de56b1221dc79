import { Channel, type Item } from './channel.ts'
import { Negotiation } from './negotiation.ts'
import type { ConnectionNote, Generation } from './note.ts'
import type { ChannelOptions, Clock } from './options.ts'
import { routeOf, type Route } from './path.ts'
import { Pulse } from './pulse.ts'
import type { Health } from './recovery.ts'

/** What every connection of a room is made with. */
export interface ConnectionSetup {
  readonly RTCPeerConnection: typeof RTCPeerConnection
  readonly configuration: RTCConfiguration
  readonly channels: Readonly<Record<string, ChannelOptions>>
  readonly maxMessage: number
  readonly clock: Clock
  /** Whether what is sent goes out at once, and needs no request of its own. */
  readonly isPrompt: () => boolean
}

/** What a connection tells. */
export interface ConnectionEvents {
  send(note: ConnectionNote): void
  /** The health may be another. */
  changed(): void
  open(channel: string): void
  message(channel: string, data: Uint8Array, isEnvelope: boolean): void
  /** Something of the peer's was dropped; why, for people. */
  dropped(why: string): void
  /** The names of channels that only this side has, and that only the other one has. */
  differ(here: readonly string[], there: readonly string[]): void
  /** Packets to the peer, or from there, may go nowhere. */
  doubted(): void
  measured(rtt: number): void
  routed(kind: Route['kind'], protocol: string | undefined): void
  fault(cause: unknown): void
}

/** Ticks of the pulse between looks at the route, which seldom changes. */
const routeTicks = 5

/** One RTCPeerConnection to a peer, with its channels. */
export class Connection {
  readonly generation: Generation
  readonly begunAt: number

  readonly #pc: RTCPeerConnection
  readonly #negotiation: Negotiation
  readonly #setup: ConnectionSetup
  readonly #events: ConnectionEvents
  readonly #channels = new Map<string, Channel>()
  readonly #mine: boolean
  readonly #names: readonly string[]
  #farNames: readonly string[] | null = null
  #pulse: Pulse | null = null
  #gone = false
  #closed = false
  #ticks = 0
  #farRelayed = false

  /** @param mine whether this side begins it, by an offer; the other one waits for that */
  constructor(setup: ConnectionSetup, generation: Generation, mine: boolean, events: ConnectionEvents) {
    this.#setup = setup
    this.#events = events
    this.#mine = mine
    this.#names = Object.keys(setup.channels).sort()
    this.generation = generation
    this.begunAt = setup.clock.now()
    const pc = (this.#pc = new setup.RTCPeerConnection(setup.configuration))
    pc.onconnectionstatechange = pc.oniceconnectionstatechange = () => events.changed()
    this.#negotiation = new Negotiation(pc, mine, setup.clock, {
      isPrompt: setup.isPrompt,
      offered: () => {
        if (mine) return
        this.#createPulse()
        this.#createChannels()
      },
      send: (step) => events.send({ ...step, generation, ...(step.kind === 'description' && { channels: this.#names }) } as ConnectionNote),
      fault: (cause) => events.fault(cause),
    })
    try {
      if (mine) this.#createPulse()
    } catch (cause) {
      this.close()
      throw cause
    }
  }

  get health(): Health {
    const { connectionState, iceConnectionState } = this.#pc
    const states: string[] = [connectionState, iceConnectionState]
    if (this.#gone || states.includes('closed')) return 'gone'
    if (states.includes('failed')) return 'failed'
    if (this.#pulse?.silent && connectionState !== 'connected') return 'failed'
    if (states.includes('disconnected')) return 'disconnected'
    return connectionState === 'connected' && this.#pulse?.isOpen ? 'connected' : 'connecting'
  }

  /** Bytes that wait in all channels. */
  get buffered(): number {
    let sum = 0
    for (const channel of this.#channels.values()) sum += channel.buffered
    return sum
  }

  /** The names of the channels that can send. */
  get openChannels(): string[] {
    return [...this.#channels].filter(([, channel]) => channel.isOpen).map(([name]) => name)
  }

  receive(note: ConnectionNote): void {
    if (note.kind === 'description' && this.#farNames === null) {
      this.#farNames = note.channels
      if (this.#mine) this.#createChannels()
    }
    this.#negotiation.receive(note)
  }

  send(channel: string, data: Uint8Array, key?: string): boolean {
    this.#pulse?.sent()
    return this.#channels.get(channel)?.send(data, key) ?? false
  }

  /** Takes back the messages that were not given to the browser wholly. */
  take(): [channel: string, ...item: Item][] {
    return [...this.#channels].flatMap(([name, channel]) => channel.take().map((item) => [name, ...item] as [string, ...Item]))
  }

  /** Whether the other side can do without the connection. */
  get isSpareThere(): boolean {
    return this.#pulse?.isSpareThere ?? false
  }

  /** Tells the other side whether this one can do without the connection. */
  spare(isSpare: boolean): void {
    const pulse = this.#pulse
    if (pulse === null || pulse.isSpare === isSpare) return
    pulse.isSpare = isSpare
    pulse.ask()
  }

  restart(): void {
    this.#negotiation.restart()
  }

  /** Uses other ICE servers, from the next gathering on. */
  configure(configuration: RTCConfiguration): void {
    this.#pc.setConfiguration(configuration)
  }

  /** Asks for a sign of life; restarts where none comes soon, if that is wanted. */
  probe(restarts = false): void {
    this.#pulse?.ask(restarts ? () => this.restart() : undefined)
  }

  close(): void {
    this.#closed = true
    const pc = this.#pc
    pc.onconnectionstatechange = pc.oniceconnectionstatechange = null
    this.#negotiation.close()
    this.#pulse?.close()
    for (const channel of this.#channels.values()) channel.close()
    pc.close()
  }

  /** Creates the library's own channel, which both sides have in any case. */
  #createPulse(): void {
    const channel = this.#pc.createDataChannel('', { negotiated: true, id: 0, ordered: false, maxRetransmits: 0 })
    this.#pulse = new Pulse(channel, this.#setup.clock, {
      open: () => {
        this.#events.changed()
        void this.#look()
      },
      measured: (rtt, relayed) => {
        if (relayed !== this.#farRelayed) {
          this.#farRelayed = relayed
          void this.#look()
        }
        this.#events.measured(rtt)
      },
      changed: () => this.#events.changed(),
      doubted: () => this.#events.doubted(),
      tick: () => {
        if (++this.#ticks % routeTicks === 2) void this.#look()
      },
      closed: () => this.#lost(),
    })
  }

  /**
   * Creates the app's channels that both sides have; of the others, one would open here and lead nowhere. It is done as
   * soon as the other side's names are known, which is before anything can come from there.
   */
  #createChannels(): void {
    const near = this.#names
    const far = this.#farNames ?? []
    const ids = this.#mine ? near : far
    try {
      for (const name of near) if (far.includes(name)) this.#createChannel(name, ids.indexOf(name) + 1)
    } catch (cause) {
      this.#events.fault(cause)
    }
    const [here, there] = [near.filter((name) => !far.includes(name)), far.filter((name) => !near.includes(name))]
    if (here.length + there.length > 0) this.#events.differ(here, there)
  }

  #createChannel(name: string, id: number): void {
    const { channels, maxMessage } = this.#setup
    const options = channels[name] ?? {}
    const { ordered = true, maxRetransmits } = options
    const init = { negotiated: true, id, ordered, ...(maxRetransmits !== undefined && { maxRetransmits }) }
    const channel = new Channel(this.#pc.createDataChannel(name, init), options, maxMessage, {
      open: () => this.#events.open(name),
      message: (data, isEnvelope) => this.#events.message(name, data, isEnvelope),
      dropped: (why) => this.#events.dropped(why),
      heard: () => this.#pulse?.heard(),
      closed: () => this.#lost(),
    })
    this.#channels.set(name, channel)
  }

  #lost(): void {
    this.#gone = true
    this.#events.changed()
  }

  /** Looks up how packets go. */
  async #look(): Promise<void> {
    const entries: Record<string, unknown>[] = []
    const report = await this.#pc.getStats().catch(() => null)
    report?.forEach((entry: Record<string, unknown>) => entries.push(entry))
    const route = routeOf(entries)
    if (this.#closed || route === null || this.#pulse === null) return
    this.#pulse.relayed = route.relayed
    this.#events.routed(this.#farRelayed ? 'relay' : route.kind, route.protocol)
  }
}
