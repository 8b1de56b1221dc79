// Real pages that write, lose connections and are reloaded, as chance will have it: in the end all have one text.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { sameText } from './browser.mjs'
import { freshKeys, freshRoom } from './rooms.mjs'
import { browser, server } from './stage.mjs'

const isLong = process.env.PARLEY_LONG === '1'
const seeds = Array.from({ length: isLong ? 20 : 1 }, (_, i) => i + 1)
const names = [...'ABCDEFGHIJ'].slice(0, isLong ? 10 : 5)
const steps = isLong ? 60 : 30

/** Numbers from 0 to below 1 that are the same for the same seed. */
function chances(seed) {
  let state = (seed * 2_654_435_761) >>> 0 || 1
  return () => {
    state ^= state << 13 // an xorshift generator
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) / 2 ** 32
  }
}

/** Runs in the page: puts its connections at hand. */
function keepConnections() {
  globalThis.connections = []
  globalThis.RTCPeerConnection = class extends RTCPeerConnection {
    constructor(configuration) {
      super(configuration)
      connections.push(this)
    }
  }
}

for (const seed of seeds) {
  test(`${names.length} pages that write, are cut off and reloaded have one text in the end, seed ${seed}`, { timeout: 180_000 }, async (t) => {
    const chance = chances(seed)
    const pick = (list) => list[Math.floor(chance() * list.length)]
    const { joinAll } = freshRoom(t, browser, server)
    const editors = await joinAll(names, { query: freshKeys().write, prepare: keepConnections })
    const typed = []
    for (let step = 0; step < steps; step++) {
      const editor = pick(editors)
      const what = chance()
      if (what < 0.1) {
        await editor.page.evaluate((which) => connections.filter(({ signalingState }) => signalingState !== 'closed').at(which)?.close(), -1 - Math.floor(chance() * 3))
      } else if (what < 0.15) {
        await sleep(700) // so that it is saved, or with the others
        await editor.page.reload()
      } else if (what < 0.25) {
        await editor.goToEnd()
        await editor.page.keyboard.press('Backspace')
      } else {
        const words = `${names[editors.indexOf(editor)]}${step} `
        typed.push(words)
        if (chance() < 0.5) await editor.typeAtEnd(words, 0)
        else {
          await editor.page.keyboard.press('Control+Home')
          await editor.page.keyboard.type(words)
        }
      }
      await sleep(chance() * 60)
    }
    const took = await sameText(editors, (text) => assert.ok(text.length > steps), 90_000)
    await Promise.all(editors.map((editor, i) => editor.connectedTo(...names.filter((_, j) => j !== i))))
    const text = await editors[0].text()
    const kept = typed.filter((words) => text.includes(words)).length
    t.diagnostic(`${took} ms after the last step, with ${kept} of ${typed.length} words as they were typed`)
    assert.ok(kept > typed.length / 2, text)
    await sameText(editors, (shown) => assert.equal(shown, text), 5_000)
    for (const editor of editors) editor.assertClean()
  })
}
