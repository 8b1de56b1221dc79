import assert from 'node:assert/strict'
import { test } from 'node:test'
import { distances, graphOf, hash, isPartial, type Graph } from './mesh.ts'
import { peers as vectors } from './testing/vectors.ts'

/** The most hops from one peer to any other; Infinity when there is one that cannot be reached. */
function eccentricity(mesh: Graph, from: string): number {
  const hops = distances(mesh, from)
  return hops.size < mesh.size ? Infinity : Math.max(...hops.values())
}

const without = (room: readonly string[], at: number) => room.filter((_, i) => i !== at)

const edgesOf = (mesh: Graph) => new Set([...mesh].flatMap(([id, others]) => [...others].map((other) => [id, other].sort().join(' '))))

/** Numbers from 0 to below 1, always the same ones. */
function seeded(seed: number): () => number {
  return () => (seed = hash(String(seed))) / 2 ** 32
}

test('hashes and neighbours are those of the vectors', () => {
  for (const { text, hash: expected } of vectors.mesh.hash) assert.equal(hash(text), expected, text)
  for (const { room, neighbours: expected } of vectors.mesh.neighbours) {
    for (const [id, others] of Object.entries(expected)) assert.deepEqual([...graphOf(room).get(id)!].sort(), others, id)
  }
})

test('few peers are all connected, and the limits do not make a room go to and fro', () => {
  assert.deepEqual([12, 13].map((count) => isPartial(count, false)), [false, true])
  assert.deepEqual([10, 11].map((count) => isPartial(count, true)), [false, true])
  assert.deepEqual([...graphOf(['a']).get('a')!], [])
  assert.deepEqual([...graphOf(['a', 'b']).get('a')!], ['b'])
})

test('over random joins and leaves, the mesh is one piece with few edges and short ways, and little of it changes', () => {
  const random = seeded(1)
  let room = Array.from({ length: 13 }, (_, i) => `first${i}`)
  let mesh = graphOf(room)
  let changes = 0
  for (let step = 0; step < 120; step++) {
    const leaves = room.length > 13 && (room.length >= 60 || random() < 0.4)
    room = leaves ? without(room, Math.floor(random() * room.length)) : [...room, `p${step}-${random()}`]
    const before = edgesOf(mesh)
    mesh = graphOf(room)
    const after = edgesOf(mesh)
    const changed = [...before].filter((edge) => !after.has(edge)).length + [...after].filter((edge) => !before.has(edge)).length
    assert.ok(changed <= 12, `${changed} edges changed`)
    changes += changed
    for (const [id, others] of mesh) {
      assert.ok(others.size >= 4 && others.size <= 8, `${id} has ${others.size} neighbours`)
      for (const other of others) assert.ok(mesh.get(other)?.has(id), 'an edge has one end only')
    }
    assert.ok(Math.max(...room.map((id) => eccentricity(mesh, id))) <= 5)
  }
  assert.ok(changes / 120 > 4, 'nothing changed')
})

test('when 6 of 30 vanish at once, the others are still in one piece', () => {
  const random = seeded(2)
  for (let round = 0; round < 100; round++) {
    const room = Array.from({ length: 30 }, (_, i) => `p${i}-${random()}`)
    const gone = new Set(Array.from({ length: 6 }, () => room[Math.floor(random() * room.length)]))
    const left = [...graphOf(room)].filter(([id]) => !gone.has(id))
    const mesh = new Map(left.map(([id, others]) => [id, new Set([...others].filter((other) => !gone.has(other)))]))
    assert.notEqual(eccentricity(mesh, [...mesh.keys()][0]!), Infinity)
  }
})
