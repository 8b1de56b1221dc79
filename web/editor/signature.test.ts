import assert from 'node:assert/strict'
import { webcrypto } from 'node:crypto'
import { test } from 'node:test'
import { freshAccess, type Access } from './access.ts'
import { Notary, type Edit } from './edit.ts'
import { openSignature } from './signature.ts'

const browser = webcrypto.subtle as unknown as SubtleCrypto
const writer = freshAccess((bytes) => webcrypto.getRandomValues(bytes)) as Extract<Access, { kind: 'write' }>
const message = new TextEncoder().encode('something to sign')

/** Two ways to the same: with the browser's cryptography, and without any. */
const ways = { 'the browser': browser, 'the library': undefined }

async function open(access: Access, subtle: SubtleCrypto | undefined) {
  const globals = Object.getOwnPropertyDescriptor(globalThis, 'crypto')
  Object.defineProperty(globalThis, 'crypto', { value: undefined, configurable: true })
  try {
    const signature = await openSignature(access, subtle)
    assert.ok(signature !== null)
    return signature
  } finally {
    if (globals !== undefined) Object.defineProperty(globalThis, 'crypto', globals)
    else Reflect.deleteProperty(globalThis, 'crypto')
  }
}

for (const [signer, own] of Object.entries(ways)) {
  for (const [checker, other] of Object.entries(ways)) {
    test(`what ${signer} signs, ${checker} accepts, and nothing else`, async () => {
      const { sign, publicKey } = await open(writer, own)
      assert.ok(sign !== null)
      const signed = new Uint8Array(await sign(message))
      const reader = await open({ kind: 'read', publicKey, roomKey: null }, other)
      assert.equal(reader.sign, null)
      assert.equal(await reader.verify(message, signed), true)
      for (const at of [0, 31, 32, 63]) {
        const changed = signed.slice()
        changed[at] = (changed[at] as number) ^ 1
        assert.equal(await reader.verify(message, changed), false)
      }
      assert.equal(await reader.verify(message.slice(1), signed), false)
      const stranger = freshAccess((bytes) => webcrypto.getRandomValues(bytes))
      const { sign: forge } = await open(stranger, own)
      assert.ok(forge !== null)
      assert.equal(await reader.verify(message, new Uint8Array(await forge(message))), false)
    })
  }
}

test('both ways find the same public key', async () => {
  const keys = await Promise.all(Object.values(ways).map(async (subtle) => (await open(writer, subtle)).publicKey))
  assert.deepEqual(keys[0], keys[1])
})

test('an edit counts in its own room, under its own name, and unchanged', async () => {
  const signature = await open(writer, browser)
  const notary = new Notary(signature, 'garden')
  const edit = await notary.sign({ origin: 2 ** 40, number: 7, update: Uint8Array.of(1, 2, 3) })
  assert.equal(await notary.isGenuine(edit), true)
  assert.equal(await new Notary(signature, 'garden2').isGenuine(edit), false)
  const others: Partial<Edit>[] = [{ origin: 1 }, { number: 8 }, { update: Uint8Array.of(1, 2) }, { signature: new Uint8Array(0) }, { signature: new Uint8Array(64) }]
  for (const change of others) assert.equal(await notary.isGenuine({ ...edit, ...change }), false, JSON.stringify(change))
})

test('without keys nothing is signed', async () => {
  assert.equal(await openSignature({ kind: 'open', roomKey: null }, browser), null)
})
