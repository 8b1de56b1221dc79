// Rooms without WebRTC, in node, on the real server: messages go through it.
import assert from 'node:assert/strict'
import { after, afterEach, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { environment } from './environment.ts'
import { join, type JoinOptions, type Peer, type Room } from './index.ts'
import type { Json } from './json.ts'
import { Network } from './testing/network.ts'
import { Server } from './testing/server.ts'
import { peers as vectors } from './testing/vectors.ts'
import { until } from './testing/waiting.ts'

const key = vectors.trust.keys.good[0]!.key
const otherKey = vectors.trust.keys.good[1]!.key

let server: Server
let rooms = 0
let sides: Side[] = []

before(async () => {
  server = await Server.build()
})
after(() => server.dispose())
afterEach(() => {
  for (const { room } of sides) room.leave()
  sides = []
})

/** Waits a twentieth of the time, where what is waited for is that something does not come. */
const { clock } = environment()
const hasty = { clock: { now: clock.now, after: (delay: number, call: () => void) => clock.after(delay / 20, call) } }

type Meddle = (data: Record<string, Json>) => Json[]

/** A member of a room, what came, and what a server between could do to the notes that it is sent. */
class Side {
  readonly room: Room
  readonly network = new Network()
  readonly log: string[] = []
  readonly messages: { channel: string; data: Uint8Array }[] = []
  /** The notes that came, as text. */
  readonly notes: string[] = []
  meddle: Meddle | null = null

  constructor(name: string, options: Partial<JoinOptions> = {}) {
    const environment = { ...this.network.environment, RTCPeerConnection: undefined, ...options.environment }
    environment.WebSocket = this.#tapped(environment.WebSocket)
    this.room = join({ server: server.url, room: name, channels: { carets: { latestOnly: true }, text: {} }, storage: null, links: ['websocket'], ...options, environment })
    this.room.on('open', (_, channel) => this.log.push(`open ${channel}`))
    this.room.on('error', ({ code, message }) => this.log.push(`${code}: ${message.replace(/peer \S+( |'s)/, 'peer$1')}`))
    this.room.on('message', (_, channel, data) => this.messages.push({ channel, data }))
    sides.push(this)
  }

  get peer(): Peer | undefined {
    return [...this.room.peers.values()][0]
  }

  texts(channel = 'text'): string[] {
    return this.messages.filter((message) => message.channel === channel).map(({ data }) => new TextDecoder().decode(data))
  }

  send(text: string, channel = 'text'): boolean {
    return this.peer?.send(channel, new TextEncoder().encode(text)) ?? false
  }

  /** A WebSocket that shows what comes to the meddler first. */
  #tapped(Base: typeof WebSocket): typeof WebSocket {
    const side = this
    return class extends Base {
      override set onmessage(listener: ((this: WebSocket, event: MessageEvent) => void) | null) {
        super.onmessage = listener && ((event: MessageEvent) => {
          for (const data of side.#between(String(event.data))) listener.call(this, { data } as MessageEvent)
        })
      }
    }
  }

  #shift = 0 // how many numbers more the room has seen than the server gave

  #between(text: string): string[] {
    const frame = JSON.parse(text) as Record<string, Json>
    if (typeof frame.n !== 'number' || frame.kind === 'received') return [text]
    const notes = frame.kind === 'signal' ? (this.meddle?.(frame.data as Record<string, Json>) ?? [frame.data as Json]) : null
    if (notes !== null) this.notes.push(...notes.map((note) => JSON.stringify(note)))
    if (notes === null) return [JSON.stringify({ ...frame, n: frame.n + this.#shift })]
    if (notes.length === 0) return [JSON.stringify({ kind: 'nothing', n: frame.n + this.#shift })]
    const number = frame.n
    const frames = notes.map((data, i) => JSON.stringify({ ...frame, n: number + this.#shift + i, data }))
    this.#shift += notes.length - 1
    return frames
  }
}

async function pair(first: Partial<JoinOptions> = {}, second = first): Promise<[Side, Side]> {
  const name = `relay-${++rooms}`
  const a = new Side(name, first)
  await until('the first', () => a.room.link.name === 'open')
  return [a, new Side(name, second)]
}

const usable = (...both: Side[]) => until('the way', () => both.every((side) => side.peer?.state === 'connected' && side.log.includes('open text')))

test('with a key, messages through the server are sealed, verified and in order', async () => {
  const [a, b] = await pair({ key })
  await usable(a, b)
  for (let i = 0; i < 200; i++) for (const side of [a, b]) assert.equal(side.send(`secret ${i}`), true)
  const expected = Array.from({ length: 200 }, (_, i) => `secret ${i}`)
  await until('all', () => a.texts().length === 200 && b.texts().length === 200)
  for (const side of [a, b]) {
    assert.deepEqual(side.texts(), expected)
    assert.deepEqual([side.peer!.path?.kind, side.peer!.trust, side.peer!.dropped], ['server', 'verified', 0])
    assert.deepEqual(side.log.sort(), ['open carets', 'open text'])
    const plain = Buffer.from('secret').toString('base64url').slice(0, 6)
    assert.ok(side.notes.some((note) => note.includes('"relayed"')))
    assert.ok(!side.notes.some((note) => note.includes('secret') || note.includes(plain)), 'the server sees the text')
  }
})

for (const [says, options, trust] of [
  ['without a key', {}, 'unverified'],
  ['with a key on pages without WebCrypto', { key, environment: { subtle: undefined } }, 'unverified'],
  ['with a key given as bytes', { key: Uint8Array.from(Buffer.from(key, 'base64url')) }, 'verified'],
] as [string, Partial<JoinOptions>, string][]) {
  test(`messages go through the server ${says}`, async () => {
    const [a, b] = await pair(options)
    await usable(a, b)
    a.send('there')
    b.send('back')
    await until('both', () => a.messages.length === 1 && b.messages.length === 1)
    assert.deepEqual([a.texts(), b.texts(), a.peer!.trust, b.peer!.trust], [['back'], ['there'], trust, trust])
    assert.deepEqual(a.log.filter((line) => !line.startsWith('open')), [])
  })
}

const noKey = "key_differs: peer does not have this room's key, or cannot use it on a page without https"
const wrongKey = 'key_differs: peer has another key for this room'
const noOwnKey = 'key_differs: peer has a key for this room, and this link has none'
const noOwnUse = 'key_differs: peer has a key for this room, which a page without https cannot use'

for (const [says, first, second, words] of [
  ['the later one has no key', { key }, {}, [noKey, noOwnKey]],
  ['the earlier one has no key', {}, { key }, [noOwnKey, noKey]],
  ['they have different keys', { key }, { key: otherKey }, [wrongKey, wrongKey]],
  ['one has no WebCrypto', { key }, { key, environment: { subtle: undefined } }, [noKey, noOwnUse]],
  ['the other has no WebCrypto', { key, environment: { subtle: undefined } }, { key }, [noOwnUse, noKey]],
] as [string, Partial<JoinOptions>, Partial<JoinOptions>, string[]][]) {
  test(`${says}: both are told, once, and nothing gets through`, async () => {
    const [a, b] = await pair(first, second)
    await until('the words', () => a.log.length > 0 && b.log.length > 0)
    const strict = [a, b].filter(({ peer }) => peer!.trust === 'refused')
    assert.ok(strict.length > 0)
    a.send('there')
    b.send('back')
    await sleep(100)
    assert.deepEqual([a.messages, b.messages], [[], []])
    // A side without a key opens what it was granted; it just leads nowhere.
    assert.deepEqual([a, b].map(({ log }) => log.filter((line) => !line.startsWith('open'))), words.map((line) => [line]))
  })
}

test('an app that allows it talks to a peer without key, and neither is verified', async () => {
  const [a, b] = await pair({ key, allowUnverified: true }, {})
  await usable(a, b)
  a.send('there')
  await until('it', () => b.messages.length === 1)
  assert.deepEqual([a.peer!.trust, b.texts()], ['unverified', ['there']])
})

for (const [says, spoil, code] of [
  ['changes a nonce', (note) => [note.kind === 'relay' ? { ...note, nonce: 'A'.repeat(22) } : note], 'untrusted'],
  ['repeats an opening', (note) => (note.kind === 'relay' ? [note, note] : [note]), 'untrusted'],
  ['takes the proof away', (note) => [note.kind === 'relay' ? { ...note, proof: undefined as never } : note], 'key_differs'],
  ['changes sealed bytes', (note) => [typeof note.data === 'string' ? { ...note, data: `${note.data.slice(0, -4)}AAAA` } : note], 'untrusted'],
  ['sends sealed bytes under another number', (note) => [typeof note.data === 'string' ? { ...note, n: 1, data: note.data.slice(4) } : note], 'untrusted'],
  ['sends bytes that nobody sealed', (note) => [typeof note.data === 'string' ? { ...note, data: Buffer.from('\x01\0evil').toString('base64url') } : note], 'untrusted'],
] as [string, Meddle, string][]) {
  test(`a server that ${says} is found out, once`, async () => {
    const [a, b] = await pair({ key, environment: hasty })
    b.meddle = spoil
    await until('the peer', () => b.peer !== undefined)
    await until('the error', () => {
      a.send('there')
      return b.log.some((line) => line.startsWith(`${code}:`))
    })
    await sleep(100)
    assert.equal(b.log.filter((line) => /^(untrusted|key_differs):/.test(line)).length, 1)
    assert.ok(b.texts().every((text) => text === 'there'))
    b.meddle = null
    b.messages.length = 0
    await until('the way again', () => a.send('after') && b.texts().includes('after'), 30_000)
  })
}

test('pieces that a server repeats, swaps or drops change nothing in the end', { timeout: 60_000 }, async () => {
  const [a, b] = await pair({ key, environment: hasty })
  await usable(a, b)
  let late: Json[] = []
  let seen = 0
  b.meddle = (note) => {
    if (note.kind !== 'relayed' || note.ack !== undefined) return [note]
    seen++
    if (seen === 5) return [] // one is lost
    if (seen % 7 === 0) return [note, note]
    if (seen % 11 === 0) {
      late.push(note)
      return []
    }
    const now = [note, ...late]
    late = []
    return now
  }
  const expected = Array.from({ length: 40 }, (_, i) => `message ${i}`)
  for (const text of expected) a.send(text)
  await until('all', () => b.texts().length >= 40, 40_000) // each loss costs a wait
  assert.deepEqual(b.texts(), expected)
  assert.deepEqual(b.log.filter((line) => !line.startsWith('open')), [])
})

test('large messages go through the server, with bounds on what waits', { timeout: 60_000 }, async () => {
  const [a, b] = await pair({ key })
  await usable(a, b)
  const large = new Uint8Array(1_500_000).map((_, i) => (i * 31 + (i >> 8)) & 255)
  assert.equal(a.peer!.send('text', large), true)
  assert.equal(a.peer!.send('text', new Uint8Array(1)), false)
  assert.ok(a.peer!.buffered >= 1_400_000)
  await until('it', () => b.messages.length === 1, 50_000)
  assert.deepEqual(b.messages[0]!.data, large)
  await until('the acknowledgements', () => a.peer!.buffered === 0)
  assert.equal(a.send('small'), true)
  await until('the next', () => b.messages.length === 2)
})

test('of a flood on a channel for the latest only, the last arrives', async () => {
  const [a, b] = await pair({ key })
  await usable(a, b)
  for (let i = 0; i < 5000; i++) assert.equal(a.send(`caret ${i}`, 'carets'), true)
  await until('the last', () => b.texts('carets').at(-1) === 'caret 4999')
  assert.ok(b.texts('carets').length < 100, `${b.texts('carets').length} came`)
})

test('links that are cut again and again lose and double nothing', { timeout: 60_000 }, async () => {
  const [a, b] = await pair({ key })
  await usable(a, b)
  for (let i = 0; i < 60; i++) {
    assert.equal(a.send(`message ${i}`), true)
    if (i % 10 === 3) a.network.cut()
    if (i % 10 === 7) b.network.cut()
    await sleep(5)
  }
  await until('all', () => b.texts().length >= 60, 40_000)
  assert.deepEqual(b.texts(), Array.from({ length: 60 }, (_, i) => `message ${i}`))
  for (const side of [a, b]) assert.deepEqual(side.log.filter((line) => !line.startsWith('open')), [])
})

test('after a server was killed and started again, the way through it opens again, and doubles nothing', { timeout: 60_000 }, async () => {
  const [a, b] = await pair({ key })
  await usable(a, b)
  a.send('before')
  await until('the first', () => b.texts().length === 1)
  await server.stop()
  await until('the loss to be seen', () => a.peer === undefined || a.peer.state === 'reconnecting')
  a.log.length = b.log.length = 0
  await server.start()
  await until('another link', () => a.room.link.name === 'open' && b.room.link.name === 'open', 40_000)
  await usable(a, b)
  for (const side of [a, b]) for (let i = 0; i < 20; i++) assert.equal(side.send(`after ${i}`), true)
  const expected = Array.from({ length: 20 }, (_, i) => `after ${i}`)
  await until('all', () => a.texts().includes('after 19') && b.texts().includes('after 19'))
  assert.deepEqual([a.texts(), b.texts()], [expected, ['before', ...expected]])
  for (const side of [a, b]) assert.deepEqual(side.log.filter((line) => !line.startsWith('open')), [])
})

test('where messages are not to go through the server, they do not', async () => {
  const [a, b] = await pair({ key }, { key, serverRelay: false })
  await until('the wish', () => b.notes.some((note) => note.includes('"relay"')))
  assert.deepEqual([a.peer!.state, b.peer!.state, a.send('x'), b.send('x')], ['connecting', 'connecting', false, false])
})

test('a peer that sends a message over the limit, or what cannot be read, is named once and goes on', async () => {
  const [a, b] = await pair({ key }, { key, maxMessage: 1000 })
  await usable(a, b)
  for (let i = 0; i < 3; i++) a.peer!.send('text', new Uint8Array(100_000))
  a.send('small')
  await until('the small one', () => b.messages.length === 1)
  assert.deepEqual(b.log.filter((line) => !line.startsWith('open')), ["malformed: peer sent a message of 100000 bytes, over this side's limit of 1000: it was dropped"])
  assert.ok(b.peer!.dropped >= 3)
})
