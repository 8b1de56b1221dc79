// People edit at different nodes, and a node is killed under them.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Editor, launch, sameText, until } from './browser.mjs'
import { Cluster } from './cluster.mjs'

let browser
let cluster

before(async () => {
  browser = await launch()
  cluster = await Cluster.start('balance leastconn') // so that links are spread
}, { timeout: 300_000 })

after(async () => {
  await browser?.close()
  await cluster?.stop()
})

/** Notes in the page every state of the others, and how few there were. */
function watch() {
  globalThis.seen = new Set()
  globalThis.fewest = Infinity
  const look = () => {
    const others = document.querySelectorAll('#people li[data-peer]')
    fewest = Math.min(fewest, others.length)
    for (const { dataset } of others) seen.add(dataset.state)
  }
  look()
  new MutationObserver(look).observe(document.querySelector('#people'), { subtree: true, attributes: true, childList: true })
}

test('a node that is killed while two at different nodes type interrupts nobody', { timeout: 90_000 }, async (t) => {
  const join = async (name) => {
    const editor = await Editor.open(browser, cluster, { room: 'cluster', name })
    t.after(() => editor.close())
    return editor
  }
  const ada = await join('Ada')
  await until(async () => assert.deepEqual((await cluster.links()).sort(), [0, 0, 1]), 15_000)
  const adas = cluster.nodes[(await cluster.links()).indexOf(1)]
  const bob = await join('Bob')
  const editors = [ada, bob]
  await Promise.all([ada.connectedTo('Bob'), bob.connectedTo('Ada')])
  await until(async () => assert.deepEqual((await cluster.links()).sort(), [0, 1, 1]), 15_000)
  await ada.paste('Ada: \nBob: ')
  await sameText(editors, (text) => assert.equal(text, 'Ada: \nBob: '), 2_000)
  for (const { page } of editors) await page.evaluate(watch)

  await ada.page.keyboard.press('ArrowUp')
  await bob.goToEnd()
  const sentences = ['Nobody notices that a node is going while this is written.', 'There are two more nodes, and what is written is on none of them.']
  const typing = Promise.all(editors.map(({ page }, i) => page.keyboard.type(sentences[i], { delay: 25 })))
  await until(async () => assert.ok((await ada.text()).length > 30), 10_000)
  await cluster.kill(adas)
  const linked = until(async () => assert.equal((await cluster.links()).reduce((sum, count) => sum + count), 2), 15_000)
  await typing
  const took = await sameText(editors, (text) => assert.equal(text, `Ada: ${sentences[0]}\nBob: ${sentences[1]}`), 5_000)
  t.diagnostic(`equal ${took} ms after the last key`)

  t.diagnostic(`both have a link ${await linked} ms after a node was killed`)
  await Promise.all(editors.map((editor) => editor.saying('Editing directly with 1 peer', 15_000)))
  for (const { page } of editors) {
    assert.deepEqual(await page.evaluate(() => [...seen]), ['connected'])
    assert.equal(await page.evaluate(() => fewest), 1)
  }

  // Offers and answers pass between the nodes that are left.
  const cyd = await join('Cyd')
  await Promise.all([ada.connectedTo('Bob', 'Cyd'), bob.connectedTo('Ada', 'Cyd'), cyd.connectedTo('Ada', 'Bob')])
  await cyd.typeAtEnd(' And Cyd.')
  await sameText([...editors, cyd], (text) => assert.equal(text, `Ada: ${sentences[0]}\nBob: ${sentences[1]} And Cyd.`), 5_000)
  for (const editor of editors) editor.assertClean({ serverWasGone: true })
  cyd.assertClean()
})
