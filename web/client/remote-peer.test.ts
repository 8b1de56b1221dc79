// One peer of a room that is not there: what it is told, and what it says, by hand.
import assert from 'node:assert/strict'
import { webcrypto } from 'node:crypto'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Json } from './json.ts'
import { parseKey } from './key.ts'
import type { Note } from './note.ts'
import type { PeerContext } from './peer-context.ts'
import { Relay } from './relay.ts'
import { RemotePeer } from './remote-peer.ts'
import { StillClock } from './testing/clock.ts'
import { peers as vectors } from './testing/vectors.ts'
import { until } from './testing/waiting.ts'
import { Keyring, Trust } from './trust.ts'

/** A connection that comes to nothing. */
class Vain {
  connectionState = 'new'
  iceConnectionState = 'new'
  createDataChannel = () => ({ readyState: 'connecting', close() {} })
  close(): void {}
}

/** A peer who came before this side, or after it, and the notes that it is sent. */
function setUp(given: Partial<PeerContext> = {}, epoch = 1) {
  const clock = new StillClock()
  const notes: Note[] = []
  const context = {
    clock,
    trust: { lock: null, hasKey: false, allowUnverified: false, nextSerial: () => notes.length + 1 },
    relay: null,
    self: () => ({ peer: 'alice', instance: 'one' }),
    epoch: () => 2,
    isLinked: () => true,
    signal: (_: string, __: number, data: Json) => notes.push(data as unknown as Note),
    nextCount: () => 1,
    setup: () => ({ RTCPeerConnection: Vain, configuration: {}, channels: { text: {} }, maxMessage: 1e6, clock, isPrompt: () => true }),
    changed: () => {},
    fault: () => {},
    isMeshed: () => false,
    ...given,
  } as unknown as PeerContext
  return { clock, notes, peer: new RemotePeer({ peer: 'bob', instance: 'two', epoch, presence: 'here' }, context) }
}

test('who is let in again and again, while nothing came of it yet, is asked for a connection once', async () => {
  const keyring = new Keyring(webcrypto.subtle as SubtleCrypto, parseKey(vectors.trust.key), 'garden')
  const trust = { lock: Promise.resolve({ Trust, keyring }), hasKey: true, allowUnverified: false, nextSerial: () => 1 }
  const { notes, peer } = setUp({ trust }, 3)
  peer.receive({ kind: 'relay', nonce: 'A'.repeat(22), webrtc: true, channels: [] })
  await until('the refusal', () => peer.trust === 'unsigned')
  for (let i = 0; i < 5; i++) peer.admit()
  await until('the wish', () => notes.some(({ kind }) => kind === 'renew'))
  await sleep(50)
  assert.equal(notes.filter(({ kind }) => kind === 'renew').length, 1)
})

test('who is let go while the part for the way through the server is being loaded has one such way then', async () => {
  let nonces = 0
  let loaded = () => {}
  const part = new Promise<{ Relay: typeof Relay }>((resolve) => (loaded = () => resolve({ Relay })))
  const relay = { channels: { text: {} }, maxMessage: 1e6, nonce: () => String(++nonces).padStart(22, 'A'), load: () => part }
  const { clock, notes, peer } = setUp({ relay })
  clock.pass(0)
  peer.isWanted = false
  clock.pass(10_000)
  peer.spare(true)
  peer.isWanted = true
  loaded()
  await sleep(0)
  clock.pass(10_000)
  await until('a wish', () => notes.some(({ kind }) => kind === 'relay'))
  assert.equal(nonces, 1)
})

test('who has the key vouches for those whose messages it passes on, except where it may have let in others', () => {
  for (const allowUnverified of [false, true]) {
    const trust = { lock: null, hasKey: true, allowUnverified, nextSerial: () => 1 }
    const { peer } = setUp({ trust, isMeshed: () => true })
    peer.isHeard = true
    peer.via = { trust: 'verified' } as RemotePeer
    assert.equal(peer.trust, allowUnverified ? 'unverified' : 'verified')
  }
})
