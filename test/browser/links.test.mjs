// The client as other people's pages get it, in real Chromium: from the server and from its npm package; over each kind
// of link alone, and through proxies that block some.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { buildPages } from '../../web/bundle.mjs'
import { launch, until } from './browser.mjs'
import { loadMiddlebox } from './middlebox.mjs'
import { Server } from './server.mjs'

const run = promisify(execFile)
const web = fileURLToPath(new URL('../../web', import.meta.url))

/** Ten lines, and where they get the client from. */
const page = (module) => `import { join } from '${module}'
const query = new URLSearchParams(location.search)
const links = query.get('links'), key = query.get('key')
const environment = query.get('without') === 'webrtc' ? { RTCPeerConnection: undefined } : {}
const text = new TextEncoder(), words = new TextDecoder()
const room = join({ server: location.origin, room: query.get('room'), channels: { text: {} }, environment, ...(key && { key }), ...(links && { links: links.split(' ') }) })
room.on('open', (peer, channel) => peer.send(channel, text.encode('hello')))
room.on('message', (peer, channel, data) => void (heard.push(words.decode(data)), senders.add(peer.id)))
room.on('link', (state) => vias.push(state.via ?? state.name))
room.on('error', (error) => errors.push(error.code + ': ' + error.message))
const [heard, vias, errors, senders] = [[], [], [], new Set()]
Object.assign(globalThis, { room, heard, vias, errors, senders })`

let folder
let server
let browser
let Middlebox
let boxes = []
let contexts = []
let rooms = 0

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'parley-links-page-'))
  const site = join(folder, 'site')
  await buildPages(site)
  await run('npm', ['pack', '--silent', '--pack-destination', folder], { cwd: join(web, 'client') })
  const tarball = (await readdir(folder)).find((name) => name.endsWith('.tgz'))
  await run('tar', ['xzf', join(folder, tarball), '-C', site]) // into package/
  for (const [name, module] of Object.entries({ served: '/sdk/v1/client.js', packed: '/package/dist/client.js' })) {
    await writeFile(join(site, `${name}.js`), page(module))
    await writeFile(join(site, `${name}.html`), `<!doctype html><title>${name}</title><link rel="icon" href="data:,"><script type="module" src="${name}.js"></script>`)
  }
  Middlebox = await loadMiddlebox()
  process.env.PARLEY_WEB_DIR = site
  server = await Server.start()
  browser = await launch()
})

after(async () => {
  await browser?.close()
  await server?.stop()
  await rm(folder, { recursive: true, force: true })
})

afterEach(async () => {
  await Promise.all(contexts.map((context) => context.close()))
  await Promise.all(boxes.map((box) => box.stop()))
  contexts = []
  boxes = []
})

async function context(origin) {
  const made = await browser.newContext()
  contexts.push(made)
  await made.grantPermissions(['camera', 'microphone'], { origin })
  return made
}

async function open(within, origin, room, { name = 'served', links = '', key = '', without = '' } = {}) {
  const page = await within.newPage()
  await page.goto(`${origin}/${name}.html?${new URLSearchParams({ room, links, key, without })}`)
  return page
}

const heard = (page) => page.evaluate(() => globalThis.heard ?? [])
const vias = (page) => page.evaluate(() => globalThis.vias ?? [])
const errors = (page) => page.evaluate(() => globalThis.errors ?? [])

/** Opens two pages, and returns them and how many milliseconds it took from the second one's navigation to what it said first. */
async function meet(origin, options = [{}, {}]) {
  const room = `links-${++rooms}`
  const first = await open(await context(origin), origin, room, options[0])
  await until(async () => assert.equal(await first.evaluate(() => globalThis.room?.link.name), 'open'), 20_000)
  const began = Date.now()
  const second = await open(await context(origin), origin, room, options[1])
  await until(async () => assert.deepEqual(await heard(first), ['hello']), 15_000)
  const took = Date.now() - began
  await until(async () => assert.deepEqual(await heard(second), ['hello']), 5000)
  return { first, second, took }
}

async function proxy(habits) {
  const box = await Middlebox.start(server.origin, habits)
  boxes.push(box)
  return box
}

test('ten lines with the client that the server has, and ten with its npm package, connect', { timeout: 60_000 }, async (t) => {
  const { first, second, took } = await meet(server.origin, [{ name: 'served' }, { name: 'packed' }])
  t.diagnostic(`${took} ms from the navigation to the first message`)
  for (const page of [first, second]) await until(async () => assert.equal((await vias(page)).at(-1), 'websocket'), 5000)
  const reply = await fetch(`${server.origin}/sdk/v1/client.js`, { headers: { Origin: 'https://elsewhere.example' } })
  assert.equal(reply.headers.get('Access-Control-Allow-Origin'), '*')
  assert.equal(reply.headers.get('X-TypeScript-Types'), './client.d.ts')
  assert.ok((await (await fetch(`${server.origin}/sdk/v1/client.d.ts`)).text()).includes('declare function join('))
})

test('the npm package does signaling in node', { timeout: 60_000 }, async (t) => {
  const room = `links-${++rooms}`
  const page = await open(await context(server.origin), server.origin, room)
  await until(async () => assert.equal(await page.evaluate(() => globalThis.room?.link.name), 'open'), 10_000)
  const client = await import(join(folder, 'site/package/dist/client.js'))
  const { webcrypto } = await import('node:crypto')
  const random = (bytes) => webcrypto.getRandomValues(bytes) // which node 18 does not have at hand
  const member = client.join({ server: server.origin, room, name: 'Node', channels: {}, environment: { random } })
  t.after(() => member.leave())
  await until(() => assert.deepEqual([member.link.name, member.peers.size], ['open', 1]), 10_000)
  await until(async () => assert.deepEqual(await page.evaluate(() => [...room.peers.values()].map(({ name }) => name)), ['Node']), 5000)
})

