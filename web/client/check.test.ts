import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkMessage } from './check.ts'
import { join, type JoinOptions } from './index.ts'

const good: JoinOptions = { server: 'http://127.0.0.1:9', room: 'garden', channels: { chat: {} }, storage: null }

const faults: [what: string, options: Partial<Record<keyof JoinOptions, unknown>>, error: { name: string; message: RegExp; code?: string }][] = [
  ['no server', { server: '' }, { name: 'TypeError', message: /server must be an http or https URL.*is “”/ }],
  ['a server without a scheme', { server: 'parley.example' }, { name: 'TypeError', message: /parley\.example/ }],
  ['a host and port alone', { server: 'localhost:8080' }, { name: 'TypeError', message: /localhost:8080/ }],
  ['the URL of a WebSocket', { server: 'wss://parley.example' }, { name: 'TypeError', message: /wss:/ }],
  ['a URL that cannot be read', { server: 'http://[::' }, { name: 'TypeError', message: /server must be/ }],
  ['no server at all', { server: undefined }, { name: 'TypeError', message: /server must be/ }],
  ['an empty room', { room: '' }, { name: 'SignalError', code: 'bad_room', message: /1 to 128 characters/ }],
  ['a room with a space', { room: 'two words' }, { name: 'SignalError', code: 'bad_room', message: /1 to 128 characters/ }],
  ['a room with a line break', { room: 'room\n' }, { name: 'SignalError', code: 'bad_room', message: /1 to 128 characters/ }],
  ['a room that is a folder', { room: '..' }, { name: 'SignalError', code: 'bad_room', message: /1 to 128 characters/ }],
  ['too long a room', { room: 'a'.repeat(129) }, { name: 'SignalError', code: 'bad_room', message: /1 to 128 characters/ }],
  ['a meta with a BigInt', { meta: { age: 7n } }, { name: 'TypeError', message: /^meta cannot be written as JSON: .*BigInt/ }],
  ['no channels', { channels: undefined }, { name: 'TypeError', message: /channels must be an object/ }],
  ['a list of channels', { channels: ['chat'] }, { name: 'TypeError', message: /channels must be an object/ }],
  ['options that are none', { channels: { chat: true } }, { name: 'TypeError', message: /channel “chat” must be an object/ }],
  ['ordered as a word', { channels: { chat: { ordered: 'no' } } }, { name: 'TypeError', message: /ordered of channel “chat”/ }],
  ['too many retransmits', { channels: { chat: { maxRetransmits: 65_536 } } }, { name: 'RangeError', message: /maxRetransmits of channel “chat”/ }],
  ['retransmits below nothing', { channels: { chat: { maxRetransmits: -1 } } }, { name: 'RangeError', message: /maxRetransmits/ }],
  ['too long a channel name', { channels: { ['c'.repeat(129)]: {} } }, { name: 'RangeError', message: /128/ }],
  ['too many channels', { channels: Object.fromEntries(Array.from({ length: 101 }, (_, i) => [i, {}])) }, { name: 'RangeError', message: /101 channels/ }],
  ['a maxMessage of nothing', { maxMessage: 0 }, { name: 'RangeError', message: /maxMessage/ }],
  ['a maxMessage that is no number', { maxMessage: NaN }, { name: 'RangeError', message: /NaN/ }],
  ['a policy that does not exist', { iceTransportPolicy: 'none' }, { name: 'TypeError', message: /“all” or “relay”/ }],
  ['links that are no list', { links: 'events' }, { name: 'TypeError', message: /links must be a list of websocket, events, long-poll, short-poll, and is “events”/ }],
  ['no links', { links: [] }, { name: 'TypeError', message: /links must be a list/ }],
  ['a kind of link that does not exist', { links: ['events', 'sse'] }, { name: 'TypeError', message: /“events,sse”/ }],
  ['a token instead of a function', { token: 'abc' }, { name: 'TypeError', message: /token must be a function/ }],
]

for (const [what, options, error] of faults) {
  test(`join throws at once for ${what}`, () => {
    assert.throws(() => join({ ...good, ...options } as JoinOptions).leave(), error)
  })
}

test('whatever the protocol allows is allowed', () => {
  const left = new AbortController()
  left.abort()
  for (const options of [
    {}, { room: 'a'.repeat(128) }, { room: '...' }, { room: 'A-z.0_~' }, { server: new URL('https://h.example/prefix/') }, { server: 'HTTP://h.example' },
    { channels: {} }, { channels: { '': { ordered: false, maxRetransmits: 0, latestOnly: true } } }, { maxMessage: 2 ** 32 - 1 }, { iceTransportPolicy: 'relay' }, { links: ['short-poll', 'websocket'] },
  ] satisfies Partial<JoinOptions>[]) {
    assert.equal(join({ ...good, signal: left.signal, ...options }).link.name, 'closed', JSON.stringify(options))
  }
})

test('a message that could never be sent throws, whoever is there', () => {
  const room = join({ ...good, maxMessage: 10, signal: AbortSignal.abort() })
  room.broadcast('chat', new Uint8Array(10))
  assert.throws(() => room.broadcast('chat', new Uint8Array(11)), { name: 'RangeError', message: /11 bytes is over the limit of 10/ })
  assert.throws(() => room.broadcast('chta', new Uint8Array(1)), { name: 'TypeError', message: /without a channel “chta”/ })
  assert.throws(() => checkMessage({}, 10, 'toString', new Uint8Array(1)), { name: 'TypeError' })
})

test('a meta that cannot be written throws where it is given', () => {
  const room = join({ ...good, signal: AbortSignal.abort() })
  const round: Record<string, unknown> = {}
  round.self = round
  for (const meta of [7n, round]) assert.throws(() => room.change({ meta: meta as never }), { name: 'TypeError', message: /^meta cannot be written as JSON: / })
  room.change({ meta: null })
  room.change({})
})

test('a room that was left lets go of its signal', () => {
  const listening = new Set<unknown>()
  const signal = {
    aborted: false,
    addEventListener: (_: string, listener: unknown) => listening.add(listener),
    removeEventListener: (_: string, listener: unknown) => listening.delete(listener),
  } as unknown as AbortSignal
  const room = join({ ...good, signal })
  assert.equal(listening.size, 1)
  room.leave()
  assert.equal(listening.size, 0)
})
