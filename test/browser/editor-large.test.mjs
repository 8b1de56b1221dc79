// A text of ten megabytes, signed, reaches somebody who comes late, in small portions.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { until } from './browser.mjs'
import { freshKeys, freshRoom } from './rooms.mjs'
import { browser, server } from './stage.mjs'

/** Runs in the page: notes the most that ever waited in a channel of the browser. */
function watchBuffers() {
  const { send } = RTCDataChannel.prototype
  globalThis.mostBuffered = 0
  RTCDataChannel.prototype.send = function (data) {
    send.call(this, data)
    globalThis.mostBuffered = Math.max(globalThis.mostBuffered, this.bufferedAmount)
  }
}

test('a text of 10 MB is there for whoever comes late', { timeout: 120_000 }, async (t) => {
  const { join } = freshRoom(t, browser, server)
  const keys = freshKeys()
  const ada = await join('Ada', { query: keys.write, prepare: watchBuffers })
  await ada.paste('What is written once is read by everybody.\n'.repeat(250_000))
  await until(async () => assert.match(await ada.page.locator('#size').textContent(), /10,750,000 characters$/), 30_000)
  const eve = await join('Eve', { query: keys.read })
  const took = await until(async () => assert.match(await eve.page.locator('#size').textContent(), /10,750,000 characters$/), 60_000)
  t.diagnostic(`all there ${took} ms after the page had loaded`)
  const most = await ada.page.evaluate(() => globalThis.mostBuffered)
  t.diagnostic(`at most ${most} bytes waited in the browser`)
  assert.ok(most > 100_000 && most <= 1 << 20, `${most} bytes`)
  await ada.typeAtEnd('The end.')
  await eve.content.focus()
  await eve.page.keyboard.press('Control+End')
  await until(async () => assert.match(await eve.text(), /The end\.$/), 10_000)
  for (const editor of [ada, eve]) await until(async () => assert.match(await editor.page.locator('#kept').textContent(), /^In sync with 1 · saved here$/), 20_000)
  for (const editor of [ada, eve]) editor.assertClean()
})