for (const name of ['served', 'packed']) {
  test(`what a key and the way through the server need is loaded when it is needed: ${name}`, { timeout: 60_000 }, async () => {
    const key = 'a'.repeat(22)
    const sides = [{ name, key }, { name, key, without: 'webrtc' }]
    const { first, second } = await meet(server.origin, sides)
    const path = await first.evaluate(() => [...room.peers.values()].map((peer) => [peer.trust, peer.path.kind]))
    assert.deepEqual(path, [['verified', 'server']])
    for (const page of [first, second]) assert.deepEqual(await errors(page), [])
    const loaded = (page) => page.evaluate(() => performance.getEntriesByType('resource').filter(({ name }) => /(relay|trust)[^/]*\.js$/.test(name)).length)
    for (const page of [first, second]) assert.equal(await loaded(page), 2)
    const alone = await open(await context(server.origin), server.origin, `links-${++rooms}`, { name })
    await until(async () => assert.equal(await alone.evaluate(() => globalThis.room?.link.name), 'open'), 10_000)
    assert.equal(await loaded(alone), 0, 'loaded without a key, and with nobody there')
  })
}

test('a part of the client that does not come is named, and works when it comes', { timeout: 60_000 }, async () => {
  const room = `links-${++rooms}`
  const key = 'a'.repeat(22)
  const within = await context(server.origin)
  let isBlocked = true
  await within.route(/\/trust-[^/]*\.js/, (route) => (isBlocked ? route.abort() : route.continue()))
  const first = await open(within, server.origin, room, { key })
  const second = await open(await context(server.origin), server.origin, room, { key })
  await until(async () => assert.match(String(await errors(first)), /^network: the part of the client for the room's key cannot be loaded: /), 15_000)
  assert.deepEqual([await heard(first), await heard(second)], [[], []], 'something was said without a signature')
  isBlocked = false
  for (const page of [first, second]) await until(async () => assert.deepEqual(await heard(page), ['hello']), 30_000)
  assert.deepEqual(await first.evaluate(() => [...room.peers.values()].map((peer) => peer.trust)), ['verified'])
  assert.equal((await errors(first)).length, 1)
})

for (const kind of ['websocket', 'events', 'long-poll', 'short-poll']) {
  test(`pages that use ${kind} alone connect`, { timeout: 60_000 }, async (t) => {
    const { first, second, took } = await meet(server.origin, [{ links: kind }, { links: kind }])
    t.diagnostic(`${took} ms from the navigation to the first message`)
    for (const page of [first, second]) assert.deepEqual((await vias(page)).filter((via) => via !== 'connecting'), [kind])
  })
}

for (const [what, habits, via] of [
  ['WebSockets that hang', { webSocket: 'hang' }, 'events'],
  ['refused WebSockets, and events that are held back', { webSocket: 403, events: 'hold' }, 'long-poll'],
  ['nothing but requests of 0.3 s', { webSocket: 'hang', answerWithin: 300 }, 'short-poll'],
]) {
  test(`pages behind a proxy with ${what} connect`, { timeout: 60_000 }, async (t) => {
    const { url } = await proxy(habits)
    const { first, second, took } = await meet(url)
    t.diagnostic(`${took} ms from the navigation to the first message`)
    for (const page of [first, second]) await until(async () => assert.equal((await vias(page)).at(-1), via), 20_000)
  })
}

test('what won is remembered for the next page, and what is better tried again after that', { timeout: 60_000 }, async () => {
  const box = await proxy({ webSocket: 404 })
  const browserOfOne = await context(box.url)
  const room = `links-${++rooms}`
  const page = await open(browserOfOne, box.url, room)
  await until(async () => assert.equal((await vias(page)).at(-1), 'events'), 10_000)
  const tries = box.harmed.length
  await page.reload()
  await until(async () => assert.equal((await vias(page)).at(-1), 'events'), 10_000)
  assert.equal(box.harmed.length, tries, 'a WebSocket was tried first')
  box.habits = {}
  await until(async () => assert.equal((await vias(page)).at(-1), 'websocket'), 10_000)
})

test('many tabs share the few connections of HTTP/1.1', { timeout: 60_000 }, async () => {
  const box = await proxy({ webSocket: 403 })
  const browserOfOne = await context(box.url)
  const room = `links-${++rooms}`
  const pages = []
  for (let i = 0; i < 7; i++) pages.push(await open(browserOfOne, box.url, room))
  // Whose channel opens a second time, as polls take long beside other work, greets again.
  for (const page of pages) await until(async () => assert.equal(await page.evaluate(() => globalThis.senders?.size), 6), 20_000)
  await until(async () => {
    const via = (await Promise.all(pages.map(vias))).map((list) => list.at(-1)).sort()
    assert.deepEqual(via, [...Array(3).fill('events'), ...Array(4).fill('short-poll')])
  }, 20_000)
  // Those that hold no request open are served all the same, and a tab that is closed gives its place to another.
  const streaming = []
  for (const page of pages) if ((await vias(page)).at(-1) === 'events') streaming.push(page)
  await streaming[0].close()
  pages.splice(pages.indexOf(streaming[0]), 1)
  await until(async () => {
    const via = (await Promise.all(pages.map(vias))).map((list) => list.at(-1))
    assert.equal(via.filter((kind) => kind === 'events').length, 3)
  }, 25_000)
})
