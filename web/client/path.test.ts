import assert from 'node:assert/strict'
import { test } from 'node:test'
import { routeOf } from './path.ts'

const candidates = [
  { id: 'host', type: 'local-candidate', candidateType: 'host', protocol: 'udp' },
  { id: 'relay', type: 'local-candidate', candidateType: 'relay', protocol: 'udp', relayProtocol: 'tls' },
  { id: 'theirs', type: 'remote-candidate', candidateType: 'prflx', protocol: 'udp' },
  { id: 'their relay', type: 'remote-candidate', candidateType: 'relay', protocol: 'udp' },
]

function pair(id: string, localCandidateId: string, remoteCandidateId: string, more: object = {}) {
  return { id, type: 'candidate-pair', localCandidateId, remoteCandidateId, ...more }
}

test('the pair that the transport has selected counts', () => {
  const transport = { id: 't', type: 'transport', selectedCandidatePairId: 'b' }
  const pairs = [pair('a', 'relay', 'theirs', { nominated: true, state: 'succeeded' }), pair('b', 'host', 'theirs')]
  assert.deepEqual(routeOf([...candidates, ...pairs, transport]), { kind: 'direct', relayed: false, protocol: 'udp' })
})

test('without a transport, the pair marked as selected counts', () => {
  const pairs = [pair('a', 'host', 'theirs', { nominated: true, state: 'succeeded' }), pair('b', 'relay', 'theirs', { selected: true })]
  assert.deepEqual(routeOf([...candidates, ...pairs]), { kind: 'relay', relayed: true, protocol: 'tls' })
})

test('without either, the nominated pair that succeeded counts', () => {
  const pairs = [pair('a', 'relay', 'theirs', { nominated: true, state: 'failed' }), pair('b', 'host', 'theirs', { nominated: true, state: 'succeeded' })]
  assert.deepEqual(routeOf([...candidates, ...pairs]), { kind: 'direct', relayed: false, protocol: 'udp' })
})

test('a relay at the other end makes a relayed path, but not a relayed end here', () => {
  assert.deepEqual(routeOf([...candidates, pair('a', 'host', 'their relay', { selected: true })]), { kind: 'relay', relayed: false, protocol: 'udp' })
})

test('there is no route before a pair is selected', () => {
  assert.equal(routeOf([]), null)
  assert.equal(routeOf([...candidates, pair('a', 'host', 'theirs', { state: 'in-progress' })]), null)
})
