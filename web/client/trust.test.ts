import assert from 'node:assert/strict'
import { webcrypto } from 'node:crypto'
import { test } from 'node:test'
import { parseKey } from './key.ts'
import type { SignedNote } from './note.ts'
import { Standing } from './standing.ts'
import { peers } from './testing/vectors.ts'
import { Keyring, Trust, type Finding, type Party } from './trust.ts'

const { trust } = peers
const [alice, bob]: Party[] = [{ peer: 'alice', instance: 'one' }, { peer: 'bob', instance: 'two' }] as const
let serial = 0

const keyringOf = (key: string, room = trust.room) => new Keyring(webcrypto.subtle as SubtleCrypto, parseKey(key), room)

function side(key: string = trust.key, { room = trust.room, allowUnverified = false } = {}): Trust {
  return new Trust(keyringOf(key, room), { allowUnverified, nextSerial: () => ++serial })
}

function standing(key: string | null, allowUnverified = false): Standing {
  const lock = key === null ? null : Promise.resolve({ Trust, keyring: keyringOf(key) })
  const events = { changed() {}, send() {}, fault() {} }
  return new Standing({ lock, hasKey: key !== null, allowUnverified, nextSerial: () => ++serial }, alice!, () => bob!, events)
}

const offer: SignedNote = {
  kind: 'description', generation: [7, 1], channels: ['a', 'b'],
  description: { type: 'offer', sdp: 'v=0\r\na=ice-ufrag:F7gI\r\na=fingerprint:sha-256 12:DF\r\na=fingerprint:sha-256 13:EF\r\n' },
}
const wish: SignedNote = { kind: 'relay', nonce: 'A'.repeat(22), webrtc: true, channels: ['a'] }

test('the vectors are signed and found so', async () => {
  for (const { from, fromInstance, to, toInstance, note, says } of trust.signed) {
    const ends: [Party, Party] = [{ peer: from, instance: fromInstance }, { peer: to, instance: toInstance }]
    const { proof, ...bare } = note
    serial = proof!.serial - 1
    assert.deepEqual(await side().prove(bare as SignedNote, ...ends), note, says)
    assert.equal(await side().check(note, ...ends), 'verified', says)
  }
})

const sdp = (change: (sdp: string) => string) => (note: SignedNote) =>
  note.kind === 'description' ? { ...note, description: { ...note.description, sdp: change(note.description.sdp ?? '') } } : note

const tampering: Record<string, [SignedNote, (note: SignedNote) => SignedNote, Finding]> = {
  'nothing is changed': [offer, (note) => note, 'verified'],
  'a fingerprint is swapped': [offer, sdp((text) => text.replace('12:DF', '66:66')), 'changed'],
  'the second of two fingerprints is swapped': [offer, sdp((text) => text.replace('13:EF', '66:66')), 'changed'],
  'a fingerprint is added': [offer, sdp((text) => `${text}a=fingerprint:sha-256 66:66\r\n`), 'changed'],
  'the hash of a fingerprint is a weaker one': [offer, sdp((text) => text.replace('sha-256', 'sha-1')), 'changed'],
  'the user fragment is another, as after a restart': [offer, sdp((text) => text.replace('F7gI', 'XXXX')), 'changed'],
  'an offer is called an answer': [offer, (note) => ({ ...note, description: { ...offer.description, type: 'answer' } }) as SignedNote, 'changed'],
  'the generation is later': [offer, (note) => ({ ...note, generation: [7, 2] }) as SignedNote, 'changed'],
  'the generation is of another epoch': [offer, (note) => ({ ...note, generation: [8, 1] }) as SignedNote, 'changed'],
  'channels change places': [offer, (note) => ({ ...note, channels: ['b', 'a'] }), 'changed'],
  'two channels become one': [offer, (note) => ({ ...note, channels: ['ab'] }), 'changed'],
  'the serial is later': [offer, (note) => ({ ...note, proof: { ...note.proof!, serial: note.proof!.serial + 1 } }), 'changed'],
  'the mac is cut': [offer, (note) => ({ ...note, proof: { ...note.proof!, mac: note.proof!.mac.slice(0, 40) } }), 'changed'],
  'the mac is empty': [offer, (note) => ({ ...note, proof: { ...note.proof!, mac: '' } }), 'changed'],
  'the mac is no base64': [offer, (note) => ({ ...note, proof: { ...note.proof!, mac: '!' } }), 'changed'],
  'the key is called otherwise': [offer, (note) => ({ ...note, proof: { ...note.proof!, key: 'AAAAAAAAAAA' } }), 'other key'],
  'the proof is taken away': [offer, ({ proof: _, ...note }) => note as SignedNote, 'no key'],
  'a nonce is changed': [wish, (note) => ({ ...note, nonce: 'B'.repeat(22) }) as SignedNote, 'changed'],
  'a wish becomes an answer': [wish, (note) => ({ ...note, echo: 'B'.repeat(22) }) as SignedNote, 'changed'],
  'WebRTC is denied': [wish, (note) => ({ ...note, webrtc: false }) as SignedNote, 'changed'],
}

