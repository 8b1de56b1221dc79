// How long it takes from opening a link to the text that somebody else wrote, on each kind of network.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { launch, until } from './browser.mjs'
import { loadMiddlebox } from './middlebox.mjs'
import { certificate } from './relay.mjs'
import { freshKeys, freshRoom } from './rooms.mjs'
import { Server } from './server.mjs'

/** How often each is measured. */
const times = Number(process.env.PARLEY_TIMES ?? 1)

/** What is aimed at holds on a machine that has nothing else to do; on a busy one so many times as much has to do. */
const indulgence = 6

let browser
let files
let servers
let Middlebox

before(async () => {
  process.env.PARLEY_RELAY_BITS_PER_ADDRESS = '0'
  files = await certificate()
  servers = { http: await Server.start(), https: await Server.start(files) }
  Middlebox = await loadMiddlebox()
  browser = await launch('--ignore-certificate-errors')
}, { timeout: 300_000 })

after(async () => {
  await browser?.close()
  await servers?.http.stop()
  await servers?.https.stop()
  await files?.remove()
})

/** Runs in the page: tells when the text is there, in milliseconds since the page was asked for. */
function watchText() {
  globalThis.firstText = null
  const look = () => {
    if (firstText === null && document.querySelector('.cm-content')?.textContent.includes('Written before.')) firstText = performance.now()
  }
  new MutationObserver(look).observe(document, { subtree: true, childList: true, characterData: true })
}

/** Runs in the page: leaves of all relays those over TLS. */
function relayOverTLS() {
  const known = (configuration) => ({
    ...configuration,
    iceServers: configuration.iceServers.map((server) => ({ ...server, urls: [server.urls].flat().filter((url) => url.startsWith('turns:')) })).filter(({ urls }) => urls.length > 0),
  })
  globalThis.RTCPeerConnection = class extends RTCPeerConnection {
    constructor(configuration) {
      super(known(configuration))
    }
    setConfiguration(configuration) {
      super.setConfiguration(known(configuration))
    }
  }
}

for (const [network, aim, { secure = false, habits, only }] of [
  ['all is open', 1000, {}],
  ['WebSockets hang', 2000, { habits: { webSocket: 'hang' } }],
  ['only requests of 0.3 s are let through', 4000, { habits: { webSocket: 'hang', answerWithin: 300 } }],
  ['there is a path by TURN over TLS only', 2500, { secure: true, only: relayOverTLS }],
]) {
  test(`where ${network} the text is there soon after the link was opened`, { timeout: 60_000 + times * 20_000 }, async (t) => {
    let server = secure ? servers.https : servers.http
    if (habits !== undefined) {
      const box = await Middlebox.start(server.origin, habits)
      t.after(() => box.stop())
      server = { origin: box.url }
    }
    const { join } = freshRoom(t, browser, server)
    const query = `${only === undefined ? '' : '&ice=relay'}${freshKeys().write}`
    const prepare = `${watchText}; watchText(); ${only === undefined ? '' : `(${only})()`}`
    const ada = await join('Ada', { query, prepare })
    await ada.typeAtEnd('Written before.')
    await ada.saying(/^Connected to the signaling server/)
    const took = []
    for (let i = 0; i < times; i++) {
      const bob = await join('Bob', { query, prepare })
      await until(async () => assert.notEqual(await bob.page.evaluate(() => firstText), null), aim * indulgence)
      if (only !== undefined) await until(async () => assert.match((await bob.people())[0]?.way ?? '', /^relay over TLS · /), 10_000)
      took.push(Math.round(await bob.page.evaluate(() => firstText)))
      await bob.close()
      await until(async () => assert.deepEqual(await ada.people(), []), 15_000)
    }
    took.sort((a, b) => a - b)
    t.diagnostic(`${took[Math.floor(took.length / 2)]} ms (aim: ${aim}; ${took.join(', ')})`)
  })
}
