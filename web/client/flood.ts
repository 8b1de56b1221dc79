import { here, lost, message, mostHops, oneLimit, read, spend, who, write } from './envelope.ts'
import { hash } from './mesh.ts'
import type { ChannelOptions, Clock } from './options.ts'
import { Order } from './order.ts'
import type { Party } from './trust.ts'

/** Who was said to be lost has so long to say otherwise, in milliseconds. */
const refuteTime = 1000

/** Who has not heard of everybody asks again after so long, then twice as long, so often; in milliseconds. */
const firstPause = 2000
const askLimit = 6

/** A peer of the room, as far as messages are passed on. */
export interface Fellow {
  readonly id: string
  /** The hash of its instance; null if it takes no part. */
  readonly run: number | null
  /** Whether there is a way to it that no other peer is on. */
  readonly hasWay: boolean
  /** Whether what is passed on goes that way: not once neither side needs it. */
  readonly isNear: boolean
  /** Whether this side is to be connected to it. */
  readonly isWanted: boolean
  /** Whether it has the room's key, as far as that can be known here; else it speaks for itself alone, and hears this side alone. */
  readonly isTrusted: boolean
  /** Whether it was heard of, straight or through others, and not said to be lost since. */
  isHeard: boolean
  /** From whom its newest envelope came first. */
  via: Fellow | null
  readonly openChannels: readonly string[]
  /** Gives it an envelope; false when it has no such channel, or too much waits. */
  carry(channel: string, envelope: Uint8Array, key: string): boolean
  /** Something that came from it was dropped; why, if that is worth a word. */
  drop(why?: string): void
}

export interface FloodSetup<F extends Fellow> {
  readonly clock: Clock
  readonly channels: Readonly<Record<string, ChannelOptions>>
  readonly peers: ReadonlyMap<string, F>
  self(): Party
  /** Whether messages are passed on. */
  isMeshed(): boolean
  /** How many hops each is away from one. */
  distances(to: string): ReadonlyMap<string, number>
  /** What is known of the peer is another. */
  changed(peer: F): void
  message(peer: F, channel: string, data: Uint8Array): void
}

/** What is known of one peer's envelopes. */
interface Known {
  readonly orders: Map<string, Order>
  /** How many messages for this one alone were sent, by channel. */
  readonly sent: Map<string, number>
  heard: number
  /** What that was when it was doubted last, until it is known whether it is lost; else -1. */
  doubted: number
}

/** Brings messages to everybody through neighbours, and passes on theirs. */
export class Flood<F extends Fellow> {
  readonly #setup: FloodSetup<F>
  readonly #control: string | undefined
  readonly #sent = new Map<string, number>() // to all, by channel
  readonly #most = new Map<string, number>() // the greatest number of those to one, by channel
  readonly #records = new WeakMap<F, Known>()
  readonly #near = new Set<F>()
  #asks = 0
  #cancelAsk: (() => void) | null = null

  constructor(setup: FloodSetup<F>) {
    this.#setup = setup
    const names = Object.keys(setup.channels).sort()
    const isSafe = (name: string) => {
      const { ordered = true, maxRetransmits, latestOnly } = setup.channels[name]!
      return ordered && maxRetransmits === undefined && !latestOnly
    }
    this.#control = names.find(isSafe) ?? names[0]
  }

