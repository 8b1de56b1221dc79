import { distances, graphOf, isPartial, type Graph } from './mesh.ts'
import type { Clock } from './options.ts'

/** A neighbour without a way for so long is left out, for so long; in milliseconds. */
const deadAfter = 8000
const leftOutFor = 60_000

/** After so long without a way to some neighbour, other connections are let go all the same, in milliseconds. */
const spareAfter = 15_000

const tickTime = 1000

/** A peer, as far as it is somebody's neighbour. */
export interface Neighbour {
  readonly id: string
  /** The hash of its instance; null if it takes no part. */
  readonly run: number | null
  readonly listed: boolean
  readonly presence: string
  readonly trust: string
  readonly isNear: boolean
  isWanted: boolean
  /** Takes note of whether this side can do without what it does not want. */
  spare(isSpare: boolean): void
}

export interface NeighbourhoodSetup {
  readonly clock: Clock
  readonly peers: ReadonlyMap<string, Neighbour>
  self(): string
  /** Whether messages are passed on is another. */
  changed(): void
  /** A second is over in a room with more than the nearest. */
  ticked(): void
}

/** Decides to whom this side is connected. */
export class Neighbourhood {
  /** Whether messages are passed on by others. */
  isMeshed = false

  readonly #setup: NeighbourhoodSetup
  readonly #missing = new WeakMap<Neighbour, number>() // since when there is no way to those who are wanted
  #graph: Graph = new Map()
  #isPartial = false
  #missingSince = Infinity
  #cancel: (() => void) | null = null

  constructor(setup: NeighbourhoodSetup) {
    this.#setup = setup
  }

  /** Looks at everybody anew. */
  update(): void {
    const peers = [...this.#setup.peers.values()]
    const now = this.#setup.clock.now()
    const before = this.isMeshed
    this.#isPartial = isPartial(peers.length + 1, this.#isPartial)
    const fellows = peers.filter(({ run, listed }) => run !== null && listed)
    const hasWay = fellows.some(({ isNear }) => isNear)
    const usable = fellows.filter((peer) => !hasWay || this.#isUsable(peer, now))
    const self = this.#setup.self()
    this.#graph = graphOf([self, ...usable.map(({ id }) => id)])
    const chosen = this.#isPartial ? this.#graph.get(self) : undefined
    let isWhole = true
    for (const peer of peers) {
      peer.isWanted = peer.run === null || (peer.listed ? (chosen?.has(peer.id) ?? true) : peer.isNear)
      if (peer.isNear || (!peer.isWanted && usable.includes(peer))) this.#missing.delete(peer)
      if (!peer.isWanted || peer.isNear) continue
      isWhole = false
      if (!hasWay || !this.#missing.has(peer)) this.#missing.set(peer, now)
    }
    this.#missingSince = isWhole ? Infinity : Math.min(this.#missingSince, now)
    this.isMeshed = this.#isPartial || (before && !isWhole && now < this.#missingSince + spareAfter)
    for (const peer of peers) peer.spare(isWhole || now >= this.#missingSince + spareAfter)
    if (before !== this.isMeshed) this.#setup.changed()
    if (this.isMeshed || peers.some(({ isWanted }) => !isWanted)) this.#cancel ??= this.#setup.clock.after(tickTime, () => this.#tick())
  }

  /** How many hops each is away from one, as far as is known here. */
  distances(to: string): ReadonlyMap<string, number> {
    return distances(this.#graph, to)
  }

  close(): void {
    this.#cancel?.()
  }

  #tick(): void {
    this.#cancel = null
    this.update()
    this.#setup.ticked()
  }

  #isUsable(peer: Neighbour, now: number): boolean {
    const since = this.#missing.get(peer) ?? now
    if (now < since + deadAfter) return peer.trust !== 'refused' && peer.trust !== 'unsigned'
    if (now < since + leftOutFor) return false
    this.#missing.delete(peer)
    return true
  }
}
