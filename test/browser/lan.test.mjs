// Pages that came over plain http from another machine's address, where browsers give no means to use keys.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { after, before, test } from 'node:test'
import { Editor, launch, sameText } from './browser.mjs'
import { ip } from './place.mjs'
import { freshKeys, freshRoom } from './rooms.mjs'
import { Server } from './server.mjs'

const address = '192.0.2.1' // of the interface that test/isolate.sh makes

let isIsolated
let server
let browser

before(async () => {
  isIsolated = await ip('link show uplink').then(() => true, () => false)
  if (!isIsolated) return
  server = await Server.start(undefined, address)
  browser = await launch('--disable-features=WebRtcHideLocalIpsWithMdns')
}, { timeout: 300_000 })

after(async () => {
  await browser?.close()
  await server?.stop()
})

/** The same server at this machine's own address, which browsers trust. */
async function trusted(t) {
  const door = createServer((from) => {
    const to = connect(server.port, address)
    for (const [one, other] of [[from, to], [to, from]]) one.on('error', () => {}).on('close', () => other.destroy()).pipe(other)
  }).listen(0, '127.0.0.1')
  await once(door, 'listening')
  t.after(() => door.close())
  return { origin: `http://localhost:${door.address().port}` }
}

const has = (editor) => editor.page.evaluate(() => [isSecureContext, crypto.subtle, crypto.randomUUID, navigator.clipboard, navigator.locks].map(Boolean))

test('two pages from a LAN address write together, not verified', { timeout: 60_000 }, async (t) => {
  if (!isIsolated) return t.skip('not in test/isolate.sh')
  const { join } = freshRoom(t, browser, server)
  const query = freshKeys().write
  const [ada, bob] = await Promise.all([join('Ada', { query }), join('Bob', { query })])
  assert.deepEqual(await has(ada), Array(5).fill(false))
  await Promise.all([ada.connectedTo('Bob'), bob.connectedTo('Ada')])
  await ada.typeAtEnd('From Ada. ')
  await sameText([ada, bob], (text) => assert.equal(text, 'From Ada. '), 10_000)
  await bob.typeAtEnd('From Bob.')
  await sameText([ada, bob], (text) => assert.equal(text, 'From Ada. From Bob.'), 10_000)
  for (const editor of [ada, bob]) {
    await editor.saying('Editing directly with 1 peer')
    assert.deepEqual((await editor.people()).map(({ warning }) => warning), ['not verified'])
    editor.assertClean()
  }
})

test('a page from a LAN address and one that browsers trust keep apart until the latter lets the former in', { timeout: 60_000 }, async (t) => {
  if (!isIsolated) return t.skip('not in test/isolate.sh')
  const { room, join } = freshRoom(t, browser, server)
  const query = freshKeys().write
  const own = await trusted(t)
  const bob = await join('Bob', { query })
  const ada = await Editor.open(browser, own, { room, name: 'Ada', query })
  t.after(() => ada.close())
  assert.deepEqual(await has(ada), Array(5).fill(true))
  await ada.saying('1 peer cannot be verified. Let them in by the list of people, if you know who it is')
  await bob.saying('Not let in by 1 peer: this page came over plain http, and cannot be verified')
  await ada.typeAtEnd('Secret. ')
  assert.equal(await bob.text(), '')
  await ada.page.getByRole('button', { name: 'Let Bob in without verification' }).click()
  await Promise.all([ada.connectedTo('Bob'), bob.connectedTo('Ada')])
  await bob.typeAtEnd('From Bob.')
  await sameText([ada, bob], (text) => assert.deepEqual(text.split(/(?<=\.) ?/).filter(Boolean).sort(), ['From Bob.', 'Secret.']), 10_000)
  for (const editor of [ada, bob]) {
    await editor.saying('Editing directly with 1 peer')
    assert.deepEqual((await editor.people()).map(({ warning }) => warning), ['not verified'])
    editor.assertClean()
  }
})