for (const [says, [note, change, finding]] of Object.entries(tampering)) {
  test(`what is found when ${says}`, async () => {
    assert.equal(await side().check(change(await side().prove(note, alice, bob)), alice, bob), finding)
  })
}

test('what was signed between two holds for nobody else, in no direction and on no other visit', async () => {
  const signed = await side().prove(offer, alice, bob)
  const eve = { peer: 'eve', instance: 'three' }
  const ends: [Party, Party][] = [[bob, alice], [eve, bob], [alice, eve], [{ ...alice, instance: 'later' }, bob], [alice, { ...bob, instance: 'later' }]]
  for (const pair of ends) assert.equal(await side().check(signed, ...pair), 'changed', JSON.stringify(pair))
  const mirror = { peer: 'bob', instance: alice!.instance } // the server gave alice a new id, and says that her old one is another's
  assert.equal(await side().check(await side().prove(offer, alice!, mirror), alice!, mirror), 'changed')
  assert.equal(await side(trust.key, { room: 'shed' }).check(signed, alice, bob), 'other key')
  assert.equal(await side(trust.keys.good[1]!.key).check(signed, alice, bob), 'other key')
})

test('what comes again or late is refused, and what was refused counts for nothing', async () => {
  const [from, to] = [side(), side()]
  const [first, second, third] = [await from.prove(offer, alice, bob), await from.prove(wish, alice, bob), await from.prove(offer, alice, bob)]
  const forged = { ...third, proof: { ...third.proof!, serial: 1e9 } }
  const found: Finding[] = []
  for (const note of [first, first, forged, third, second, third]) found.push(await to.check(note, alice, bob))
  assert.deepEqual(found, ['verified', 'repeated', 'changed', 'verified', 'repeated', 'repeated'])
})

test('without a key, or the means, everything is taken and nothing verified', async () => {
  const blind = standing(null)
  assert.deepEqual(await blind.prove(offer), offer)
  assert.equal(await blind.check(offer), 'unverified')
  assert.equal(await blind.check(await side().prove(offer, alice!, bob!)), 'unverified')
})

test('an app may let those in who prove nothing, but nobody who proves something wrong', async () => {
  const lenient = side(trust.key, { allowUnverified: true })
  assert.equal(await lenient.check(offer, alice, bob), 'unverified')
  assert.equal(await lenient.check(await side(trust.keys.good[1]!.key).prove(offer, alice, bob), alice, bob), 'other key')
  assert.equal(await lenient.check(await side().prove(offer, bob, alice), alice, bob), 'changed')
  assert.equal(await lenient.check(await side().prove(offer, alice, bob), alice, bob), 'verified')
})

test('once something was believed without a proof, a proof of something else verifies nobody', async () => {
  const proven = await side().prove(offer, alice!, bob!)
  for (const [notes, is] of [[[proven], 'verified'], [[offer, proven], 'unverified'], [[proven, offer], 'unverified']] as const) {
    const peer = standing(trust.key, true)
    for (const note of notes) assert.notEqual(await peer.check(note), null)
    assert.equal(peer.trust, is)
  }
})

test('who is let in without a proof is so only until it proves something', async () => {
  const proven = await side().prove(offer, alice!, bob!)
  const peer = standing(trust.key)
  assert.equal(await peer.check(offer), null)
  assert.equal(peer.trust, 'unsigned')
  assert.deepEqual([peer.admit(), peer.admit()], [true, false])
  assert.equal(await peer.check(proven), 'verified')
  assert.equal(await peer.check(offer), null)
  assert.equal(peer.trust, 'verified')
})
