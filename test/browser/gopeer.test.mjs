// Go programs in rooms with real Chromium: client/peers and web/client speak the same.
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { Editor, launch, until } from './browser.mjs'
import { clientPage } from './client-page.mjs'
import { Server } from './server.mjs'

const repository = fileURLToPath(new URL('../..', import.meta.url))

let folder // of the programs
let page // the folder of the page with the client alone
let browser
let servers = []

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'parley-gopeers-'))
  await promisify(execFile)('go', ['build', '-o', folder, './examples/...'], { cwd: repository })
  page = await clientPage()
  browser = await launch()
}, { timeout: 300_000 })

after(async () => {
  await browser?.close()
  await Promise.all(servers.map((server) => server.stop()))
  await Promise.all([folder, page].map((path) => rm(path, { recursive: true, force: true })))
})

/** Starts the server, with the editor or the given folder as its page. */
async function serve(webDir) {
  if (webDir === undefined) delete process.env.PARLEY_WEB_DIR
  else process.env.PARLEY_WEB_DIR = webDir
  const server = await Server.start()
  servers.push(server)
  return server
}

/** Runs a program in a room until the test ends; what it writes is in `output`. */
function run(t, name, server, room, ...more) {
  const program = spawn(join(folder, name), ['-server', server.origin, '-room', room, '-loopback', ...more])
  const started = { output: '', end: async (signal) => (program.kill(signal), program.exitCode ?? program.signalCode ?? once(program, 'exit')) }
  for (const stream of [program.stdout, program.stderr]) stream.on('data', (bytes) => (started.output += bytes))
  t.after(() => started.end('SIGKILL'))
  return started
}

test('a page and a Go program send each other messages of all sizes', { timeout: 120_000 }, async (t) => {
  const server = await serve(page)
  const context = await browser.newContext()
  t.after(() => context.close())
  await context.grantPermissions(['camera', 'microphone'], { origin: server.origin })
  const tab = await context.newPage()
  tab.setDefaultTimeout(60_000)
  await tab.goto(server.origin)
  await tab.evaluate(() => void (globalThis.me = parley.member('gophers')))
  const echo = run(t, 'echo', server, 'gophers')
  await tab.evaluate(() => parley.until('the program is connected', () => me.log.includes('open text'), 30_000))

  const sizes = [0, 1, 16_383, 16_384, 16_385, 1_048_576, 10_000_000]
  const wrong = await tab.evaluate(async (sizes) => {
    const [peer] = me.room.peers.values()
    const wrong = []
    for (const size of sizes) {
      const sent = parley.pattern(size)
      const count = me.messages.length
      await parley.until(`${size} bytes are taken`, () => peer.send('text', sent))
      await parley.until(`${size} bytes came back`, () => me.messages.length > count, 30_000)
      if (!parley.same(me.messages.at(-1).data, sent)) wrong.push(size)
    }
    return { wrong, name: peer.name, path: peer.path, errors: me.log.filter((line) => line.startsWith('error')) }
  }, sizes)
  assert.deepEqual(wrong.wrong, [])
  assert.deepEqual(wrong.errors, [])
  assert.equal(wrong.name, 'Echo')
  assert.equal(wrong.path?.kind, 'direct')

  // The page restarts ICE, and the same connection goes on.
  const over = await tab.evaluate(async () => {
    const [peer] = me.room.peers.values()
    const count = me.messages.length
    for (let i = 0; i < 5; i++) {
      for (const pc of me.connections) pc.restartIce()
      peer.send('text', parley.bytes(`after restart ${i}`))
      await parley.until('the restart is over', () => me.messages.length > count + i && me.connections.every((pc) => pc.connectionState === 'connected'))
    }
    return { texts: me.messages.slice(count).map(({ data }) => parley.text(data)), connections: me.connections.length }
  })
  assert.deepEqual(over, { texts: [0, 1, 2, 3, 4].map((i) => `after restart ${i}`), connections: 1 })

  await echo.end('SIGTERM')
  await tab.evaluate(() => parley.until('the program has left', () => me.log.some((line) => /^left .* leave$/.test(line))))
})

