// Links with keys: whoever has the one to read sees everything and changes nothing, even with a page of their own making.
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { test } from 'node:test'
import { Editor, sameText, until } from './browser.mjs'
import { freshKeys, freshRoom } from './rooms.mjs'
import { browser, server } from './stage.mjs'

const Y = createRequire(new URL('../../web/package.json', import.meta.url))('yjs')

/** Runs in the page: puts the channel that carries the text at hand. */
function tapDocument() {
  const { send } = RTCDataChannel.prototype
  globalThis.documents = new Set()
  RTCDataChannel.prototype.send = function (data) {
    if (this.label === 'document') globalThis.documents.add(this)
    return send.call(this, data)
  }
}

/** What somebody's changed page says to everybody: an update, unsigned. */
function unsignedInsertion(words) {
  const doc = new Y.Doc()
  doc.getText('text').insert(0, words)
  const update = Y.encodeStateAsUpdate(doc)
  assert.ok(update.length < 128)
  return [0, 2, update.length, ...update]
}

const say = (editor, bytes) =>
  editor.page.evaluate((bytes) => {
    for (const channel of globalThis.documents) channel.send(new Uint8Array(bytes))
    return globalThis.documents.size
  }, bytes)

test('a link to read only holds', { timeout: 90_000 }, async (t) => {
  const { join } = freshRoom(t, browser, server)
  const keys = freshKeys()
  const [ada, bob, eve] = await Promise.all([
    join('Ada', { query: keys.write }),
    join('Bob', { query: keys.write }),
    join('Eve', { query: keys.read, prepare: tapDocument }),
  ])
  await Promise.all([ada.connectedTo('Bob', 'Eve'), bob.connectedTo('Ada', 'Eve'), eve.connectedTo('Ada', 'Bob')])
  await ada.typeAtEnd('Signed. ')
  await sameText([ada, bob, eve], (text) => assert.equal(text, 'Signed. '), 5_000)

  await t.test('the page of a reader takes no input, and says so', async () => {
    assert.equal(await eve.page.locator('#read-only').isVisible(), true)
    assert.equal(await eve.content.getAttribute('aria-readonly'), 'true')
    await eve.typeAtEnd('Nothing of this')
    await eve.page.keyboard.press('Backspace')
    assert.equal(await eve.text(), 'Signed. ')
    assert.equal(await eve.page.locator('#write-share').isVisible(), false)
    assert.equal(await eve.page.locator('#undo').isVisible(), false)
  })

  await t.test('the link that a writer gives to readers is the one to read', async () => {
    await until(async () => assert.match(await ada.page.locator('#read-link').inputValue(), /#k=/), 5_000)
    assert.equal(await ada.page.locator('#read-link').inputValue(), await eve.page.locator('#read-link').inputValue())
    assert.ok((await ada.page.locator('#read-link').inputValue()).endsWith(keys.read))
    assert.ok((await ada.page.locator('#write-link').inputValue()).endsWith(keys.write))
  })

  await t.test('what a reader’s page of their own making says changes nobody’s text, and is told', async () => {
    assert.equal(await say(eve, unsignedInsertion('EVIL ')), 2)
    for (const editor of [ada, bob]) {
      await until(async () => assert.match(await editor.page.locator('#people li:has-text("Eve") .warning').textContent(), /without a valid signature ignored/), 5_000)
      assert.equal(await editor.text(), 'Signed. ')
    }
  })

  await t.test('readers go on among themselves', async () => {
    const rita = await join('Rita', { query: keys.read })
    await rita.connectedTo('Ada', 'Bob', 'Eve')
    await ada.typeAtEnd('The end.')
    await sameText([ada, bob, eve, rita], (text) => assert.equal(text, 'Signed. The end.'), 5_000)
    await Promise.all([ada.page.close(), bob.page.close()])
    const leo = await join('Leo', { query: keys.read })
    await leo.connectedTo('Eve', 'Rita')
    await sameText([leo, eve, rita], (text) => assert.equal(text, 'Signed. The end.'), 10_000)
    for (const editor of [eve, rita, leo]) editor.assertClean()
  })
})

test('without keys the same would change the text, and the page says that there are none', { timeout: 60_000 }, async (t) => {
  const { joinAll } = freshRoom(t, browser, server)
  const [ada, eve] = await joinAll(['Ada', 'Eve'], { prepare: tapDocument })
  assert.equal(await say(eve, unsignedInsertion('EVIL ')), 1)
  await sameText([ada], (text) => assert.equal(text, 'EVIL '), 5_000)
  assert.match(await ada.page.locator('#share-note').textContent(), /This link has no keys/)
  assert.equal(await ada.page.locator('#read-share').isVisible(), false)
})

test('somebody whose link lost its key to write is told so, and changes nothing', { timeout: 60_000 }, async (t) => {
  const { join } = freshRoom(t, browser, server)
  const keys = freshKeys()
  const [ada, bob] = await Promise.all([join('Ada', { query: keys.write }), join('Bob', { query: keys.write.replace(/&w=.*/, '') })])
  await ada.connectedTo('Bob')
  await ada.typeAtEnd('Signed.')
  await until(async () => assert.match(await bob.page.locator('#caution').textContent(), /This link has no key/), 10_000)
  await bob.typeAtEnd(' Unsigned.')
  await until(async () => assert.match(await ada.page.locator('#people .warning').textContent(), /without a valid signature/), 10_000)
  assert.equal(await ada.text(), 'Signed.')
})

const noneInCommon = [/^No key in common with 1 peer\. Everybody needs the same link/, 'no key in common']
const unverified = ['1 peer cannot be verified. Let them in by the list of people, if you know who it is', 'cannot be verified']
const notLetIn = ['Not let in by 1 peer: this page came over plain http, and cannot be verified', 'does not let you in']

/** A page from plain http on another machine: what of the browser it lacks. */
function bare() {
  Object.defineProperty(Crypto.prototype, 'subtle', { value: undefined })
  Object.defineProperty(Crypto.prototype, 'randomUUID', { value: undefined })
  for (const absent of ['clipboard', 'locks', 'storage']) Object.defineProperty(Navigator.prototype, absent, { value: undefined })
}

for (const [whose, options, caution, [adaSays, adaLists], [bobSays, bobLists]] of [
  ['has another key', () => ({ query: freshKeys().write }), /^$/, noneInCommon, noneInCommon],
  ['lost all that follows the #', () => ({}), /This link has no key, and others here have one/, unverified, noneInCommon],
  ['cannot use its key on a page over plain http', (keys) => ({ query: keys.write, prepare: bare }), /On a page over plain http/, unverified, notLetIn],
]) {
  test(`somebody whose link ${whose} is told so, and gets no text`, { timeout: 60_000 }, async (t) => {
    const { join } = freshRoom(t, browser, server)
    const keys = freshKeys()
    const [ada, bob] = await Promise.all([join('Ada', { query: keys.write }), join('Bob', options(keys))])
    await ada.typeAtEnd('Secret.')
    for (const [editor, says, lists] of [[ada, adaSays, adaLists], [bob, bobSays, bobLists]]) {
      await editor.saying(says)
      await until(async () => assert.deepEqual((await editor.people()).map(({ way }) => way), [lists]), 5_000)
      assert.equal(await editor.page.locator('.admit:visible').count(), says === unverified[0] ? 1 : 0)
    }
    await until(async () => assert.match(await bob.page.locator('#caution').textContent(), caution), 5_000)
    assert.equal(await ada.page.locator('#caution').textContent(), '')
    assert.equal(await bob.text(), '')
  })
}

test('whoever can verify lets somebody in who cannot, knowing what that means, also after their reload', { timeout: 60_000 }, async (t) => {
  const { join } = freshRoom(t, browser, server)
  const { write } = freshKeys()
  const [ada, cyd, bob] = await Promise.all([join('Ada', { query: write }), join('Cyd', { query: write }), join('Bob', { query: write, prepare: bare })])
  await ada.saying('Editing directly with 1 peer, not with 1 more who cannot be verified')
  await bob.saying('Not let in by 2 peers: this page came over plain http, and cannot be verified')
  const row = ada.page.locator('#people li:has-text("Bob")')
  assert.match(await row.locator('.warning').textContent(), /^kept out: .* the server could read along$/)
  await row.getByRole('button', { name: 'Let Bob in without verification' }).click()
  const editing = async (text) => {
    await until(async () => assert.deepEqual((await ada.people()).map(({ state }) => state), ['connected', 'connected']), 15_000)
    await bob.typeAtEnd(text)
    await until(async () => assert.match(await ada.text(), new RegExp(`${text}$`)), 10_000)
    const [warning] = (await ada.people()).filter(({ name }) => name === 'Bob').map(({ warning }) => warning)
    assert.equal(warning, 'not verified')
    await bob.saying(/^Editing .*with 1 peer.*, not let in by 1 more$/)
    assert.deepEqual((await bob.people()).filter(({ name }) => name === 'Ada').map(({ warning }) => warning), ['not verified'])
  }
  await editing('Bob is in. ')
  await bob.page.reload()
  await until(async () => assert.deepEqual((await ada.people()).filter(({ name }) => name === 'Bob').length, 1), 10_000)
  await editing('And again.')
  // Nobody else let Bob in, and to those with keys nothing has changed.
  assert.deepEqual((await cyd.people()).map(({ name, state, warning }) => [name, state, warning === '']).sort(), [['Ada', 'connected', true], ['Bob', 'connecting', false]])
  await sameText([ada, cyd, bob], (text) => assert.equal(text, 'Bob is in. And again.'), 10_000)
  for (const editor of [ada, bob, cyd]) editor.assertClean()
})

test('a browser without WebRTC says that it writes through the server', { timeout: 60_000 }, async (t) => {
  const { join } = freshRoom(t, browser, server)
  const { write } = freshKeys()
  const noWebRTC = () => delete globalThis.RTCPeerConnection
  const [ada, bob] = await Promise.all([join('Ada', { query: write }), join('Bob', { query: write, prepare: noWebRTC })])
  await ada.connectedTo('Bob')
  await bob.typeAtEnd('From Bob.')
  await sameText([ada, bob], (text) => assert.equal(text, 'From Bob.'), 10_000)
  for (const editor of [ada, bob]) {
    await until(async () => assert.equal(await editor.status.textContent(), 'Editing with 1 peer through the server'), 10_000)
  }
})

test('pages from plain http on another machine have none of the browser’s help, and everything works, not verified', { timeout: 60_000 }, async (t) => {
  const { join } = freshRoom(t, browser, server)
  const keys = freshKeys()
  const [ada, bob, eve] = await Promise.all([
    join('Ada', { query: keys.write, prepare: bare }),
    join('Bob', { query: keys.write, prepare: bare }),
    join('Eve', { query: keys.read, prepare: bare }),
  ])
  await Promise.all([ada.connectedTo('Bob', 'Eve'), bob.connectedTo('Ada', 'Eve'), eve.connectedTo('Ada', 'Bob')])
  await ada.typeAtEnd('From Ada. ')
  await sameText([ada, bob, eve], (text) => assert.equal(text, 'From Ada. '), 10_000)
  await bob.typeAtEnd('From Bob. ')
  await sameText([ada, bob, eve], (text) => assert.equal(text, 'From Ada. From Bob. '), 10_000)
  await ada.page.locator('#copy-all').click()
  await until(async () => assert.equal(await ada.page.locator('#copy-all').textContent(), 'Copied'), 5_000)
  assert.deepEqual(await ada.page.locator('#people .warning:visible').allTextContents(), ['not verified', 'not verified'])
  const zoe = await freshRoom(t, browser, server).join('Zoe')
  await zoe.page.bringToFront()
  assert.equal(await zoe.page.evaluate(() => navigator.clipboard.readText()), 'From Ada. From Bob. ')
  for (const editor of [ada, bob, eve]) editor.assertClean()
})

test('a page that names no room gets keys, and keeps them over a reload', { timeout: 60_000 }, async (t) => {
  const ada = await Editor.open(browser, server, { room: '', name: 'Ada', address: '/' })
  t.after(() => ada.close())
  await until(async () => assert.match(ada.page.url(), /\?room=[a-z]+-[a-z]+-[a-z0-9]{8}#k=[\w-]{43}&w=[\w-]{43}$/), 5_000)
  const address = ada.page.url()
  await ada.typeAtEnd('Mine.')
  await until(async () => assert.match(await ada.page.locator('#kept').textContent(), /^Saved here$/), 10_000)
  await ada.page.reload()
  assert.equal(ada.page.url(), address)
  await until(async () => assert.equal(await ada.text(), 'Mine.'), 10_000)
  ada.assertClean()
})

test('a link whose key is damaged says so in words', { timeout: 60_000 }, async (t) => {
  const { join } = freshRoom(t, browser, server)
  const ada = await join('Ada', { query: freshKeys().write.slice(0, -5) })
  assert.equal(await ada.page.locator('#bad-room h1').textContent(), 'This link’s key is damaged')
  assert.match(await ada.page.locator('#bad-room').textContent(), /its key to write has 38 characters instead of 43/)
  ada.assertClean()
})
