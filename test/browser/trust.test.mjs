// What a server between two pages can do, and what it cannot; and what goes through it. There is one kind of link, so that all frames go
// by the meddler.
import assert from 'node:assert/strict'
import { rm } from 'node:fs/promises'
import { after, afterEach, before, test } from 'node:test'
import { launch } from './browser.mjs'
import { clientPage } from './client-page.mjs'
import { Meddler } from './meddler.mjs'
import { Server } from './server.mjs'

const key = 'AAECAwQFBgcICQoLDA0ODw'

let folder
let server
let meddler
let browser
let rooms = 0

before(async () => {
  folder = await clientPage()
  process.env.PARLEY_WEB_DIR = folder
  server = await Server.start()
  meddler = await Meddler.start(server)
  browser = await launch()
})

after(async () => {
  await browser?.close()
  meddler?.stop()
  await server?.stop()
  await rm(folder, { recursive: true, force: true })
})

afterEach(async () => {
  meddler.meddle = (signal) => [signal]
  meddler.seen.length = 0
  await Promise.all(browser.contexts().map((context) => context.close()))
})

async function open(prepare) {
  const context = await browser.newContext()
  await context.grantPermissions(['camera', 'microphone'], { origin: meddler.origin })
  const page = await context.newPage()
  page.setDefaultTimeout(30_000)
  if (prepare !== undefined) await page.addInitScript(prepare)
  await page.goto(meddler.origin)
  return page
}

/** Two members in one page, in a room of their own; `inPage` is given them. */
async function two(inPage, options = { key }) {
  const page = await open()
  return page.evaluate(`(async () => {
    const room = ${JSON.stringify(`trust-${++rooms}`)}
    const options = ${JSON.stringify({ links: ['websocket'], ...options })}
    if (options.blocked) parley.block()
    const a = parley.member(room, options)
    await parley.until('the first', () => a.room.link.name === 'open')
    const b = parley.member(room, options)
    const members = [a, b]
    const peers = () => members.map(({ room }) => [...room.peers.values()][0])
    const errors = () => members.map(({ log }) => log.filter((line) => line.startsWith('error')))
    return (${inPage})({ members, a, b, peers, errors, all: (what, check) => parley.until(what, () => peers().every((peer) => peer && check(peer))) })
  })()`)
}

const description = (signal) => signal.data.kind === 'description'
const untrusted = /^error untrusted: what came as peer \S+'s was not signed with/
const repeated = /^error untrusted: what came as peer \S+'s was repeated/

test('with a key, peers are verified, and nothing is said', { timeout: 30_000 }, async () => {
  const result = await two(async ({ all, peers, errors }) => {
    await all('the connection', ({ path, trust }) => path?.kind === 'direct' && trust === 'verified')
    return [peers().map(({ dropped }) => dropped), errors()]
  })
  assert.deepEqual(result, [[0, 0], [[], []]])
})

const swaps = {
  'swaps the fingerprints': (signal) => {
    const sdp = signal.data.description.sdp.replace(/^(a=fingerprint:sha-256) .*$/m, `$1 ${Array(32).fill('66').join(':')}`)
    return [{ ...signal, data: { ...signal.data, description: { ...signal.data.description, sdp } } }]
  },
  'swaps the user fragments': (signal) => {
    const sdp = signal.data.description.sdp.replace(/^(a=ice-ufrag:).*$/m, '$1evil')
    return [{ ...signal, data: { ...signal.data, description: { ...signal.data.description, sdp } } }]
  },
  'says an offer is of a later connection': (signal) => {
    const [epoch, count] = signal.data.generation
    return [{ ...signal, data: { ...signal.data, generation: [epoch, count + 5] } }]
  },
}

for (const [says, swap] of Object.entries(swaps)) {
  test(`a server that ${says} is refused with words, and gets no connection`, { timeout: 30_000 }, async () => {
    meddler.meddle = (signal) => (description(signal) ? swap(signal) : [signal])
    const result = await two(async ({ a, peers, errors }) => {
      // The first to come is offered a connection, and so is the first to see.
      await parley.until('the words', () => errors()[0].length > 0)
      await parley.sleep(300)
      return [a.connections.length, peers().map(({ trust }) => trust), errors()]
    }, { key, serverRelay: false })
    assert.deepEqual(result.slice(0, 2), [0, ['refused', 'unverified']])
    assert.deepEqual([result[2][0].length, result[2][1]], [1, []])
    assert.match(result[2][0][0], untrusted)
  })
}

test('a server that repeats what was said, or sends it back, is refused once, and harms no connection', { timeout: 30_000 }, async () => {
  meddler.meddle = (signal) => (description(signal) ? [signal, signal, signal] : [signal])
  const result = await two(async ({ a, b, all, peers, errors }) => {
    await all('the connection', ({ path }) => path?.kind === 'direct')
    await parley.until('the words', () => errors().every((said) => said.length > 0))
    a.room.broadcast('text', parley.bytes('here'))
    await parley.until('the message', () => b.messages.length === 1)
    return [peers().map(({ trust, dropped }) => [trust, dropped]), errors(), a.connections.length]
  })
  assert.deepEqual(result[0], [['verified', 2], ['verified', 2]])
  assert.equal(result[2], 1)
  for (const said of result[1]) {
    assert.equal(said.length, 1)
    assert.match(said[0], repeated)
  }
})

