// The editor in Firefox, with others in Firefox and in Chromium.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { launch } from './browser.mjs'
import { Firefox } from './firefox.mjs'
import { Place } from './place.mjs'
import { certificate } from './relay.mjs'
import { freshKeys, freshRoom } from './rooms.mjs'
import { Server } from './server.mjs'
import { sameText, until, Writer } from './writer.mjs'

const away = 8_000 // ms

let place
let files
let server
let firefox
let chromium

before(async () => {
  place = await Place.make()
  files = await certificate(`IP:127.0.0.1${place === null ? '' : `,IP:${place.outer}`}`)
  server = await Server.start(files, place?.outer)
  firefox = await Firefox.launch(place)
  chromium = await launch('--ignore-certificate-errors', '--disable-features=WebRtcHideLocalIpsWithMdns')
}, { timeout: 300_000 })

after(async () => {
  await chromium?.close()
  await firefox?.close()
  await server?.stop()
  await files?.remove()
  await place?.close()
})

/** Opens the editor for Ada and Bob in Firefox, and for Cyd in Chromium. */
async function meet(t) {
  const keys = freshKeys().write
  const { room, join } = freshRoom(t, chromium, server)
  const inFirefox = async (name) => {
    const page = await firefox.newPage()
    t.after(() => page.close())
    await page.goto(`${server.origin}/?room=${room}&name=${name}${keys}`)
    return new Writer(page)
  }
  const [ada, bob, cyd] = [await inFirefox('Ada'), await inFirefox('Bob'), await join('Cyd', { query: keys })]
  const everybody = [ada, bob, cyd]
  const all = (check) => Promise.all(everybody.map((writer, i) => check(writer, ['Ada', 'Bob', 'Cyd'].filter((_, j) => j !== i))))
  await all((writer, others) => writer.connectedTo(...others))
  return { ada, bob, cyd, everybody, all }
}

const same = (everybody, text, within = 10_000) => sameText(everybody, (shown) => assert.equal(shown, text), within)

test('people in Firefox and Chromium write together, see carets, and are who they were after a reload', { timeout: 120_000 }, async (t) => {
  const { ada, bob, cyd, everybody, all } = await meet(t)
  let text = ''
  for (const [writer, words] of [[ada, 'Ada in Firefox. '], [bob, 'Bob in Firefox. '], [cyd, 'Cyd in Chromium. '], [ada, 'Ada again. ']]) {
    await writer.page.bringToFront()
    await writer.typeAtEnd(words)
    text += words
    t.diagnostic(`${words}everywhere ${await same(everybody, text)} ms after the last key`)
  }
  // Of the two pages in Firefox the one in front has a caret, and sometimes the other one, too.
  for (const [writer, others] of [[ada, ['Cyd']], [bob, ['Ada', 'Cyd']], [cyd, ['Ada']]]) {
    await until(async () => assert.deepEqual((await writer.carets()).filter((name) => others.includes(name)).sort(), others), 10_000)
  }
  await all((writer) => writer.saying('Editing directly with 2 peers'))
  for (const { path, warning } of (await Promise.all(everybody.map((writer) => writer.people()))).flat()) {
    assert.deepEqual([path, warning], ['direct', ''])
  }

  const idOfBob = () => cyd.look(() => [...document.querySelectorAll('#people li[data-peer]')].find((item) => item.textContent.includes('Bob')).dataset.peer)
  const before = await idOfBob()
  await bob.page.reload()
  await all((writer, others) => writer.connectedTo(...others))
  assert.equal(await idOfBob(), before)
  await same(everybody, text)
  await bob.typeAtEnd('Bob is back.')
  await same(everybody, `${text}Bob is back.`)
  cyd.assertClean()
})

test('what is written while Firefox has no network is everywhere once it has one', { timeout: 120_000 }, async (t) => {
  if (place === null) return t.skip('not in test/isolate.sh')
  const { ada, cyd, everybody, all } = await meet(t)
  await ada.typeAtEnd('Before. ')
  await same(everybody, 'Before. ')
  await place.unplug()
  await ada.typeAtEnd('Ada. ')
  await cyd.typeAtEnd('Cyd. ')
  await sleep(away)
  await cyd.saying(/^Connecting to 2 peers…$/)
  await place.plug()
  const took = await sameText(everybody, (text) => assert.deepEqual(text.split(/(?<= )/).sort(), ['Ada. ', 'Before. ', 'Cyd. ']), 30_000)
  t.diagnostic(`everywhere ${took} ms after the network was back`)
  await all((writer, others) => writer.connectedTo(...others))
  await all((writer) => writer.saying('Editing directly with 2 peers', 30_000))
})
