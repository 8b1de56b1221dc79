import assert from 'node:assert/strict'
import { test } from 'node:test'
import { initials, loadIdentity, readIdentity, saveIdentity, tidyName } from './identity.ts'
import type { Shelf } from './shelf.ts'
import { seeded } from './testing/clock.ts'

function shelf(): Shelf & { readonly kept: Map<string, string> } {
  const kept = new Map<string, string>()
  return { kept, getItem: (key) => kept.get(key) ?? null, setItem: (key, value) => void kept.set(key, value) }
}

test('a first visit gets a friendly name, and the next one the same', () => {
  const place = shelf()
  const first = loadIdentity(place, seeded(5))
  assert.match(first.name, /^[A-Z][a-z]+ [A-Z][a-z]+$/)
  assert.deepEqual(loadIdentity(place, seeded(6)), first)
})

test('a chosen name and colour are remembered', () => {
  const place = shelf()
  saveIdentity(place, { name: 'Ada Lovelace', colour: 'plum', chosen: true })
  assert.deepEqual(loadIdentity(place, seeded(1)), { name: 'Ada Lovelace', colour: 'plum', chosen: true })
})

test('a name in the address goes first, and is not remembered', () => {
  const place = shelf()
  saveIdentity(place, { name: 'Ada', colour: 'plum', chosen: false })
  assert.equal(loadIdentity(place, seeded(1), 'Bob').name, 'Bob')
  assert.equal(loadIdentity(place, seeded(1), '  ').name, 'Ada')
  assert.equal(loadIdentity(place, seeded(1)).name, 'Ada')
})

test('without storage, or with rubbish in it, there is still an identity', () => {
  const failing: Shelf = {
    getItem: () => {
      throw new Error('denied')
    },
    setItem: () => {
      throw new Error('denied')
    },
  }
  assert.ok(loadIdentity(failing, seeded(1)).name)
  assert.ok(loadIdentity(null, seeded(1)).name)
  for (const rubbish of ['{', '7', '{"name":7,"colour":"plum"}', '{"name":"A","colour":"red; position: fixed"}', '{"name":" ","colour":"plum"}']) {
    const place = shelf()
    place.kept.set('parley.identity', rubbish)
    assert.match(loadIdentity(place, seeded(1)).name, /^[A-Z][a-z]+ [A-Z][a-z]+$/)
  }
})

for (const [given, tidy] of [
  ['Ada', 'Ada'],
  ['  Ada \n Lovelace\t', 'Ada Lovelace'],
  ['a\u0000b\u202ec', 'a b c'],
  ['x'.repeat(80), 'x'.repeat(64)],
  ['é'.repeat(40), 'é'.repeat(32)],
  ['😀'.repeat(20), '😀'.repeat(16)],
  ['\ud800', ''],
  ['', ''],
] as const) {
  test(`the name ${JSON.stringify(given.length > 12 ? `${given.slice(0, 4)}… (${given.length})` : given)} is tidied`, () => {
    assert.equal(tidyName(given), tidy)
    assert.ok(new TextEncoder().encode(tidyName(given)).length <= 64)
  })
}

test('an identity from elsewhere is taken only when it is one', () => {
  assert.deepEqual(readIdentity({ name: ' Bob ', colour: 'sky', more: 1 }), { name: 'Bob', colour: 'sky', chosen: false })
  for (const value of [null, undefined, 'Bob', {}, { name: 'Bob' }, { name: 'Bob', colour: '#fff' }, { name: '', colour: 'sky' }, []]) {
    assert.equal(readIdentity(value), null)
  }
})

test('initials are one or two letters', () => {
  assert.deepEqual(['Ada', 'ada lovelace', 'Jean-Luc de la Tour', '😀 smile', '...'].map(initials), ['A', 'AL', 'JT', '😀S', '?'])
})