  /** Sends to everybody who takes part. */
  all(channel: string, payload: Uint8Array, sort = message): void {
    const n = (this.#sent.get(channel) ?? 0) + 1
    this.#sent.set(channel, n)
    const { peer: origin, instance } = this.#setup.self()
    this.#pass(channel, write({ sort, run: hash(instance), n, origin, payload }), origin)
  }

  /** Sends to one who is no neighbour; false when nobody can take it there. */
  one(peer: F, channel: string, payload: Uint8Array, sort = message): boolean {
    if (payload.length > oneLimit) return false
    const { sent } = this.#recordOf(peer)
    const most = this.#most.get(channel) ?? 0
    const n = (sent.get(channel) ?? most) + 1 // one that is met again had lower numbers already
    const { peer: origin, instance } = this.#setup.self()
    const envelope = write({ sort, run: hash(instance), n, origin, to: peer.id, hops: mostHops, payload })
    if (!this.#route(peer.id, channel, envelope, origin)) return false
    sent.set(channel, n)
    this.#most.set(channel, Math.max(n, most))
    return true
  }

  /** Takes an envelope that a neighbour gave. */
  receive(from: F, channel: string, data: Uint8Array): void {
    const envelope = read(data)
    if (envelope === null) return from.drop('a malformed envelope')
    const { clock, channels, peers, self } = this.#setup
    const { sort, n, origin: id, to, payload } = envelope
    if (!from.isTrusted && id !== from.id) return
    const own = self().peer
    const origin = peers.get(id)
    if (from.run === null || origin === undefined || origin.run !== envelope.run) return id === own ? undefined : from.drop()
    if (to !== undefined && to !== own) return void (from.isTrusted && spend(data) && this.#route(to, channel, data, id, from))
    const { orders } = this.#recordOf(origin)
    const key = channel + (to === undefined ? '' : '\n')
    const order = orders.get(key) ?? new Order(channels[channel] ?? {}, clock)
    orders.set(key, order)
    if (!order.isNew(n)) return
    origin.via = from
    if (to === undefined && from.isTrusted) this.#pass(channel, data, id, from)
    this.#heard(origin)
    order.take(n, payload.length, () => this.#handle(origin, sort, channel, payload))
  }

  /** Looks whether there is a way to the peer, or none any more. */
  look(peer: F): void {
    const isThere = this.#setup.peers.get(peer.id) === peer
    const isNear = isThere && peer.isNear && peer.run !== null && peer.openChannels.includes(this.#control ?? '')
    if (isNear === this.#near.has(peer)) return
    if (isNear) {
      this.#near.add(peer)
      peer.isHeard = true
      this.#recordOf(peer).heard++
      if (this.#near.size === 1) this.#returned()
      return
    }
    this.#near.delete(peer)
    if (!this.#setup.isMeshed()) peer.isHeard = false
    else if (this.#near.size === 0) {
      for (const each of this.#setup.peers.values()) this.#unheard(each)
    } else if (isThere && peer.isWanted) {
      this.#say(lost, peer.id)
      this.#doubt(peer)
    } else if (isThere && !peer.hasWay) this.question(peer) // its own neighbours may have said so before
  }

  /** It is lost, unless it answers soon. */
  question(peer: F): void {
    this.#say(who, '', peer)
    this.#doubt(peer)
  }

  /** Asks who is there, and again while somebody was not heard of. */
  ask(): void {
    this.#cancelAsk?.()
    this.#cancelAsk = null
    const { peers, clock, isMeshed } = this.#setup
    if (!isMeshed() || this.#near.size === 0 || this.#asks >= askLimit) return
    if ([...peers.values()].every(({ run, isHeard }) => run === null || isHeard)) return
    this.#say(who)
    this.#cancelAsk = clock.after(firstPause * 2 ** this.#asks++, () => this.ask())
  }

  close(): void {
    this.#asks = askLimit
    this.#cancelAsk?.()
  }

  #recordOf(peer: F): Known {
    const record = this.#records.get(peer) ?? { orders: new Map(), sent: new Map(), heard: 0, doubted: -1 }
    this.#records.set(peer, record)
    return record
  }

  /** Gives it to all neighbours but those who have it. */
  #pass(channel: string, envelope: Uint8Array, origin: string, from?: F): void {
    const isFor = (peer: F) => peer !== from && peer.id !== origin && (peer.isTrusted || from === undefined)
    for (const peer of this.#near) if (isFor(peer)) peer.carry(channel, envelope, origin)
  }

  /** Gives it to the one it is for, or to whoever is thought to be nearer to that one. */
  #route(to: string, channel: string, envelope: Uint8Array, origin: string, from?: F): boolean {
    const hopsOf = this.#setup.distances(to)
    const far = ({ id }: F) => hopsOf.get(id) ?? Infinity
    const isWay = (peer: F) => peer !== from && peer.isNear && (peer.isTrusted || (from === undefined && peer.id === to))
    const [way] = [...this.#near].filter(isWay).sort((a, b) => far(a) - far(b))
    return way?.carry(channel, envelope, `${origin} ${to}`) ?? false
  }

  #handle(origin: F, sort: number, channel: string, payload: Uint8Array): void {
    const { peers, self } = this.#setup
    if (peers.get(origin.id) !== origin) return
    if (sort === message) return this.#setup.message(origin, channel, payload)
    if (sort === who) return this.#say(here, '', origin)
    if (sort !== lost || !origin.isTrusted) return
    const id = new TextDecoder().decode(payload)
    if (id === self().peer) return this.#say(here)
    const peer = peers.get(id)
    if (peer !== undefined && !peer.isNear) this.#doubt(peer)
  }

  #say(sort: number, about = '', to?: F): void {
    if (this.#control === undefined) return
    const payload = new TextEncoder().encode(about)
    if (to === undefined) this.all(this.#control, payload, sort)
    else this.one(to, this.#control, payload, sort)
  }

  /** There is a neighbour, and there was none: what others said meanwhile is not waited for. */
  #returned(): void {
    for (const peer of this.#setup.peers.values()) for (const order of this.#records.get(peer)?.orders.values() ?? []) order.leap()
    this.#asks = 0
    if (this.#setup.isMeshed()) this.ask()
  }

  #heard(peer: F): void {
    this.#recordOf(peer).heard++
    if (peer.isHeard) return
    peer.isHeard = true
    this.#setup.changed(peer)
  }

  #unheard(peer: F): void {
    if (!peer.isHeard || peer.isNear) return
    peer.isHeard = false
    this.#setup.changed(peer)
    this.#asks = 0
    this.#cancelAsk ??= this.#setup.clock.after(firstPause, () => this.ask())
  }

  /** It is lost, unless something of it comes soon. */
  #doubt(peer: F): void {
    const record = this.#recordOf(peer)
    const { heard } = record
    if (record.doubted === heard) return
    record.doubted = heard
    this.#setup.clock.after(refuteTime, () => {
      if (record.doubted === heard) record.doubted = -1
      if (record.heard === heard) this.#unheard(peer)
    })
  }
}
