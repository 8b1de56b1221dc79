// The server goes away and comes back while people edit: open channels do not need it.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Editor, launch, sameText, until } from './browser.mjs'
import { binary, Server } from './server.mjs'

/** For how long the server is gone, in seconds. */
const gone = Number(process.env.PARLEY_OUTAGE ?? 20)

let browser

before(async () => {
  browser = await launch()
  await binary()
}, { timeout: 300_000 })

after(() => browser?.close())

async function begin(t, room) {
  const server = await Server.start()
  t.after(() => server.stop())
  const join = async (name) => {
    const editor = await Editor.open(browser, server, { room, name })
    t.after(() => editor.close())
    return editor
  }
  const editors = await Promise.all([join('Ada'), join('Bob')])
  await editors[0].connectedTo('Bob')
  await editors[1].connectedTo('Ada')
  await editors[0].typeAtEnd('Before. ')
  await sameText(editors, (text) => assert.equal(text, 'Before. '), 1_000)
  return { server, join, editors }
}

const says = (editor, words, within) => until(async () => assert.match(await editor.status.textContent(), words), within)

test('a server killed and started again interrupts nobody', { timeout: 120_000 }, async (t) => {
  const { server, join, editors } = await begin(t, 'outage')
  const [ada, bob] = editors

  await server.end('SIGKILL')
  await Promise.all(editors.map((editor) => says(editor, /^Signaling is reconnecting – edits still flow to 1 peer$/, 5_000)))
  await ada.typeAtEnd('Meanwhile. ')
  const took = await sameText(editors, (text) => assert.equal(text, 'Before. Meanwhile. '), 1_000)
  t.diagnostic(`without a server, equal ${took} ms after the last key`)
  for (const editor of editors) assert.equal((await editor.people())[0].state, 'connected')

  await server.start()
  const rejoined = await Promise.all(editors.map((editor) => says(editor, /^Editing directly with 1 peer$/, 30_000)))
  t.diagnostic(`rejoined after ${rejoined.join(' and ')} ms`)
  await bob.typeAtEnd('After. ')
  await sameText(editors, (text) => assert.equal(text, 'Before. Meanwhile. After. '), 1_000)

  const cyd = await join('Cyd')
  await Promise.all([ada.connectedTo('Bob', 'Cyd'), bob.connectedTo('Ada', 'Cyd'), cyd.connectedTo('Ada', 'Bob')])
  await sameText([...editors, cyd], (text) => assert.equal(text, 'Before. Meanwhile. After. '), 2_000)
  await cyd.typeAtEnd('And Cyd.')
  await sameText([...editors, cyd], (text) => assert.equal(text, 'Before. Meanwhile. After. And Cyd.'), 1_000)

  for (const editor of editors) editor.assertClean({ serverWasGone: true })
  cyd.assertClean()
})

test(`a server that is gone for ${gone} s interrupts nobody, and somebody else can join after it`, { timeout: 120_000 + gone * 1000 }, async (t) => {
  const { server, join, editors } = await begin(t, 'gone')
  const [ada, bob] = editors
  for (const { page } of editors) {
    await page.evaluate(() => {
      globalThis.seen = new Set() // states of the other one
      const look = () => document.querySelectorAll('#people li[data-peer]').forEach(({ dataset }) => seen.add(dataset.state))
      new MutationObserver(look).observe(document.querySelector('#people'), { subtree: true, attributes: true, childList: true })
    })
  }
  await server.end('SIGKILL')
  let text = 'Before. '
  let slowest = 0
  const end = Date.now() + gone * 1000
  for (let i = 1; Date.now() < end; i++) {
    const words = `${i}. `
    await editors[i % 2].typeAtEnd(words)
    text += words
    slowest = Math.max(slowest, await sameText(editors, (shown) => assert.equal(shown, text), 5_000))
    await sleep(2_000)
  }
  t.diagnostic(`without a server, equal at most ${slowest} ms after the last key`)
  await Promise.all(editors.map((editor) => says(editor, /^Signaling is reconnecting – edits still flow to 1 peer$/, 1_000)))
  for (const { page } of editors) assert.deepEqual((await page.evaluate(() => [...seen])).filter((state) => state !== 'connected'), [])

  await server.start()
  const cyd = await join('Cyd')
  const everybody = [ada, bob, cyd]
  const took = await sameText(everybody, (shown) => assert.equal(shown, text), 60_000)
  t.diagnostic(`somebody else has the text ${took} ms after the page was open`)
  await Promise.all([ada.connectedTo('Bob', 'Cyd'), bob.connectedTo('Ada', 'Cyd'), cyd.connectedTo('Ada', 'Bob')])
  await cyd.typeAtEnd('And Cyd.')
  await sameText(everybody, (shown) => assert.equal(shown, `${text}And Cyd.`), 5_000)
  for (const { page } of editors) assert.deepEqual((await page.evaluate(() => [...seen])).filter((state) => state === 'reconnecting'), [])
  for (const editor of editors) editor.assertClean({ serverWasGone: true })
})

test('a server told to stop ends in time, in the midst of an edit', { timeout: 120_000 }, async (t) => {
  const { server, editors } = await begin(t, 'drain')
  const [ada, bob] = editors

  const sentence = 'Nobody notices that the server is going while this is written. '
  const typing = ada.typeAtEnd(sentence, 20)
  const { code, signal, took } = await server.end('SIGTERM')
  t.diagnostic(`ended after ${took} ms`)
  assert.deepEqual({ code, signal }, { code: 0, signal: null }, server.log)
  assert.ok(took < 10_000, `it took ${took} ms`)
  await typing
  await sameText(editors, (text) => assert.equal(text, `Before. ${sentence}`), 1_000)
  await Promise.all(editors.map((editor) => says(editor, /^Signaling is reconnecting – edits still flow to 1 peer$/, 5_000)))

  await server.start()
  await Promise.all(editors.map((editor) => says(editor, /^Editing directly with 1 peer$/, 30_000)))
  await bob.typeAtEnd('After.')
  await sameText(editors, (text) => assert.equal(text, `Before. ${sentence}After.`), 1_000)
  for (const editor of editors) editor.assertClean({ serverWasGone: true })
})
