import assert from 'node:assert/strict'
import { test } from 'node:test'
import { read, spend, write } from './envelope.ts'
import { hash } from './mesh.ts'
import { peers as vectors } from './testing/vectors.ts'

const bytes = (hex: string) => new Uint8Array(Buffer.from(hex, 'hex'))
const { envelopes } = vectors.mesh

for (const { says, hex, sort, instance, n, origin, to, hops = 0, payload } of envelopes.read) {
  test(`${says} is as in the vectors`, () => {
    const envelope = { sort, run: hash(instance), n, origin, to, hops, payload: bytes(payload) }
    assert.deepEqual(read(bytes(hex)), envelope)
    assert.equal(Buffer.from(write(envelope)).toString('hex'), hex)
  })
}

for (const { says, hex } of envelopes.refused) test(`${says} is no envelope`, () => assert.equal(read(bytes(hex)), null))

test('more than 64 KiB to one is no envelope', () => {
  const envelope = { sort: 0, run: 1, n: 1, origin: 'a', to: 'b', hops: 8 }
  const sizes = [65_536, 65_537].map((size) => read(write({ ...envelope, payload: new Uint8Array(size) }))?.payload.length)
  assert.deepEqual(sizes, [65_536, undefined])
})

test('a hop is spent, and none when there is none', () => {
  const one = envelopes.read.find(({ hops }) => hops === 1)!
  const envelope = bytes(one.hex)
  assert.deepEqual([spend(envelope), read(envelope)?.hops, spend(envelope), read(envelope)?.hops], [true, 0, false, 0])
})
