// Pages that are reloaded in haste, or put aside by the browser and taken up again.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Editor, sameText, until } from './browser.mjs'
import { browser, server } from './stage.mjs'

async function pair(t, room) {
  const editors = await Promise.all(['Ada', 'Bob'].map((name) => Editor.open(browser, server, { room, name })))
  for (const editor of editors) t.after(() => editor.close())
  await editors[0].connectedTo('Bob')
  await editors[1].connectedTo('Ada')
  return editors
}

for (const answered of [false, true]) {
  test(`a page reloaded while it joins, ${answered ? 'its join answered unheard' : 'before its join was sent'}, is the same peer, once`, { timeout: 60_000 }, async (t) => {
    const [ada, bob] = await pair(t, `haste-${answered}`)
    const id = await ada.others.getAttribute('data-peer')
    let joins = 0
    await bob.page.route('**/sessions', async (route) => {
      if (++joins > 1) return route.continue()
      if (answered) await route.fetch().catch(() => {}) // and nobody is told
    })
    await bob.page.reload()
    await until(async () => assert.equal(joins, 1), 5_000)
    await sleep(200)
    await bob.page.reload()
    await bob.connectedTo('Ada')
    await ada.connectedTo('Bob')
    assert.equal(await ada.others.getAttribute('data-peer'), id)
  })
}

test('a page that the browser put aside for longer than it is waited for comes back as the same peer', { timeout: 60_000 }, async (t) => {
  const [ada, bob] = await pair(t, 'aside')
  const id = await ada.others.getAttribute('data-peer')
  const turn = (kind) => bob.page.evaluate((kind) => void dispatchEvent(new PageTransitionEvent(kind, { persisted: true })), kind)
  for (const aside of [4_000, 0]) {
    await turn('pagehide')
    if (aside > 0) await until(async () => assert.deepEqual(await ada.people(), []), 2_000)
    await sleep(aside)
    await turn('pageshow')
    await sleep(200)
    await ada.connectedTo('Bob')
    await bob.connectedTo('Ada')
  }
  assert.equal(await ada.others.getAttribute('data-peer'), id)
  await bob.typeAtEnd('Back again')
  await sameText([ada, bob], (text) => assert.equal(text, 'Back again'), 2_000)
  ada.assertClean()
})