test('a server that says that one peer said what another did is refused', { timeout: 30_000 }, async () => {
  const page = await open()
  let forgeries = 0
  const epochs = new Map()
  meddler.meddle = (signal) => {
    epochs.set(signal.from, signal.epoch)
    const other = [...epochs].find(([from]) => from !== signal.from)
    if (!description(signal) || other === undefined) return [signal]
    forgeries++
    return [{ ...signal, from: other[0], epoch: other[1] }, signal]
  }
  const result = await page.evaluate(async ([room, key]) => {
    const members = []
    for (let i = 0; i < 3; i++) {
      members.push(parley.member(room, { key, links: ['websocket'] }))
      await parley.until('the link', () => members[i].room.link.name === 'open')
    }
    await parley.until('the mesh', () => parley.meshed(...members))
    return members.map(({ log, room }) => [log.filter((line) => line.startsWith('error')), [...room.peers.values()].map(({ trust }) => trust)])
  }, [`trust-${++rooms}`, key])
  assert.ok(forgeries > 0)
  const errors = result.flatMap(([errors]) => errors)
  assert.ok(errors.length > 0)
  for (const error of errors) assert.match(error, untrusted)
  assert.deepEqual(result.flatMap(([, trusts]) => trusts), Array(6).fill('verified'))
})

test('a page without WebRTC gets and sends through the server what the server cannot read', { timeout: 30_000 }, async () => {
  const pages = [await open(() => delete window.RTCPeerConnection), await open()]
  const room = `trust-${++rooms}`
  for (const page of pages) await page.evaluate(([room, key]) => void (globalThis.me = parley.member(room, { key, links: ['websocket'] })), [room, key])
  const took = await Promise.all(pages.map((page) => page.evaluate(async () => {
    await parley.until('the way', () => [...me.room.peers.values()][0]?.state === 'connected')
    me.room.broadcast('text', parley.bytes('a secret of theirs'))
    await parley.until('the secret', () => me.messages.length === 1)
    const [peer] = me.room.peers.values()
    return [parley.text(me.messages[0].data), peer.path.kind, peer.trust, me.log.filter((line) => line.startsWith('error'))]
  })))
  assert.deepEqual(took, Array(2).fill(['a secret of theirs', 'server', 'verified', []]))
  assert.ok(meddler.seen.some((text) => text.includes('"relayed"')))
  const base64 = Buffer.from('\0a secret of theirs').toString('base64url')
  for (const text of meddler.seen) for (const part of ['secret', key, ...[0, 1, 2, 3].map((i) => base64.slice(i, i + 12))]) assert.ok(!text.includes(part))
})

test('where no packets pass, messages go through the server, then move to a connection, and back when it fails', { timeout: 60_000 }, async (t) => {
  const result = await two(async ({ members, a, b, all, peers, errors }) => {
    const counts = [0, 0]
    const send = () => {
      for (const [i, { room }] of members.entries()) {
        const [peer] = room.peers.values()
        if (peer?.state === 'connected' && peer.send('text', parley.bytes(String(counts[i])))) counts[i]++
      }
    }
    const sending = setInterval(send, 5)
    const inOrder = () => members.map(({ messages }) => messages.every(({ data }, i) => parley.text(data) === String(i)))
    const arrived = () => members.every(({ messages }, i) => messages.length === counts[1 - i])
    const began = Date.now()
    await parley.until('the first text', () => members.every(({ messages }) => messages.length > 0))
    const first = Date.now() - began
    const kinds = peers().map(({ path }) => path.kind)
    await parley.sleep(300)
    parley.pass()
    await all('the move', ({ path }) => path?.kind === 'direct')
    const moved = [...counts]
    await parley.sleep(300)
    clearInterval(sending)
    await parley.until('all', arrived)
    const orderly = inOrder()
    const opened = members.map(({ log }) => log.filter((line) => line === 'open text').length)
    // Now packets are stopped again: the connection is closed under one of them, and no other comes about.
    parley.block()
    const made = members.map(({ connections }) => connections.length)
    for (const { connections } of members) connections.at(-1).close()
    await all('the way back', ({ path, state }) => path?.kind === 'server' && state === 'connected')
    for (const member of members) member.messages.length = 0
    for (const { room } of members) for (let i = 0; i < 50; i++) room.broadcast('text', parley.bytes(String(i)))
    await parley.until('the rest', () => members.every(({ messages }) => messages.length === 50))
    return { first, kinds, moved, made, orderly: [...orderly, ...inOrder()], opened, trust: peers().map(({ trust }) => trust), errors: errors() }
  }, { key, blocked: true })
  t.diagnostic(`first text after ${result.first} ms, ${result.moved} messages until the move`)
  assert.ok(result.first < 4000, `the first text took ${result.first} ms`)
  assert.deepEqual(result.kinds, ['server', 'server'])
  assert.ok(result.moved.every((count) => count > 20))
  assert.deepEqual(result.orderly, [true, true, true, true])
  assert.deepEqual(result.opened, [1, 1])
  assert.deepEqual(result.made, [1, 1])
  assert.deepEqual(result.trust, ['verified', 'verified'])
  assert.deepEqual(result.errors, [[], []])
})
