import type { Path } from './peer.ts'

/** How a connection's packets go, as far as the browser tells. */
export interface Route {
  readonly kind: Path['kind']
  readonly protocol?: string
  /** Whether this side's end is on a relay. */
  readonly relayed: boolean
}

/** How the packets of one peer's connections go, and how long for. */
export class Course {
  #route: Omit<Route, 'relayed'> | null = null
  #rtt: number | null = null

  get path(): Path | null {
    return this.#route && { ...this.#route, rtt: this.#rtt }
  }

  clear(): void {
    this.#route = this.#rtt = null
  }

  /** Takes a round trip in milliseconds, and returns whether that changed the path. */
  measured(sample: number): boolean {
    const before = this.#rtt
    this.#rtt = before === null ? sample : before + (sample - before) / 4
    return this.#route !== null && (before === null || Math.round(before) !== Math.round(this.#rtt))
  }

  /** Takes a route, and returns whether it is another one. */
  routed(kind: Route['kind'], protocol: string | undefined): boolean {
    if (this.#route?.kind === kind && this.#route.protocol === protocol) return false
    this.#route = { kind, ...(protocol !== undefined && { protocol }) }
    return true
  }
}

type Stats = Iterable<Readonly<Record<string, unknown>>>

/** Finds the route in a statistics report: that of the candidate pair in use. Null when there is none. */
export function routeOf(report: Stats): Route | null {
  const byId = new Map<unknown, Readonly<Record<string, unknown>>>()
  for (const entry of report) byId.set(entry.id, entry)
  const entries = [...byId.values()]
  const transport = entries.find((entry) => entry.type === 'transport' && entry.selectedCandidatePairId !== undefined)
  const pair =
    byId.get(transport?.selectedCandidatePairId) ??
    // Firefox has no statistics of the transport, but says which pair is selected.
    entries.find((entry) => entry.type === 'candidate-pair' && entry.selected === true) ??
    entries.find((entry) => entry.type === 'candidate-pair' && entry.nominated === true && entry.state === 'succeeded')
  if (pair === undefined) return null
  const local = byId.get(pair.localCandidateId)
  const remote = byId.get(pair.remoteCandidateId)
  const relayed = local?.candidateType === 'relay'
  const protocol = relayed ? (local.relayProtocol ?? local.protocol) : local?.protocol
  return {
    kind: relayed || remote?.candidateType === 'relay' ? 'relay' : 'direct',
    relayed,
    ...(typeof protocol === 'string' && { protocol }),
  }
}
