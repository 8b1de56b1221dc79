// The client alone, in real Chromium: negotiation, channels, and what survives when something breaks.
import assert from 'node:assert/strict'
import { after, afterEach, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { launch, until } from './browser.mjs'
import { browser, openPage, server } from './client-stage.mjs'

let other // another browser, whose processes can be stopped without stopping the first one
let pages = []
let rooms = 0

before(async () => {
  other = await launch()
})

after(() => other?.close())

afterEach(async () => {
  await Promise.all(pages.map((page) => page.context().close()))
  pages = []
})

/** Opens the page in a context of its own. */
async function open(within = browser) {
  const page = await openPage({ within })
  pages.push(page)
  return page
}

const newRoom = () => `client-${++rooms}`

/** Joins a room in the page, as `me` there. */
function join(page, room, options = {}) {
  return page.evaluate(([room, options]) => void (globalThis.me = parley.member(room, options)), [room, options])
}

const peersOf = (page) => page.evaluate(() => [...me.room.peers.values()].map(({ id, state }) => ({ id, state })))
const logOf = (page) => page.evaluate(() => me.log)

/** Waits until the page is connected to so many. */
function connected(page, count = 1, within = 15_000) {
  return until(async () => assert.deepEqual((await peersOf(page)).map(({ state }) => state), Array(count).fill('connected')), within)
}

test('connections negotiated with delays, and restarted by both sides at once, end in order', { timeout: 120_000 }, async () => {
  const page = await open()
  const result = await page.evaluate(async () => {
    const setup = { RTCPeerConnection, configuration: {}, channels: { text: {} }, maxMessage: 1e6, clock: parley.environment().clock, isPrompt: () => false }
    const faults = []
    /** Two ends of a connection, between which messages take their time, and stay in order. */
    const pair = () => {
      const ends = []
      const arrived = []
      const queues = [Promise.resolve(), Promise.resolve()]
      for (const side of [0, 1]) {
        ends[side] = new parley.Connection(setup, [1, 1], side === 0, {
          send: (note) => {
            const copy = structuredClone(note)
            queues[side] = queues[side].then(() => parley.sleep(Math.random() * 40)).then(() => ends[1 - side]?.receive(copy))
          },
          changed() {},
          open() {},
          message: (channel, data) => arrived.push(parley.text(data)),
          dropped: (why) => faults.push(why),
          differ: (...names) => faults.push(JSON.stringify(names)),
          doubted() {},
          measured() {},
          routed() {},
          fault: (cause) => faults.push(String(cause)),
        })
      }
      return { ends, arrived }
    }
    const pairs = Array.from({ length: 20 }, pair)
    const all = (what, condition) => parley.until(what, () => pairs.every(condition), 30_000)
    await all('connections', ({ ends }) => ends.every((end) => end.health === 'connected'))
    for (let round = 0; round < 3; round++) {
      for (const { ends } of pairs) {
        for (const end of ends) setTimeout(() => end.restart(), Math.random() * 30)
      }
      await parley.sleep(100 + Math.random() * 200)
    }
    for (const { ends } of pairs) {
      ends[0].send('text', parley.bytes('there'))
      ends[1].send('text', parley.bytes('back'))
    }
    await all('messages', ({ arrived }) => arrived.length === 2)
    await all('health', ({ ends }) => ends.every((end) => end.health === 'connected'))
    for (const { ends } of pairs) for (const end of ends) end.close()
    return faults
  })
  assert.deepEqual(result, [])
})

test('ten who join at once are all connected, by one connection for each pair', { timeout: 60_000 }, async () => {
  const page = await open()
  const counts = await page.evaluate(async (room) => {
    const members = []
    for (let i = 0; i < 10; i++) {
      members.push(parley.member(room, { name: `peer ${i}` }))
      await parley.sleep(Math.random() * 50)
    }
    await parley.until('the mesh', () => parley.meshed(...members), 40_000)
    const counts = members.map(({ connections }) => connections.length)
    for (const { room } of members) room.leave()
    return counts
  }, newRoom())
  assert.deepEqual(counts, Array(10).fill(9))
})

test('messages of any size arrive as they were and in order, with at most 1 MiB in the browser', { timeout: 120_000 }, async () => {
  const page = await open()
  const result = await page.evaluate(async (room) => {
    const [a, b] = [parley.member(room), parley.member(room)]
    await parley.until('the mesh', () => parley.meshed(a, b))
    const sizes = [0, 1, 16383, 16384, 16385, 1_000_000, 10_000_000, 5]
    for (let i = 0; i < 30; i++) sizes.push(Math.floor(Math.random() * 100_000))
    let most = 0
    const watch = setInterval(() => (most = Math.max(most, ...[...a.channels, ...b.channels].map((channel) => channel.bufferedAmount))), 1)
    for (const [from, to] of [[a, b], [b, a]]) {
      const [peer] = from.room.peers.values()
      for (const size of sizes) await parley.until('room', () => peer.send('text', parley.pattern(size)))
      await parley.until('all messages', () => to.messages.length === sizes.length, 60_000)
    }
    clearInterval(watch)
    const wrong = [a, b].flatMap(({ messages }) => sizes.filter((size, i) => !parley.same(messages[i].data, parley.pattern(size))))
    const rest = [...a.room.peers.values()][0].buffered
    for (const { room } of [a, b]) room.leave()
    return { wrong, most, rest }
  }, newRoom())
  assert.deepEqual(result.wrong, [])
  assert.equal(result.rest, 0)
  assert.ok(result.most > 256 * 1024, `the queue was never used: ${result.most}`)
  assert.ok(result.most <= 1024 * 1024 + 16 * 1024, `${result.most} bytes were buffered`)
})

test('a queue that is full refuses, and what it took arrives', { timeout: 60_000 }, async () => {
  const page = await open()
  const result = await page.evaluate(async (room) => {
    const [a, b] = [parley.member(room), parley.member(room)]
    await parley.until('the mesh', () => parley.meshed(a, b))
    const [peer] = a.room.peers.values()
    const message = parley.pattern(1_000_000)
    let taken = 0
    while (taken < 100 && peer.send('text', message)) taken++
    const { buffered } = peer
    message.fill(0) // it is the caller's again
    await parley.until('all messages', () => b.messages.length === taken, 40_000)
    const intact = b.messages.every(({ data }) => parley.same(data, parley.pattern(1_000_000)))
    const thrown = ['no such channel', 'text'].map((channel) => {
      try {
        return peer.send(channel, new Uint8Array(65 * 1024 * 1024))
      } catch (error) {
        return String(error)
      }
    })
    return { taken, buffered, intact, thrown }
  }, newRoom())
  assert.ok(result.taken >= 16 && result.taken <= 18, `took ${result.taken}`)
  assert.ok(result.buffered <= 18 * 1024 * 1024, `${result.buffered} buffered`)
  assert.equal(result.intact, true)
  assert.match(result.thrown[0], /^TypeError: .*without a channel “no such channel”/)
  assert.match(result.thrown[1], /^RangeError: a message of 68157440 bytes is over the limit of 67108864/)
})

test('of a flood on a channel for the latest only, the last arrives', { timeout: 60_000 }, async () => {
  const page = await open()
  const result = await page.evaluate(async (room) => {
    const channels = { caret: { ordered: false, maxRetransmits: 0, latestOnly: true } }
    const [a, b] = [parley.member(room, { channels }), parley.member(room, { channels })]
    await parley.until('the mesh', () => parley.meshed(a, b))
    const [peer] = a.room.peers.values()
    for (let i = 0; i < 5000; i++) {
      peer.send('caret', parley.bytes(String(i)))
      if (i % 500 === 0) await parley.sleep(1)
    }
    await parley.until('the last', () => b.messages.some(({ data }) => parley.text(data) === '4999'))
    return b.messages.length
  }, newRoom())
  assert.ok(result >= 1 && result < 2500, `${result} arrived`)
})

test('malformed pieces from a peer are dropped, and the channel goes on', { timeout: 60_000 }, async () => {
  const page = await open()
  const result = await page.evaluate(async (room) => {
    const [a, b] = [parley.member(room), parley.member(room)]
    await parley.until('the mesh', () => parley.meshed(a, b))
    const channel = a.channels.find(({ label }) => label === 'text')
    const pulse = a.channels.find(({ label }) => label === '')
    for (const raw of ['text, not bytes', new Uint8Array(0), new Uint8Array([9, 9]), new Uint8Array([1, 0, 0]), parley.pattern(15_000)]) {
      channel.send(raw)
      pulse.send(raw)
    }
    const endless = new Uint8Array(14)
    endless.set([1, 0, 0, 0, 1, 0, 0, 0, 0, 255, 255, 255, 255, 1])
    channel.send(endless)
    const [peer] = a.room.peers.values()
    peer.send('text', parley.bytes('still here'))
    await parley.until('the message', () => b.messages.length > 0)
    const errors = b.log.filter((line) => line.startsWith('error')).map((line) => line.replace(/peer \S+/, 'peer'))
    return { messages: b.messages.map(({ data }) => parley.text(data)), errors, dropped: [...b.room.peers.values()].map(({ dropped }) => dropped) }
  }, newRoom())
  assert.deepEqual(result, { messages: ['still here'], errors: ['error malformed: peer sent a malformed message: it was dropped'], dropped: [6] })
})

test('a connection that one side lost is made anew', { timeout: 60_000 }, async () => {
  const page = await open()
  const logs = await page.evaluate(async (room) => {
    const members = [parley.member(room), parley.member(room)]
    await parley.until('the mesh', () => parley.meshed(...members))
    for (const [round, { connections }] of members.entries()) {
      connections.at(-1).close()
      await parley.until('the loss to be seen', () => !parley.meshed(...members))
      await parley.until('the mesh again', () => parley.meshed(...members))
      members[round].room.broadcast('text', parley.bytes('again'))
      await parley.until('the message', () => members[1 - round].messages.length === 1)
    }
    return members.map(({ log }) => log.filter((line) => /left|joined|error/.test(line)).length)
  }, newRoom())
  assert.deepEqual(logs, [1, 1], 'each met the other once, and nobody left')
})

test('a server killed and started again touches no connection', { timeout: 60_000 }, async () => {
  const [a, b] = await Promise.all([open(), open()])
  const room = newRoom()
  await Promise.all([join(a, room), join(b, room)])
  await Promise.all([connected(a), connected(b)])
  const before = await a.evaluate(() => me.room.self)
  await server.end('SIGKILL')
  for (const page of [a, b]) await until(async () => assert.notEqual(await page.evaluate(() => me.room.link.name), 'open'), 5000)
  await a.evaluate(() => me.room.broadcast('text', parley.bytes('without a server')))
  await until(async () => assert.equal(await b.evaluate(() => me.messages.length), 1), 2000)
  await sleep(1500)
  await server.start()
  for (const page of [a, b]) await until(async () => assert.ok((await page.evaluate(() => me.room.self.epoch)) > before.epoch), 15_000)
  await until(async () => assert.equal(await a.evaluate(() => me.room.link.name), 'open'), 5000)
  await sleep(1000)
  const self = await a.evaluate(() => me.room.self)
  assert.equal(self.id, before.id)
  for (const page of [a, b]) {
    assert.equal(await page.evaluate(() => me.connections.length), 1)
    assert.deepEqual((await logOf(page)).filter((line) => /left|error|reconnecting/.test(line)), [])
    assert.equal((await peersOf(page))[0].state, 'connected')
  }
  // Under its new epochs the connection can still be restarted, and a third can join.
  await a.evaluate(() => me.connections[0].restartIce())
  const c = await open()
  await join(c, room)
  await Promise.all([a, b, c].map((page) => connected(page, 2)))
})

test('a server that is killed again and again while people join leaves no pair stuck', { timeout: 120_000 }, async () => {
  const page = await open()
  const meeting = page.evaluate(async (room) => {
    globalThis.members = []
    for (let i = 0; i < 7; i++) {
      members.push(parley.member(room))
      await parley.sleep(Math.random() * 500)
    }
    await parley.until('the killing to end', () => globalThis.ended === true, 60_000)
    await parley.until('the mesh', () => parley.meshed(...members), 40_000)
    for (const [i, { room }] of members.entries()) room.broadcast('text', new Uint8Array([i]))
    await parley.until('all messages', () => members.every(({ messages }) => messages.length === 6))
    return members.flatMap(({ log }) => log.filter((line) => line.startsWith('error')))
  }, newRoom())
  for (let i = 0; i < 4; i++) {
    await sleep(Math.random() * 1000)
    await server.end('SIGKILL')
    await server.start()
  }
  await page.evaluate(() => void (globalThis.ended = true))
  assert.deepEqual(await meeting, [])
})

test('a peer that stops for twenty seconds is back within three, on the same connection', { timeout: 120_000 }, async (t) => {
  const [a, b] = await Promise.all([open(), open(other)])
  const room = newRoom()
  await Promise.all([join(a, room), join(b, room)])
  await Promise.all([connected(a), connected(b)])
  const processes = await renderersOf(other)
  for (const pid of processes) process.kill(pid, 'SIGSTOP')
  try {
    const noticed = await until(async () => assert.equal((await peersOf(a))[0]?.state, 'reconnecting'), 10_000)
    t.diagnostic(`noticed after ${noticed} ms`)
    await a.evaluate(() => me.room.broadcast('text', parley.bytes('sent meanwhile')))
    await sleep(20_000 - noticed)
  } finally {
    for (const pid of processes) process.kill(pid, 'SIGCONT')
  }
  const [took] = await Promise.all([connected(a, 1, 10_000), connected(b, 1, 10_000)])
  await until(async () => assert.equal(await b.evaluate(() => me.messages.length), 1), 5000)
  t.diagnostic(`back after ${took} ms`)
  assert.ok(took < 3000, `took ${took} ms`)
  assert.equal(await a.evaluate(() => me.connections.length), 1)
  assert.deepEqual((await logOf(a)).filter((line) => /left/.test(line)), [])
})

test('without a server, a closed page is gone at once, and a crashed one within eight seconds', { timeout: 120_000 }, async (t) => {
  const [a, b, c] = await Promise.all([open(), open(other), open()])
  const room = newRoom()
  await Promise.all([a, b, c].map((page) => join(page, room)))
  await Promise.all([a, b, c].map((page) => connected(page, 2)))
  await server.end('SIGKILL')
  try {
    await until(async () => assert.notEqual(await a.evaluate(() => me.room.link.name), 'open'), 5000)
    await c.close()
    const closed = await until(async () => assert.equal((await peersOf(a)).length, 1), 12_000)
    t.diagnostic(`a closed page is gone after ${closed} ms`)
    assert.ok(closed < 2000, `took ${closed} ms`)
    for (const pid of await renderersOf(other)) process.kill(pid, 'SIGKILL')
    const crashed = await until(async () => assert.equal((await peersOf(a)).length, 0), 12_000)
    t.diagnostic(`a crashed page is gone after ${crashed} ms`)
    assert.ok(crashed < 9000, `took ${crashed} ms`)
    assert.deepEqual((await logOf(a)).filter((line) => line.startsWith('left')).map((line) => line.split(' ')[2]), ['unreachable', 'unreachable'])
  } finally {
    await server.start()
  }
})

test('a reload keeps the id and nobody else gets it; a second tab has another', { timeout: 60_000 }, async () => {
  const [a, b] = await Promise.all([open(), open()])
  const room = newRoom()
  await Promise.all([join(a, room), joinInTab(b, room)])
  await Promise.all([connected(a), connected(b)])
  const id = await b.evaluate(() => me.room.self.id)

  const popup = b.waitForEvent('popup')
  await b.evaluate(() => void window.open(location.href))
  const tab = await popup
  await tab.waitForLoadState()
  await joinInTab(tab, room)
  await connected(a, 2)
  assert.notEqual(await tab.evaluate(() => me.room.self.id), id)

  await b.reload()
  await joinInTab(b, room)
  await Promise.all([connected(a, 2), connected(b, 2)])
  assert.equal(await b.evaluate(() => me.room.self.id), id)
  assert.ok((await logOf(a)).includes(`left ${id} replaced`))
})

test('fresh ICE servers are fetched in time, and given to connections that live', { timeout: 60_000 }, async () => {
  const page = await open()
  const requests = []
  page.on('request', (request) => requests.push(new URL(request.url()).pathname))
  const [before, now] = await page.evaluate(async (room) => {
    // Hours pass in three seconds.
    const real = parley.environment().clock
    const clock = { now: real.now, after: (delay, call) => real.after(delay > 3_600_000 ? 3000 : delay, call) }
    const [a, b] = [parley.member(room, { environment: { clock } }), parley.member(room)]
    await parley.until('the mesh', () => parley.meshed(a, b))
    const credentials = () => JSON.stringify(a.connections[0].getConfiguration().iceServers.map(({ username }) => username))
    const before = credentials()
    await parley.until('others', () => credentials() !== before)
    return [before, credentials()]
  }, newRoom())
  assert.notEqual(now, before)
  assert.ok(requests.some((path) => path.endsWith('/ice')))
})

test('a peer that the server lost is kept while its connection lives, and is the same when it returns', { timeout: 60_000 }, async () => {
  const [a, b] = await Promise.all([open(), open()])
  const room = newRoom()
  await join(a, room)
  await b.evaluate((room) => {
    const barred = () => globalThis.barred === true
    class Socket extends WebSocket {
      constructor(url, protocols) {
        if (barred()) throw new Error('no way to the server')
        super(url, protocols)
      }
    }
    const request = (...args) => (barred() ? Promise.reject(new TypeError('no way to the server')) : fetch(...args))
    globalThis.me = parley.member(room, { environment: { WebSocket: Socket, fetch: request } })
  }, room)
  await Promise.all([connected(a), connected(b)])
  await b.evaluate(() => void (globalThis.barred = true))
  await server.end('SIGKILL')
  await server.start()
  const presence = () => a.evaluate(() => [...me.room.peers.values()].map(({ presence }) => presence))
  await until(async () => assert.deepEqual(await presence(), ['away']), 15_000)
  assert.deepEqual((await peersOf(a)).map(({ state }) => state), ['connected'])
  await b.evaluate(() => me.room.broadcast('text', parley.bytes('beside the server')))
  await until(async () => assert.equal(await a.evaluate(() => me.messages.length), 1), 2000)

  await b.evaluate(() => void (globalThis.barred = false))
  await until(async () => assert.deepEqual(await presence(), ['here']), 20_000)
  for (const page of [a, b]) {
    assert.equal(await page.evaluate(() => me.connections.length), 1)
    assert.deepEqual((await logOf(page)).filter((line) => /left|error/.test(line)), [])
  }

  await b.evaluate(() => me.room.leave())
  await until(async () => assert.deepEqual(await peersOf(a), []), 2000)
  assert.match((await logOf(a)).at(-1), /^left .* leave$/)
  assert.equal(await a.evaluate(() => me.connections[0].connectionState), 'closed')
})

/** Joins with the tab's own storage. */
function joinInTab(page, room) {
  return page.evaluate((room) => void (globalThis.me = parley.member(room, { storage: sessionStorage })), room)
}

/** The process ids of a browser's pages. */
async function renderersOf(browser) {
  const session = await browser.newBrowserCDPSession()
  const { processInfo } = await session.send('SystemInfo.getProcessInfo')
  await session.detach()
  return processInfo.filter(({ type }) => type === 'renderer').map(({ id }) => id)
}
