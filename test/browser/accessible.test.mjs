// What axe-core finds on the pages in all their states, and what users of keyboards and screen readers meet: nothing that
// chatters, no focus that is lost, and dialogs that hold it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { faults } from './axe.mjs'
import { Editor, sameText, until } from './browser.mjs'
import { freshKeys, freshRoom } from './rooms.mjs'
import { browser, server } from './stage.mjs'

const phone = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true }
const sample = '# A title\n\n> quoted, a `word`, a [link](x), ~~gone~~\n\n- [ ] to do\n\n```js\nconst a = "b" // c\n```\n'

test('axe-core finds nothing: alone, with others, following, with the wrong key', { timeout: 90_000 }, async (t) => {
  const { join } = freshRoom(t, browser, server)
  const keys = freshKeys()
  const ada = await join('Ada', { query: keys.write, reducedMotion: 'reduce' })
  await until(async () => assert.ok(await ada.page.locator('#lonely').isVisible()), 15_000)
  assert.deepEqual(await faults(ada.page), [])

  const eve = await join('Eve', { query: keys.read, reducedMotion: 'reduce', ...phone })
  await ada.connectedTo('Eve')
  await ada.paste(sample)
  await sameText([eve], (text) => assert.match(text, /const a/), 10_000)
  await ada.page.locator('#own-colour').click()
  await ada.page.getByText('Keyboard', { exact: true }).click()
  assert.deepEqual(await faults(ada.page), [])

  assert.deepEqual(await faults(eve.page), [])
  await eve.page.locator('#people-toggle').click()
  await eve.page.getByRole('button', { name: 'Follow Ada' }).click()
  assert.deepEqual(await faults(eve.page), [])
  await eve.page.locator('#panel-close').click()
  await until(async () => assert.ok(await eve.page.locator('#following').isVisible()), 5_000)
  assert.deepEqual(await faults(eve.page), [])

  const mallory = await join('Mallory', { query: freshKeys().write, reducedMotion: 'reduce' })
  await until(async () => assert.match(await mallory.status.textContent(), /^No key in common/), 15_000)
  assert.deepEqual(await faults(mallory.page), [])
})

test('axe-core finds nothing at a broken link, and on the doctor’s page', { timeout: 60_000 }, async (t) => {
  const { page } = await Editor.open(browser, server, { room: 'two%20words', name: 'Ada', reducedMotion: 'reduce' })
  t.after(() => page.context().close())
  assert.deepEqual(await faults(page), [])
  await page.goto(`${server.origin}/doctor`)
  await page.getByText('Options').click()
  assert.deepEqual(await faults(page), [])
})

test('the sheet on a phone is a dialog: it holds the focus, and gives it back', { timeout: 60_000 }, async (t) => {
  const { join } = freshRoom(t, browser, server)
  const { page } = await join('Ada', { query: freshKeys().write, ...phone })
  const opener = page.getByRole('button', { name: /^People and sharing: / })
  const dialog = page.getByRole('dialog', { name: 'People and sharing' })
  assert.equal(await page.getByRole('heading', { level: 1, name: 'Parley' }).count(), 1)
  assert.equal(await dialog.count(), 0)
  await opener.focus()
  await page.keyboard.press('Enter')
  assert.equal(await dialog.count(), 1)
  const outside = []
  for (let i = 0; i < 20; i++) {
    const where = await page.evaluate(() => {
      const { activeElement: active } = document
      return active === document.body || active.closest('#panel') !== null ? null : active.id || active.className
    })
    if (where !== null) outside.push(where)
    await page.keyboard.press('Tab')
  }
  assert.deepEqual(outside, [])
  await page.locator('#own-name').fill('Somebody else')
  await page.keyboard.press('Escape')
  assert.equal(await page.locator('#own-name').inputValue(), 'Ada', 'Escape takes the name back')
  assert.equal(await dialog.count(), 1, 'and does nothing else')
  await page.locator('#panel-close').focus()
  await page.keyboard.press('Escape')
  await until(async () => assert.equal(await dialog.count(), 0), 5_000)
  assert.equal(await page.evaluate(() => document.activeElement.id), 'people-toggle')
})

test('the focus is kept where a name is changed, and where following ends', { timeout: 60_000 }, async (t) => {
  const { joinAll } = freshRoom(t, browser, server)
  const [ada, bob] = await joinAll(['Ada', 'Bob'])
  const focused = () => ada.page.evaluate(() => document.activeElement.getAttribute('aria-label'))
  await ada.page.locator('#own-name').fill('Ada Lovelace')
  await ada.page.keyboard.press('Enter')
  assert.equal(await focused(), 'Your name')
  await until(async () => assert.deepEqual((await bob.people()).map(({ name }) => name), ['Ada Lovelace']), 10_000)

  await bob.typeAtEnd('Here.')
  const follow = ada.page.getByRole('button', { name: 'Follow Bob' })
  await follow.focus()
  await ada.page.keyboard.press('Enter')
  await ada.page.getByRole('button', { name: 'Stop' }).focus()
  await ada.page.keyboard.press('Enter')
  await until(async () => assert.ok(await ada.page.locator('#following').isHidden()), 5_000)
  assert.equal(await focused(), 'Follow Bob')
})

/** Runs in the page: notes how things are, as it is seen and as screen readers are told. */
function listen() {
  const note = (id, list) => {
    const place = document.getElementById(id)
    new MutationObserver(() => list.push(place.textContent)).observe(place, { childList: true })
  }
  Object.assign(globalThis, { seen: [], heard: [] })
  addEventListener('readystatechange', () => document.readyState === 'interactive' && (note('status-text', globalThis.seen), note('status-heard', globalThis.heard)), true)
}

test('screen readers are told how things are once they have settled, and not of every step', { timeout: 60_000 }, async (t) => {
  const { join } = freshRoom(t, browser, server)
  const query = freshKeys().write
  const ada = await join('Ada', { query, prepare: listen })
  const heard = () => ada.page.evaluate(() => globalThis.heard)
  await until(async () => assert.match((await heard()).at(-1) ?? '', /Nobody else is here yet$/), 15_000)
  assert.equal(await ada.page.locator('#status[role], #status [role]').count(), 0)
  const names = ['Bob', 'Eve', 'Zoe']
  await Promise.all(names.map((name) => join(name, { query })))
  await ada.connectedTo(...names)
  await until(async () => assert.equal((await heard()).at(-1), 'Editing directly with 3 peers'), 15_000)
  const { seen, said } = await ada.page.evaluate(() => ({ seen: globalThis.seen, said: globalThis.heard }))
  assert.ok(said.length < seen.length, `${said.length} of ${seen.length}`)
  for (const [i, words] of said.entries()) assert.notEqual(words, said[i - 1])
})
