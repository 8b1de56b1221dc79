// Networks that are gone for a while, or give somebody another address: the page stays, and what is typed flows soon after.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Editor, executablePath, launch, launchAt, sameText } from './browser.mjs'
import { Place } from './place.mjs'
import { certificate } from './relay.mjs'
import { freshKeys } from './rooms.mjs'
import { Server } from './server.mjs'

const flags = ['--ignore-certificate-errors', '--disable-features=WebRtcHideLocalIpsWithMdns']
const away = 20_000 // ms
// A browser drops what it loads when the system has another interface, also one of a place, and that one's addresses come late.
const settling = 4_000 // ms
const isLong = process.env.PARLEY_LONG === '1'

let browser

before(async () => {
  process.env.PARLEY_RELAY_BITS_PER_ADDRESS = '0'
  browser = await launch(...flags)
}, { timeout: 300_000 })

after(() => browser?.close())

const breaks = [
  ['after 20 s in which all packets were lost', async (place) => (await place.lose(), await sleep(away), await place.find())],
  ['after the address changed', (place) => place.move()],
]
if (isLong) breaks.push(
  ['after 20 s without a cable', async (place) => (await place.unplug(), await sleep(away), await place.plug())],
  ['after the cable went into another network', async (place) => (await place.unplug(), await place.move(), await sleep(2_000), await place.plug())],
)

describe('the page stays, nothing is lost, and what is typed flows', () => {
  for (const [when, happens] of breaks) {
    test(when, { timeout: 120_000 }, async (t) => {
      const place = await Place.make()
      if (place === null) return t.skip('not in test/isolate.sh')
      t.after(() => place.close())
      await sleep(settling)
      const files = await certificate(`IP:${place.outer}`)
      t.after(() => files.remove())
      const server = await Server.start(files, place.outer)
      t.after(() => server.stop())
      const there = await launchAt(await place.program(executablePath), ...flags)
      t.after(() => there.close())
      const pairs = await Promise.all(
        [['directly', '', 'Editing directly with 1 peer'], ['through the relay', '&ice=relay', 'Editing with 1 peer through the relay']].map(async ([way, query, says]) => {
          const open = async (browser, name) => {
            const editor = await Editor.open(browser, server, { room: way.replaceAll(' ', '-'), name, query: query + keys })
            t.after(() => editor.close())
            return editor
          }
          const keys = freshKeys().write
          const [ada, bob] = await Promise.all([open(browser, 'Ada'), open(there, 'Bob')])
          await Promise.all([ada.connectedTo('Bob'), bob.connectedTo('Ada')])
          for (const editor of [ada, bob]) await editor.saying(says)
          await ada.typeAtEnd('Before. ')
          await sameText([ada, bob], (text) => assert.equal(text, 'Before. '), 5_000)
          await bob.page.evaluate(() => void (globalThis.same = true))
          return { way, ada, bob, says }
        }),
      )
      const over = happens(place).then(() => Date.now())
      for (const { ada, bob } of pairs) {
        await bob.typeAtEnd('Bob. ')
        await ada.typeAtEnd('Ada. ')
      }
      const began = await over
      const merged = pairs.map(async ({ way, ada, bob, says }) => {
        await sameText([ada, bob], (text) => assert.deepEqual(text.split(/(?<= )/).sort(), ['Ada. ', 'Before. ', 'Bob. ']), 30_000)
        t.diagnostic(`${way}: what was typed meanwhile is everywhere after ${Date.now() - began} ms`)
        await bob.typeAtEnd('After.')
        await sameText([ada, bob], (text) => assert.match(text, /After\.$/), 30_000)
        for (const editor of [ada, bob]) await editor.saying(says, 30_000)
        t.diagnostic(`${way}: back on its path after ${Date.now() - began} ms`)
        assert.equal(await bob.page.evaluate(() => globalThis.same), true)
      })
      await Promise.all(merged)
    })
  }
})
