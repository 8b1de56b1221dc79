// The part of the client that rooms above 12 peers need: it is loaded by itself.
import { Flood, type Fellow, type FloodSetup } from './flood.ts'
import { Neighbourhood, type Neighbour } from './neighbourhood.ts'

/** Who is away, to the server, and reached by others only, is asked every so many seconds. */
const askTime = 8

/** Who is connected to whom in a room with many peers, and what they pass on. */
export class PartialMesh<F extends Fellow & Neighbour> {
  readonly flood: Flood<F>
  readonly neighbourhood: Neighbourhood
  #seconds = 0

  constructor(setup: Omit<FloodSetup<F>, 'isMeshed' | 'distances'>) {
    const { clock, peers, self } = setup
    const isMeshed = () => this.neighbourhood.isMeshed
    this.flood = new Flood({ ...setup, isMeshed, distances: (to) => this.neighbourhood.distances(to) })
    this.neighbourhood = new Neighbourhood({
      clock,
      peers,
      self: () => self().peer,
      changed: () => {
        this.flood.ask()
        for (const peer of peers.values()) setup.changed(peer)
      },
      ticked: () => {
        const isDue = ++this.#seconds % askTime === 0
        for (const peer of peers.values()) {
          this.flood.look(peer)
          if (isDue && peer.isHeard && !peer.isNear && peer.presence === 'away') this.flood.question(peer)
        }
      },
    })
  }

  close(): void {
    this.neighbourhood.close()
    this.flood.close()
  }
}
