// What is written stays: alone, over reloads, in several tabs; and where nothing can be kept, the page says so.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sameText, until } from './browser.mjs'
import { freshKeys, freshRoom } from './rooms.mjs'
import { Server } from './server.mjs'
import { browser, server } from './stage.mjs'

const keeps = (editor, words, within = 10_000) => until(async () => assert.match(await editor.page.locator('#kept').textContent(), words), within)

for (const [how, query] of [['with keys', () => freshKeys().write], ['by an old link', () => '']]) {
  test(`what two people wrote alone, and closed, is one text when they meet, ${how}`, { timeout: 60_000 }, async (t) => {
    const options = { query: query() }
    const { join } = freshRoom(t, browser, server)
    const ada = await join('Ada', options)
    await ada.typeAtEnd('Ada alone. ')
    await keeps(ada, /^Saved here$/)
    const address = ada.page.url()
    await ada.page.close()

    const bob = await join('Bob', options)
    await bob.typeAtEnd('Bob alone. ')
    await bob.page.keyboard.press('Enter')
    await keeps(bob, /^Saved here$/)
    await bob.page.reload()
    await until(async () => assert.equal(await bob.text(), 'Bob alone. \n'), 10_000)

    const again = await ada.tab(address)
    await until(async () => assert.match(await again.text(), /Ada alone\. /), 10_000)
    await again.connectedTo('Bob')
    await sameText([again, bob], (text) => assert.match(text, /Ada alone\. /) ?? assert.match(text, /Bob alone\. \n/), 5_000)
    await keeps(again, /^In sync with 1 · saved here$/)
    for (const editor of [bob, again]) editor.assertClean()
  })
}

test('edits go on while the server is gone, and outlive the page', { timeout: 90_000 }, async (t) => {
  const own = await Server.start()
  t.after(() => own.stop())
  const { joinAll } = freshRoom(t, browser, own)
  const [ada, bob] = await joinAll(['Ada', 'Bob'], { query: freshKeys().write })
  await ada.typeAtEnd('Before. ')
  await sameText([ada, bob], (text) => assert.equal(text, 'Before. '), 5_000)
  await own.end('SIGKILL')
  const address = ada.page.url()
  await bob.page.close()
  await ada.context.setOffline(true)
  await until(async () => assert.match(await ada.status.textContent(), /^Offline\. Changes are kept here/), 10_000)
  await ada.typeAtEnd('Offline. ')
  await keeps(ada, /^Saved here$/)
  await ada.page.close()
  await own.start()
  await ada.context.setOffline(false)
  const back = await ada.tab(address)
  await until(async () => assert.equal(await back.text(), 'Before. Offline. '), 10_000)
  const bobAgain = await bob.tab(address)
  await sameText([back, bobAgain], (text) => assert.equal(text, 'Before. Offline. '), 15_000)
})

test('two tabs of one browser are two people, and one text', { timeout: 60_000 }, async (t) => {
  const { join } = freshRoom(t, browser, server)
  const first = await join('Ada', { query: freshKeys().write })
  await first.typeAtEnd('From the first. ')
  const second = await first.tab()
  await Promise.all([first.connectedTo('Ada'), second.connectedTo('Ada')])
  await second.typeAtEnd('From the second. ')
  await sameText([first, second], (text) => assert.equal(text, 'From the first. From the second. '), 5_000)
  const ids = await Promise.all([first, second].map((tab) => tab.others.getAttribute('data-peer')))
  assert.notEqual(ids[0], ids[1])
  await Promise.all([first, second].map((tab) => keeps(tab, /saved here$/)))
  await second.page.reload()
  await Promise.all([first.connectedTo('Ada'), second.connectedTo('Ada')])
  assert.equal(await first.others.getAttribute('data-peer'), ids[0], 'a reload made another peer of the second tab')
  await second.page.close()
  await first.page.reload()
  await until(async () => assert.equal(await first.text(), 'From the first. From the second. '), 10_000)
  for (const tab of [first, second]) tab.assertClean()
})

for (const [what, prepare, why] of [
  ['has no databases', () => Object.defineProperty(globalThis, 'indexedDB', { value: undefined }), /lets pages keep nothing/],
  ['forbids databases', () => (IDBFactory.prototype.open = () => { throw new DOMException('denied', 'SecurityError') }), /lets pages keep nothing/],
  ['never opens a database', () => (IDBFactory.prototype.open = () => ({})), /lets pages keep nothing/],
]) {
  test(`a browser that ${what} says so, and editing goes on`, { timeout: 60_000 }, async (t) => {
    const { joinAll } = freshRoom(t, browser, server)
    const [ada, bob] = await joinAll(['Ada', 'Bob'], { query: freshKeys().write, prepare })
    await ada.typeAtEnd('Still works. ')
    await sameText([ada, bob], (text) => assert.equal(text, 'Still works. '), 5_000)
    await keeps(ada, /^In sync with 1 · not saved here$/)
    assert.match(await ada.page.locator('#kept-note').textContent(), why)
    ada.assertClean()
  })
}

test('a disk that is full is told, and editing goes on', { timeout: 60_000 }, async (t) => {
  const { joinAll } = freshRoom(t, browser, server)
  const [ada, bob] = await joinAll(['Ada', 'Bob'], { prepare: fillDisk })
  await keeps(ada, /saved here$/)
  await ada.page.evaluate(() => (globalThis.diskIsFull = true))
  await ada.typeAtEnd('No room for this.')
  await keeps(ada, /not saved here$/)
  assert.match(await ada.page.locator('#kept-note').textContent(), /no room left/)
  await ada.typeAtEnd(' The end.')
  await sameText([ada, bob], (text) => assert.equal(text, 'No room for this. The end.'), 5_000)
  ada.assertClean()
})

/** Runs in the page: once the disk is full, whatever is written is taken at first, and given up with its transaction. */
function fillDisk() {
  const { add } = IDBObjectStore.prototype
  IDBObjectStore.prototype.add = function (...values) {
    const request = add.apply(this, values)
    if (globalThis.diskIsFull) this.transaction.abort()
    return request
  }
}
