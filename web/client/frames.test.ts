import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parseFrame, roster } from './frames.ts'
import { vectors } from './testing/vectors.ts'

const table = join(vectors, 'frames.json')

const parse = (value: unknown) => parseFrame(JSON.stringify(value))

test('every frame of the protocol that clients are sent is read', { skip: !existsSync(table) && 'no vectors' }, () => {
  const { down } = JSON.parse(readFileSync(table, 'utf8')) as { down: Record<string, unknown>[] }
  const kinds = new Set<unknown>()
  for (const frame of down) {
    const read = parse(frame) as Readonly<Record<string, unknown>> | null
    assert.equal(read?.kind, frame.kind, JSON.stringify(frame))
    assert.equal(read?.n, frame.n, `number of ${JSON.stringify(frame)}`)
    for (const [field, value] of Object.entries(read ?? {})) {
      if (field in frame) assert.deepEqual(value, frame[field], `${field} of ${JSON.stringify(frame)}`)
    }
    kinds.add(frame.kind)
  }
  for (const kind of ['hello', 'joined', 'changed', 'left', 'signal', 'received', 'refused', 'ping', 'ice', 'drain', 'superseded', 'ended']) {
    assert.ok(kinds.has(kind), `no vector of ${kind}`)
  }
})

test('a roster entry is read with what it has', () => {
  assert.deepEqual(parse({ kind: 'joined', n: 3, peer: 'bob', epoch: 7, instance: 'i', name: 'Bob', meta: { a: [1] }, presence: 'away' }), {
    kind: 'joined', n: 3, peer: 'bob', epoch: 7, instance: 'i', name: 'Bob', meta: { a: [1] }, presence: 'away',
  })
  assert.deepEqual(parse({ kind: 'joined', n: 1, peer: 'bob', epoch: 7, instance: 'i', presence: 'here' }), {
    kind: 'joined', n: 1, peer: 'bob', epoch: 7, instance: 'i', presence: 'here',
  })
})

test('fields that are not known are left out', () => {
  assert.deepEqual(parse({ kind: 'left', n: 1, peer: 'bob', epoch: 7, reason: 'lost', colour: 'red' }), {
    kind: 'left', n: 1, peer: 'bob', epoch: 7, reason: 'lost',
  })
})

test('a change says only what changed, and that a meta was taken away', () => {
  assert.deepEqual(parse({ kind: 'changed', n: 9, peer: 'bob', epoch: 7, meta: null }), {
    kind: 'changed', n: 9, peer: 'bob', epoch: 7, meta: null,
  })
})

test('the data of a signal may be any JSON, null too', () => {
  for (const data of [null, 0, '', [], { a: 1 }]) {
    assert.deepEqual(parse({ kind: 'signal', n: 1, from: 'bob', epoch: 7, data }), { kind: 'signal', n: 1, from: 'bob', epoch: 7, data })
  }
})

test('a numbered frame of an unknown kind still counts', () => {
  assert.deepEqual(parse({ kind: 'applause', n: 12 }), { kind: 'unknown', n: 12 })
})

test('a numbered frame whose fields cannot be read still counts', () => {
  for (const frame of [
    { kind: 'signal', n: 4, from: 7, epoch: 7, data: 1 },
    { kind: 'signal', n: 4, from: 'bob', epoch: 7 },
    { kind: 'joined', n: 4, peer: 'bob', epoch: -1, instance: 'i' },
    { kind: 'left', n: 4, peer: 'bob', epoch: 2 ** 53, reason: 'lost' },
    { kind: 'refused', n: 4, of: 2 },
  ]) assert.deepEqual(parse(frame), { kind: 'unknown', n: 4 })
})

test('a hello says which link it is, and what was received', () => {
  assert.deepEqual(parse({ kind: 'hello', link: 3, received: 2, at: 5, peers: [] }), { kind: 'hello', link: 3, received: 2 })
})

test('an entry of a roster that cannot be read does not cost the others', () => {
  assert.deepEqual(roster(null), [])
  assert.equal(roster('x'), null)
  const entry = { peer: 'bob', epoch: 1, instance: 'i' }
  assert.deepEqual(roster([{ peer: 1 }, 'x', { ...entry, presence: 'asleep' }]), [{ ...entry, presence: 'here' }])
})

test('a gap is told from an acknowledgement', () => {
  assert.deepEqual(parse({ kind: 'received', n: 4 }), { kind: 'received', n: 4 })
  assert.deepEqual(parse({ kind: 'received', n: 4, code: 'gap', message: 'm' }), { kind: 'received', n: 4, code: 'gap' })
})

test('a frame with a code has words, if need be the code', () => {
  assert.deepEqual(parse({ kind: 'ended', code: 'slow' }), { kind: 'ended', code: 'slow', message: 'slow' })
  assert.deepEqual(parse({ kind: 'refused', n: 2, of: 1, code: 'busy', message: 'full' }), { kind: 'refused', n: 2, of: 1, code: 'busy', message: 'full' })
})

test('what is not a frame is null, and nothing throws', () => {
  const values = [null, 1, 'x', [], {}, { kind: 1 }, { kind: 'new' }, { kind: 'new', n: 'x' }, { kind: 'hello' }, { kind: 'hello', received: 1 }, { kind: 'refused', n: 0, code: 'busy' },
    { kind: 'received' }, { kind: 'refused' }, { kind: 'ended' }, { kind: 'ice', ttl: 1 }, { kind: 'signal', n: 0, from: 'a', epoch: 1, data: 1 },
    { kind: 'signal', n: 1.5, from: 'a', epoch: 1, data: 1 }]
  for (const value of values) assert.equal(parse(value), null, JSON.stringify(value))
  for (const text of ['', '{', 'undefined', '{"kind":"ping"']) assert.equal(parseFrame(text), null)
})
