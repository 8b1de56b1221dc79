// The relay behind the one port of the service: HTTP, TURN over TCP, HTTPS and TURN over TLS, as Chromium finds it.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Editor, launch, sameText, until } from './browser.mjs'
import { meet } from './pair.mjs'
import { certificate } from './relay.mjs'
import { Server } from './server.mjs'

let browser
let files
let servers

before(async () => {
  process.env.PARLEY_LOG_FORMAT = 'json' // the tests read it
  process.env.PARLEY_RELAY_BITS_PER_ADDRESS = '0'
  files = await certificate()
  servers = { http: await Server.start(), https: await Server.start(files) }
  browser = await launch('--ignore-certificate-errors')
}, { timeout: 300_000 })

after(async () => {
  await browser?.close()
  await servers?.http.stop()
  await servers?.https.stop()
  await files?.remove()
})

/** A page of the service in a browser context of its own, and the one relay that it takes of those announced to it. */
async function open(t, server, wanted) {
  const context = await browser.newContext()
  t.after(() => context.close())
  const page = await context.newPage()
  await page.goto(server.origin)
  const turn = await page.evaluate(async () => {
    const body = JSON.stringify({ attempt: crypto.randomUUID(), instance: 'page' })
    const response = await fetch('/v1/rooms/raw/sessions', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body })
    const joined = await response.json()
    return joined.iceServers.find(({ username }) => username !== undefined)
  })
  const urls = turn.urls.filter((url) => wanted.test(url))
  assert.equal(urls.length, 1, `announced are ${turn.urls}`)
  assert.equal(new URL(urls[0].replace(/^turns?:/, 'http://')).port, new URL(server.origin).port)
  return { page, turn: { ...turn, urls: urls[0] } }
}

const tcp = /^turn:.*transport=tcp$/
const tls = /^turns:.*transport=tcp$/

for (const [title, scheme, left, right] of [
  ['over TCP, beside HTTP', 'http', tcp, tcp],
  ['over TLS, beside HTTPS', 'https', tls, tls],
  ['one over TCP and one over TLS', 'https', tcp, tls],
]) {
  test(`two pages meet through the one port, ${title}`, { timeout: 120_000 }, async (t) => {
    const server = servers[scheme]
    await meet(server, await open(t, server, left), await open(t, server, right))
  })
}

for (const [scheme, transport, wanted] of [
  ['http', 'tcp', tcp],
  ['https', 'tls', tls],
]) {
  test(`people edit through nothing but the one port, ${scheme} and turn over ${transport}`, { timeout: 120_000 }, async (t) => {
    const server = servers[scheme]
    const join = async (name) => {
      const editor = await Editor.open(browser, server, { room: `text-${scheme}`, name, query: '&ice=relay', prepare: takeOnly(wanted) })
      t.after(() => editor.close())
      return editor
    }
    const editors = await Promise.all([join('Ada'), join('Bob')])
    await editors[0].connectedTo('Bob')
    await editors[1].connectedTo('Ada')
    await editors[0].typeAtEnd('All of it by one port.')
    await sameText(editors, (text) => assert.equal(text, 'All of it by one port.'), 5_000)
    for (const editor of editors) {
      await until(async () => assert.deepEqual(await editor.page.evaluate(pathsOfConnections), [`relay ${transport}`]), 5_000)
      await until(async () => assert.equal(await editor.status.textContent(), 'Editing with 1 peer through the relay'), 5_000)
      editor.assertClean()
    }
  })
}

/** What the editor's page runs first: its connections are kept, and know those of the announced relays that match. */
function takeOnly(wanted) {
  return `{
    globalThis.connections = []
    const known = (configuration) => ({
      ...configuration,
      iceServers: configuration.iceServers.map((server) => ({ ...server, urls: [server.urls].flat().filter((url) => ${wanted}.test(url)) })).filter(({ urls }) => urls.length > 0),
    })
    globalThis.RTCPeerConnection = class extends RTCPeerConnection {
      constructor(configuration) {
        super(known(configuration))
        connections.push(this)
      }
      setConfiguration(configuration) {
        super.setConfiguration(known(configuration))
      }
    }
  }`
}

/** Runs in the page: how its connections reach their relay. */
async function pathsOfConnections() {
  const live = connections.filter(({ connectionState }) => connectionState === 'connected')
  return Promise.all(
    live.map(async (connection) => {
      const stats = await connection.getStats()
      const { selectedCandidatePairId } = [...stats.values()].find(({ type }) => type === 'transport')
      const local = stats.get(stats.get(selectedCandidatePairId).localCandidateId)
      return `${local.candidateType} ${local.relayProtocol}`
    }),
  )
}
