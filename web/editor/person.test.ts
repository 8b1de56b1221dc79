import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Peer } from '../client/index.ts'
import { summarise } from './people.ts'
import { personOf, type Knowledge } from './person.ts'

const peer: Peer = { id: 'p1', presence: 'here', state: 'connected', path: null, trust: 'verified', dropped: 0, buffered: 0, send: () => true, admit() {} }
const knowledge: Knowledge = { identity: null, inSync: true, client: 7, isBare: false, dropped: 0, unsigned: 0 }

for (const [given, way] of [
  [{ state: 'connecting' }, 'connecting…'],
  [{ state: 'connecting', trust: 'refused' }, 'no key in common'],
  [{ state: 'connecting', trust: 'unsigned' }, 'cannot be verified'],
  [{ state: 'connected', trust: 'refused' }, 'connected'],
  [{ state: 'reconnecting', path: { kind: 'direct', rtt: 4 } }, 'reconnecting…'],
  [{ state: 'closed' }, 'not connected'],
  [{}, 'connected'],
  [{ path: { kind: 'direct', rtt: null } }, 'direct'],
  [{ path: { kind: 'direct', rtt: 0.4 } }, 'direct · < 1 ms'],
  [{ path: { kind: 'relay', rtt: 12.4 } }, 'relay · 12 ms'],
  [{ path: { kind: 'relay', protocol: 'tls', rtt: 12.4 } }, 'relay over TLS · 12 ms'],
  [{ path: { kind: 'server', rtt: 80 } }, 'through the server · 80 ms'],
  [{ path: { kind: 'mesh', rtt: null } }, 'through other peers'],
  [{ path: { kind: 'tunnel', rtt: null } }, 'tunnel'],
] as unknown as [Partial<Peer>, string][]) {
  test(`a peer is shown as ${way}`, () => {
    assert.equal(personOf({ ...peer, ...given }, knowledge).way, way)
  })
}

test('a peer whose text is still on its way is shown so', () => {
  assert.equal(personOf({ ...peer, path: { kind: 'direct', rtt: 3 } }, { ...knowledge, inSync: false }).way, 'direct · 3 ms · fetching the text…')
})

test('a path counts only while it carries something', () => {
  const path = { kind: 'relay', rtt: 3 } as const
  assert.equal(personOf({ ...peer, path }, knowledge).path, 'relay')
  assert.equal(personOf({ ...peer, path, state: 'reconnecting' }, knowledge).path, null)
})

test('what a peer says of itself goes before the roster, and the roster before nothing', () => {
  const listed: Peer = { ...peer, name: 'Ada', meta: { colour: 'plum' } }
  assert.deepEqual(nameAndColour(personOf(listed, { ...knowledge, identity: { name: 'Countess', colour: 'sky', chosen: true } })), ['Countess', 'sky'])
  assert.deepEqual(nameAndColour(personOf(listed, knowledge)), ['Ada', 'plum'])
  assert.equal(personOf(peer, knowledge).name, 'Somebody')
  assert.equal(personOf({ ...peer, name: 'Bob', meta: { colour: 'url(x)' } }, knowledge).name, 'Bob')
})

test('unreadable messages are told', () => {
  assert.equal(personOf(peer, { ...knowledge, dropped: 1 }).warning, '1 unreadable message ignored')
  assert.equal(personOf(peer, { ...knowledge, dropped: 3 }).warning, '3 unreadable messages ignored')
  assert.equal(personOf(peer, { ...knowledge, unsigned: 2 }).warning, '2 changes without a valid signature ignored')
  assert.equal(personOf({ ...peer, trust: 'unverified' }, { ...knowledge, dropped: 1 }).warning, 'not verified; 1 unreadable message ignored')
  assert.equal(personOf(peer, knowledge).warning, '')
  assert.equal(personOf({ ...peer, trust: 'unverified', state: 'connecting' }, knowledge).warning, '', 'nothing is known yet')
})

test('who is not verified is so called once anything is known, and who is refused at once', () => {
  const warning = (trust: Peer['trust'], state: Peer['state']) => personOf({ ...peer, trust, state }, knowledge).warning
  assert.deepEqual([warning('unverified', 'connecting'), warning('unverified', 'connected')], ['', 'not verified'])
  assert.match(warning('refused', 'connecting'), /^refused: .* different keys/)
  assert.match(warning('unsigned', 'connecting'), /^kept out: .* Ask them before you let them in/)
})

test('only who signs nothing, and is kept apart for that, can be let in', () => {
  const admissible = (trust: Peer['trust'], state: Peer['state']) => personOf({ ...peer, trust, state }, knowledge).admissible
  assert.deepEqual([admissible('unsigned', 'connecting'), admissible('unsigned', 'connected'), admissible('refused', 'connecting')], [true, false, false])
})

test('a page that cannot use its key says who does not let it in', () => {
  assert.equal(personOf({ ...peer, state: 'connecting', trust: 'refused' }, { ...knowledge, isBare: true }).way, 'does not let you in')
})

test('a few words sum people up', () => {
  const direct = personOf({ ...peer, path: { kind: 'direct', rtt: 1 } }, knowledge)
  const relay = personOf({ ...peer, path: { kind: 'relay', rtt: 1 } }, knowledge)
  const connecting = personOf({ ...peer, state: 'connecting' }, knowledge)
  assert.equal(summarise([]), 'Only you')
  assert.equal(summarise([direct, direct]), '3 people, direct')
  assert.equal(summarise([relay]), '2 people, by relay')
  assert.equal(summarise([direct, relay]), '3 people, 1 by relay')
  const server = personOf({ ...peer, path: { kind: 'server', rtt: 1 } } as unknown as Peer, knowledge)
  assert.equal(summarise([server]), '2 people, by the server')
  assert.equal(summarise([direct, relay, server]), '4 people, 1 by relay, 1 by the server')
  assert.equal(summarise([direct, connecting]), '3 people, 1 connecting')
  const refused = personOf({ ...peer, state: 'connecting', trust: 'refused' }, knowledge)
  assert.equal(summarise([direct, refused]), '3 people, 1 kept apart')
  assert.equal(summarise([refused, connecting]), '3 people, 1 connecting')
  assert.equal(summarise([personOf(peer, knowledge)]), '2 people')
})

function nameAndColour({ name, colour }: { name: string; colour: string }): [string, string] {
  return [name, colour]
}
