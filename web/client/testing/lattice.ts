// Rooms in memory with many peers: who is whose neighbour, and what is passed on, without any connection.
import type { Flood, Fellow } from '../flood.ts'
import { hash, mark } from '../mesh.ts'
import type { Neighbourhood, Neighbour } from '../neighbourhood.ts'
import type { ChannelOptions } from '../options.ts'
import { PartialMesh } from '../partial-mesh.ts'
import { StillClock } from './clock.ts'

/** Milliseconds until an edge that is wanted is there. */
const connectTime = 150

/** One page's view of another. */
export class Far implements Fellow, Neighbour {
  readonly id: string
  readonly run: number
  readonly openChannels: string[]
  listed = true
  presence = 'here'
  isNear = false
  hasWay = false
  isHeard = false
  via: Fellow | null = null
  dropped = 0
  isSpare = false
  spareSince = Infinity
  blocked = false // takes nothing, as one that is full
  isTrusted = true
  noticeTime = 6000 // until the edge fails when the other vanished, in milliseconds
  trust = 'verified'

  #isWanted = false

  constructor(
    readonly owner: Page,
    readonly page: Page,
  ) {
    this.id = page.id
    this.run = hash(page.instance)
    this.openChannels = Object.keys(owner.lattice.channels)
  }

  get isWanted(): boolean {
    return this.#isWanted
  }

  set isWanted(isWanted: boolean) {
    this.#isWanted = isWanted
    if (isWanted && !this.isNear) this.owner.lattice.clock.after(connectTime, () => this.owner.lattice.connect(this))
  }

  get other(): Far | undefined {
    return this.page.peers.get(this.owner.id)
  }

  spare(isSpare: boolean): void {
    const { clock } = this.owner.lattice
    this.isSpare = isSpare && !this.isWanted
    const both = this.isSpare && this.other?.isSpare === true
    this.spareSince = both ? Math.min(this.spareSince, clock.now()) : Infinity
    if (this.isNear && clock.now() >= this.spareSince + 3000) this.owner.lattice.cut(this, true)
  }

  carry(channel: string, envelope: Uint8Array): boolean {
    const { lattice } = this.owner
    if (!this.isNear || this.blocked || !this.owner.isAlive) return false
    lattice.carried++
    const copy = envelope.slice()
    lattice.clock.after(lattice.delay(), () => {
      const sender = this.page.peers.get(this.owner.id)
      if (this.page.isAlive && sender?.isNear === true) this.page.flood.receive(sender, channel, copy)
    })
    return true
  }

  drop(): void {
    this.dropped++
  }
}

export class Page {
  readonly instance: string
  readonly peers = new Map<string, Far>()
  readonly flood: Flood<Far>
  readonly neighbourhood: Neighbourhood
  readonly got: { readonly from: string; readonly channel: string; readonly text: string }[] = []
  isAlive = true

  constructor(
    readonly id: string,
    readonly lattice: Lattice,
  ) {
    this.instance = id + mark
    const { clock, channels } = lattice
    const { peers } = this
    const self = () => ({ peer: this.id, instance: this.instance })
    const message = ({ id: from }: Far, channel: string, data: Uint8Array) => void this.got.push({ from, channel, text: new TextDecoder().decode(data) })
    const mesh = new PartialMesh<Far>({ clock, channels, peers, self, message, changed: () => {} })
    this.flood = mesh.flood
    this.neighbourhood = mesh.neighbourhood
  }

  get degree(): number {
    return [...this.peers.values()].filter(({ isNear }) => isNear).length
  }

  say(text: string, channel = 'text'): void {
    this.flood.all(channel, new TextEncoder().encode(text))
  }
}

export class Lattice {
  readonly clock = new StillClock()
  readonly pages = new Map<string, Page>()
  /** How many envelopes went over edges. */
  carried = 0
  delay = () => 5

  constructor(readonly channels: Readonly<Record<string, ChannelOptions>> = { text: {}, carets: { ordered: false, latestOnly: true } }) {}

  /** A page joins: everybody learns of it at once. */
  join(id: string): Page {
    const page = new Page(id, this)
    for (const other of this.pages.values()) {
      other.peers.set(id, new Far(other, page))
      page.peers.set(other.id, new Far(page, other))
    }
    this.pages.set(id, page)
    for (const each of this.pages.values()) each.neighbourhood.update()
    return page
  }

  leave(page: Page): void {
    this.vanish(page)
    for (const other of this.pages.values()) {
      const far = other.peers.get(page.id)!
      far.isNear = false
      other.peers.delete(page.id)
      other.flood.look(far)
      other.neighbourhood.update()
    }
  }

  /** A page is gone without a word, which its neighbours notice later. */
  vanish(page: Page): void {
    page.isAlive = false
    this.pages.delete(page.id)
    page.flood.close()
    page.neighbourhood.close()
    for (const other of this.pages.values()) {
      const far = other.peers.get(page.id)
      if (far?.isNear === true) this.clock.after(far.noticeTime, () => this.cut(far))
    }
  }

  connect(far: Far): void {
    const { other, owner, page } = far
    if (other === undefined || !owner.isAlive || !page.isAlive || owner.peers.get(page.id) !== far) return
    for (const [side, each] of [[owner, far], [page, other]] as const) {
      if (each.isNear) continue
      each.isNear = true
      each.hasWay = true
      side.flood.look(each)
    }
  }

  /** An edge fails, or neither side needs it. */
  cut(far: Far, isSpare = false): void {
    for (const each of [far, far.other]) {
      if (each === undefined) continue
      each.isNear = false
      each.hasWay = isSpare
      each.spareSince = Infinity
      each.owner.flood.look(each)
      if (each.isWanted && each.owner.isAlive) each.isWanted = true // tries again
    }
  }
}
