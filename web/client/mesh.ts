// Who is whose neighbour in a room with many peers: docs/protocol/peers.md. Each side computes it from the roster alone.

/** So many rings, on each of which a peer has two neighbours. */
const rings = 4

/** With more peers than this, oneself among them, not everybody is everybody's neighbour; and up to so few, again. */
const most = 12
const fewAgain = 10

/** What the instance of a page ends in that passes on what others say. */
export const mark = '~1'

/** A number of 32 bits for a text of ASCII characters: FNV-1a, and then the last steps of MurmurHash3. */
export function hash(text: string): number {
  let h = 0x811c9dc5
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193)
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}

/** Whom each has as neighbours: those before and after it on each of the rings. */
export type Graph = ReadonlyMap<string, ReadonlySet<string>>

export function graphOf(ids: readonly string[]): Graph {
  const graph = new Map(ids.map((id) => [id, new Set<string>()]))
  for (let ring = 0; ring < rings; ring++) {
    const places = ids.map((id) => [hash(`${ring} ${id}`), id] as const)
    places.sort(([a, x], [b, y]) => a - b || (x < y ? -1 : 1))
    for (const [i, [, id]] of places.entries()) {
      const next = places[(i + 1) % places.length]![1]
      if (next !== id) graph.get(id)!.add(next) && graph.get(next)!.add(id)
    }
  }
  return graph
}

/** How many hops each is away from one. */
export function distances(graph: Graph, from: string): ReadonlyMap<string, number> {
  const found = new Map([[from, 0]])
  for (const [id, hops] of found) for (const next of graph.get(id) ?? []) if (!found.has(next)) found.set(next, hops + 1)
  return found
}

/** Whether there are too many for everybody to be connected to everybody, given what was so before. */
export function isPartial(count: number, before: boolean): boolean {
  return count > (before ? fewAgain : most)
}
