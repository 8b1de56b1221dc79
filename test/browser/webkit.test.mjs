// The editor in WebKitGTK, which has no WebRTC: what is written there goes through the server.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { freshKeys, freshRoom } from './rooms.mjs'
import { browser, server } from './stage.mjs'
import { WebKit } from './webkit.mjs'
import { sameText, until, Writer } from './writer.mjs'

let webkit

before(async () => {
  webkit = await WebKit.launch()
}, { timeout: 120_000 })

after(() => webkit?.close())

/** Keeps what a page and the server say to each other. */
function overhear(page) {
  const said = []
  page.on('websocket', (socket) => {
    for (const event of ['framesent', 'framereceived']) socket.on(event, ({ payload }) => said.push(String(payload)))
  })
  page.on('request', (request) => said.push(request.postData() ?? ''))
  page.on('response', (response) => response.text().then((text) => said.push(text), () => {}))
  return said
}

/** The pieces of messages in what was said, as the server could read them. */
function piecesIn(said) {
  const pieces = said.flatMap((text) => [...text.matchAll(/"kind":"relayed"[^}]*"data":"([\w-]+)"/g)])
  return pieces.map(([, data]) => Buffer.from(data, 'base64url').toString('latin1'))
}

for (const [how, key, isSealed, warning] of [
  ['sealed by the key of the link', freshKeys().write, true, ''],
  ['as it is where the link has no key', '', false, 'not verified'],
]) {
  test(`without WebRTC one writes with Chromium through the server, ${how}, and both say so`, { timeout: 120_000 }, async (t) => {
    const { room, join } = freshRoom(t, browser, server)
    let wire
    const ada = await join('Ada', { query: key, listen: (page) => (wire = overhear(page)) })
    await webkit.goto(`${server.origin}/?room=${room}&name=Bob${key}`)
    const bob = new Writer(webkit)
    assert.equal(await webkit.evaluate(() => typeof RTCPeerConnection), 'undefined')
    await Promise.all([ada.connectedTo('Bob'), bob.connectedTo('Ada')])

    await bob.typeAtEnd('Bob has no WebRTC. ')
    await sameText([ada, bob], (text) => assert.equal(text, 'Bob has no WebRTC. '), 10_000)
    await ada.goToEnd()
    await ada.paste('Ada has. ')
    const took = await sameText([ada, bob], (text) => assert.equal(text, 'Bob has no WebRTC. Ada has. '), 10_000)
    t.diagnostic(`equal ${took} ms after it was pasted`)
    await until(async () => assert.deepEqual([await ada.carets(), await bob.carets()], [['Bob'], ['Ada']]), 10_000)
    for (const writer of [ada, bob]) {
      await writer.saying('Editing with 1 peer through the server')
      const [person] = await writer.people()
      assert.equal(person.path, 'server')
      assert.match(person.way, /^through the server( · \d+ ms)?$/)
      assert.equal(person.warning, warning)
    }

    await webkit.reload()
    await Promise.all([ada.connectedTo('Bob'), bob.connectedTo('Ada')])
    await sameText([ada, bob], (text) => assert.equal(text, 'Bob has no WebRTC. Ada has. '), 10_000)
    await bob.typeAtEnd('Bob is back.')
    await sameText([ada, bob], (text) => assert.equal(text, 'Bob has no WebRTC. Ada has. Bob is back.'), 10_000)
    const pieces = piecesIn(wire)
    assert.ok(pieces.length > 10, `${pieces.length} pieces`)
    assert.equal(pieces.some((piece) => piece.includes('Ada has. ')), !isSealed)
    ada.assertClean()
  })
}