test('a page and a Go program with one key verify each other, and refuse who has another or none', { timeout: 120_000 }, async (t) => {
  const server = await serve(page)
  const context = await browser.newContext()
  t.after(() => context.close())
  const tab = await context.newPage()
  tab.setDefaultTimeout(60_000)
  await tab.goto(server.origin)
  const key = 'AAECAwQFBgcICQoLDA0ODw'
  await tab.evaluate((key) => void (globalThis.me = parley.member('keyed', { key })), key)
  const stranger = run(t, 'echo', server, 'keyed', '-key', 'DwAECAwQFBgcICQoLDA0OA')
  const keyless = run(t, 'echo', server, 'keyed')
  await tab.evaluate(() => parley.until('two are refused', () => [...me.room.peers.values()].map(({ trust }) => trust).sort().join() === 'refused,unsigned', 30_000))
  const refused = await tab.evaluate(() => me.log.filter((line) => line.startsWith('error')).sort())
  assert.equal(refused.length, 2)
  assert.match(refused[0], /^error key_differs: .* does not have this room's key|has another key/)
  for (const one of [stranger, keyless]) await one.end('SIGTERM')
  await tab.evaluate(() => parley.until('they are gone', () => me.room.peers.size === 0, 30_000))

  run(t, 'echo', server, 'keyed', '-key', key)
  await tab.evaluate(() => parley.until('the program is connected', () => me.log.includes('open text'), 30_000))
  const result = await tab.evaluate(async () => {
    const [peer] = me.room.peers.values()
    for (const pc of me.connections) pc.restartIce() // another offer, with the next serial
    peer.send('text', parley.bytes('signed'))
    await parley.until('the echo', () => me.messages.length === 1 && me.connections.every((pc) => pc.connectionState === 'connected'), 30_000)
    return { text: parley.text(me.messages[0].data), trust: peer.trust, dropped: peer.dropped, path: peer.path?.kind, errors: me.log.filter((line) => line.startsWith('error')).sort() }
  })
  assert.deepEqual(result, { text: 'signed', trust: 'verified', dropped: 0, path: 'direct', errors: refused })
})

for (const [says, key] of [['sealed', 'AAECAwQFBgcICQoLDA0ODw'], ['in clear', undefined]]) {
  test(`a page without WebRTC and a Go program talk through the server, ${says}`, { timeout: 60_000 }, async (t) => {
    const server = await serve(page)
    const context = await browser.newContext()
    t.after(() => context.close())
    const tab = await context.newPage()
    await tab.goto(server.origin)
    await tab.evaluate((key) => {
      delete globalThis.RTCPeerConnection
      globalThis.me = parley.member('detour', key && { key })
    }, key)
    run(t, 'echo', server, 'detour', ...(key ? ['-key', key] : []))
    await tab.evaluate(() => parley.until('there is a way', () => me.log.includes('open text'), 30_000))
    const result = await tab.evaluate(async () => {
      const [peer] = me.room.peers.values()
      const sent = [0, 1, 16_383, 16_384, 40_000].map((size) => parley.pattern(size))
      for (const message of sent) peer.send('text', message)
      await parley.until('all came back', () => me.messages.length === sent.length, 30_000)
      const same = me.messages.every(({ data }, i) => parley.same(data, sent[i]))
      return { same, trust: peer.trust, dropped: peer.dropped, path: peer.path.kind, errors: me.log.filter((line) => line.startsWith('error')) }
    })
    assert.deepEqual(result, { same: true, trust: key ? 'verified' : 'unverified', dropped: 0, path: 'server', errors: [] })
  })
}

test('a page whose WebRTC finds no path and a Go program talk through the server, and move to a path without loss', { timeout: 90_000 }, async (t) => {
  const server = await serve(page)
  const context = await browser.newContext()
  t.after(() => context.close())
  const tab = await context.newPage()
  await tab.goto(server.origin)
  const key = 'AAECAwQFBgcICQoLDA0ODw'
  const echo = run(t, 'echo', server, 'walled', '-key', key)
  await until(async () => assert.match(echo.output, /^joined/m), 10_000)
  await tab.evaluate((key) => {
    globalThis.walled = true
    globalThis.RTCPeerConnection = class extends RTCPeerConnection {
      constructor(configuration) {
        super({ ...configuration, ...(walled && { iceServers: [], iceTransportPolicy: 'relay' }) })
      }
    }
    globalThis.me = parley.member('walled', { key })
  }, key)
  await tab.evaluate(() => parley.until('there is a way', () => me.log.includes('open text'), 30_000))
  const result = await tab.evaluate(async () => {
    const [peer] = me.room.peers.values()
    const kinds = [peer.path.kind]
    let sent = 0
    const say = async () => {
      peer.send('text', parley.bytes(String(sent++)))
      await parley.sleep(5)
    }
    for (let i = 0; i < 20; i++) await say()
    walled = false
    for (const pc of me.connections) {
      if (pc.connectionState === 'closed') continue
      pc.setConfiguration({ ...pc.getConfiguration(), iceTransportPolicy: 'all' })
      pc.restartIce()
    }
    for (const end = Date.now() + 40_000; peer.path.kind === 'server' && Date.now() < end; ) await say()
    for (let i = 0; i < 20; i++) await say()
    await parley.until('all came back', () => me.messages.length === sent, 30_000)
    kinds.push(peer.path.kind)
    const inOrder = me.messages.every(({ data }, i) => parley.text(data) === String(i))
    return { kinds, inOrder, trust: peer.trust, dropped: peer.dropped, opened: me.log.filter((line) => line.startsWith('open')), errors: me.log.filter((line) => line.startsWith('error')) }
  })
  assert.deepEqual(result, { kinds: ['server', 'direct'], inOrder: true, trust: 'verified', dropped: 0, opened: ['open text'], errors: [] })
  assert.doesNotMatch(echo.output, /lost/)
})

test('a Go program is among the people of an editor’s room, and is told of the text', { timeout: 60_000 }, async (t) => {
  const server = await serve()
  const ada = await Editor.open(browser, server, { room: 'garden', name: 'Ada' })
  t.after(() => ada.close())
  const guest = run(t, 'guest', server, 'garden', '-name', 'Gopher')
  await ada.connectedTo('Gopher')
  const says = (what) => until(async () => assert.match(guest.output, what), 15_000)
  await says(/^Ada is here$/m)
  await says(/^Ada answers: \d+ bytes/m)
  await ada.typeAtEnd('hello')
  await says(/^Ada has changed the text: \d+ bytes/m)
  const [person] = await ada.people()
  assert.match(person.way, /^direct/)
  await guest.end('SIGTERM')
  await until(async () => assert.deepEqual(await ada.people(), []), 10_000)
  ada.assertClean()
})
