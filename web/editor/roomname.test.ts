import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fragmentOf } from './access.ts'
import { ownLink, readAddress, shareLink } from './address.ts'
import { freshRoomName, roomNameFault } from './roomname.ts'
import { seeded } from './testing/clock.ts'

/** Keys as easy to foresee as can be. */
const bytes = (array: Uint8Array<ArrayBuffer>) => array.fill(7)

for (const [name, fault] of [
  ['a', null],
  ['Team-notes_2.0~draft', null],
  ['a'.repeat(128), null],
  ['...', null],
  ['', /empty/],
  ['.', /meaning of its own/],
  ['..', /meaning of its own/],
  ['a'.repeat(129), /129 characters, and 128 is the most/],
  ['a/b', /contains “\/”/],
  ['two words', /contains a space/],
  ['caffè', /contains “è”/],
  ['a\u0000b', /cannot be seen/],
  ['😀', /contains “😀”/],
  ['a%2Fb', /contains “%”/],
] as const) {
  test(`room name ${JSON.stringify(name.length > 20 ? `${name.slice(0, 8)}… (${name.length})` : name)} is ${fault === null ? 'fine' : 'refused in words'}`, () => {
    if (fault === null) assert.equal(roomNameFault(name), null)
    else assert.match(roomNameFault(name) ?? 'nothing', fault)
  })
}

test('a room name made up is a valid one, and another each time', () => {
  const random = seeded(3)
  const names = Array.from({ length: 500 }, () => freshRoomName(random))
  for (const name of names) assert.equal(roomNameFault(name), null)
  assert.equal(new Set(names).size, names.length)
})

test('an address names its room, its paths and a name', () => {
  const address = readAddress(new URL('https://example.test/parley/?room=plan&ice=relay&name=Ada'), seeded(1), bytes)
  assert.deepEqual(address, { kind: 'room', room: 'plan', made: false, relayOnly: true, name: 'Ada', access: { kind: 'open', roomKey: null } })
})

test('an address without a room gets one, and keeps the rest', () => {
  const url = new URL('https://example.test/parley/?ice=relay#top')
  const address = readAddress(url, seeded(1), bytes)
  assert.ok(address.kind === 'room' && address.made)
  const key = `${'BwcH'.repeat(10)}Bwc`
  const keys = `#k=${key}&w=${key}`
  assert.equal(fragmentOf(address.access), keys)
  assert.equal(ownLink(url, address.room, address.access), `https://example.test/parley/?ice=relay&room=${address.room}${keys}`)
  assert.equal(shareLink(url, address.room, address.access), `https://example.test/parley/?room=${address.room}${keys}`)
})

test('an address with a room and no keys is a link of old, and stays one', () => {
  const url = new URL('https://example.test/?room=plan&name=Ada')
  const address = readAddress(url, seeded(1), bytes)
  assert.ok(address.kind === 'room' && address.access.kind === 'open')
  assert.equal(shareLink(url, 'plan', address.access), 'https://example.test/?room=plan')
})

test('an address with a damaged key says why', () => {
  const address = readAddress(new URL('https://example.test/?room=plan#w=abc'), seeded(1), bytes)
  assert.deepEqual(address, { kind: 'bad-key', room: 'plan', fault: 'its key to write has 3 characters instead of 43' })
})

test('an address with a room name that cannot be says why', () => {
  const address = readAddress(new URL('https://example.test/?room=a%20b'), seeded(1), bytes)
  assert.deepEqual(address, { kind: 'bad-room', room: 'a b', fault: 'it contains a space; letters without accents, digits and -\u00a0.\u00a0_\u00a0~ are allowed' })
})
