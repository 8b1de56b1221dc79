import assert from 'node:assert/strict'
import { webcrypto } from 'node:crypto'
import { test } from 'node:test'
import { fromText, toText } from './base64.ts'
import { newKey, parseKey } from './key.ts'
import { fields, Keyring } from './keyring.ts'
import { peers } from './testing/vectors.ts'

const { trust, relay } = peers
const subtle = webcrypto.subtle as SubtleCrypto
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
const keyring = (room = trust.room) => new Keyring(subtle, parseKey(trust.key), room)

test('keys are read as text and as bytes', () => {
  for (const { key, hex: bytes } of trust.keys.good) {
    assert.equal(hex(parseKey(key)), bytes)
    assert.equal(hex(parseKey(Uint8Array.from(Buffer.from(bytes, 'hex')))), bytes)
    assert.equal(toText(parseKey(key)), key)
  }
})

for (const { says, key } of trust.keys.bad) {
  test(`a key is refused with its name, and without its text: ${says}`, () => {
    assert.throws(() => parseKey(key), (error: Error) => /^key must/.test(error.message) && (key.length < 3 || !error.message.includes(key)))
  })
}

test('a key that is neither text nor bytes is refused', () => {
  for (const key of [null, 7, {}, [1, 2]]) assert.throws(() => parseKey(key as never), TypeError)
  for (const length of [0, 15, 65]) assert.throws(() => parseKey(new Uint8Array(length)), { name: 'RangeError', message: `key must have 16 to 64 bytes, and has ${length}` })
})

test('a new key has 128 bits, fits into a link, and is another each time', { skip: !('crypto' in globalThis) && 'no global crypto' }, () => {
  const keys = Array.from({ length: 20 }, newKey)
  for (const key of keys) assert.equal(parseKey(key).length, 16)
  assert.equal(new Set(keys).size, 20)
  assert.equal(encodeURIComponent(keys[0]!), keys[0])
})

test('texts are put one after the other so that none passes for another', () => {
  for (const vector of trust.fields) assert.equal(hex(fields(...vector.fields)), vector.hex)
  assert.notDeepEqual(fields('a', ''), fields('', 'a'))
  assert.notDeepEqual(fields('1:a'), fields('a'))
})

test('a key has one name in a room, and others in others', async () => {
  assert.equal(await keyring().id, trust.keyId)
  assert.notEqual(await keyring('shed').id, trust.keyId)
})

test('what a key sealed is opened, and what anybody changed is not', async () => {
  for (const { from, fromInstance, to, toInstance, fromNonce, toNonce, plain, note } of relay.frames) {
    const seal = await keyring().sealing(from, fromInstance, to, toInstance, fromNonce, toNonce)
    const [sort, text] = note.data === undefined ? [1, note.ack] : [0, note.data]
    const sealed = fromText(text)!
    assert.equal(hex((await seal.open(sort, note.n, sealed))!), plain)
    assert.equal(toText(await seal.close(sort, note.n, Uint8Array.from(Buffer.from(plain, 'hex')))), text)
    const wrong = [await seal.open(1 - sort, note.n, sealed), await seal.open(sort, note.n + 1, sealed), await seal.open(sort, note.n, sealed.slice(1)), await seal.open(sort, note.n, new Uint8Array())]
    const back = await keyring().sealing(to, toInstance, from, fromInstance, toNonce, fromNonce)
    const later = await keyring().sealing(from, fromInstance, to, toInstance, fromNonce, fromNonce)
    for (const other of [back, later]) wrong.push(await other.open(sort, note.n, sealed))
    assert.deepEqual(wrong, Array(6).fill(null))
  }
})
