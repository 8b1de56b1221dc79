import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encode, fragmentOf, freshAccess, readAccess } from './access.ts'

const key = encode(Uint8Array.from({ length: 32 }, (_, i) => 255 - i))

for (const [fragment, kind] of [
  ['', 'open'],
  ['#', 'open'],
  ['#somewhere', 'open'],
  [`#k=${key}`, 'open'],
  [`#k=${key}&w=${key}`, 'write'],
  [`#w=${key}`, 'write'],
  [`#k=${key}&r=${key}`, 'read'],
  [`#r=${key}&later=1`, 'read'],
  [`#w=${key}&r=${key}`, 'it has a key to write and one to read'],
  [`#k=${key.slice(1)}&w=${key}`, 'its room key has 42 characters instead of 43'],
  ['#w=', 'its key to write has 0 characters instead of 43'],
  [`#r=${key}A`, 'its key to read has 44 characters instead of 43'],
  [`#r=${key.slice(1)}*`, 'its key to read contains “*”, which no key does'],
] as const) {
  test(`the fragment ${fragment === '' ? '(none)' : fragment} means: ${kind}`, () => {
    const access = readAccess(fragment)
    assert.equal(access.kind === 'bad' ? access.fault : access.kind, kind)
  })
}

test('fresh keys survive the way through a link', () => {
  let next = 0
  const access = freshAccess((bytes) => bytes.map(() => (next += 37) & 255))
  assert.deepEqual(readAccess(fragmentOf(access)), access)
  assert.ok(access.kind === 'write')
  const reading = { kind: 'read', publicKey: access.seed, roomKey: access.roomKey } as const
  assert.deepEqual(readAccess(fragmentOf(reading)), reading)
  assert.equal(fragmentOf({ kind: 'open', roomKey: null }), '')
})
