// Several people edit one text in real browsers, over the real server.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Editor, sameText, until } from './browser.mjs'
import { browser, server } from './stage.mjs'

let rooms = 0

/** Opens the editor for each of these names, in one room of their own, and closes them after the test. */
async function open(t, names, options = {}) {
  const room = `room-${++rooms}`
  const join = async (name, more = {}) => {
    const editor = await Editor.open(browser, server, { room, name, ...options, ...more })
    t.after(() => editor.close())
    return editor
  }
  const editors = await Promise.all(names.map((name) => join(name)))
  await Promise.all(editors.map((editor, i) => editor.connectedTo(...names.filter((_, j) => j !== i))))
  return { room, editors, join }
}

for (const [how, query, path, way, says] of [
  ['directly', '', 'direct', 'direct', 'Editing directly with 1 peer'],
  ['through the relay', '&ice=relay', 'relay', 'relay over [A-Z]+', 'Editing with 1 peer through the relay'],
]) {
  test(`two people type at once, ${how}`, { timeout: 60_000 }, async (t) => {
    const { editors } = await open(t, ['Ada', 'Bob'], { query })
    const [ada, bob] = editors
    await ada.paste('Ada: \nBob: ')
    await sameText(editors, (text) => assert.equal(text, 'Ada: \nBob: '), 1_000)
    await ada.page.keyboard.press('ArrowUp')
    await bob.content.focus()
    await bob.page.keyboard.press('Control+End')
    const sentences = ['The quick brown fox jumps over the lazy dog.', 'Pack my box with five dozen liquor jugs, please.']
    await Promise.all(editors.map((editor, i) => editor.page.keyboard.type(sentences[i], { delay: 15 })))
    const took = await sameText(editors, (text) => assert.equal(text, `Ada: ${sentences[0]}\nBob: ${sentences[1]}`), 1_000)
    t.diagnostic(`equal ${took} ms after the last key`)

    await until(async () => {
      assert.deepEqual([await ada.carets(), await bob.carets()], [['Bob'], ['Ada']])
    }, 1_000)
    const label = await ada.page.locator('.caret').evaluate((caret) => getComputedStyle(caret, '::after').content)
    assert.equal(label, '"Bob"')

    for (const editor of editors) {
      await until(async () => {
        const [person] = await editor.people()
        assert.equal(person.path, path)
        assert.match(person.way, new RegExp(`^${way} · (< )?\\d+ ms$`))
        assert.equal(await editor.status.textContent(), says)
      }, 5_000)
      editor.assertClean()
    }
  })
}

test('a name shows at its caret while typing and under the pointer', { timeout: 60_000 }, async (t) => {
  const { editors: [ada, bob] } = await open(t, ['Ada', 'Bob'])
  const shown = async (wanted) => {
    const opacity = await ada.page.locator('.caret').evaluate((caret) => getComputedStyle(caret, '::after').opacity)
    assert.equal(opacity, wanted)
  }
  await bob.typeAtEnd('Bob types here')
  await until(() => shown('1'), 2_000)
  await until(() => shown('0'), 5_000)
  const box = await ada.page.locator('.caret').boundingBox()
  await ada.page.mouse.move(box.x + 1, box.y + box.height / 2)
  await until(() => shown('1'), 2_000)
  ada.assertClean()
})

test('undo takes back only what one wrote oneself', { timeout: 60_000 }, async (t) => {
  const { editors } = await open(t, ['Ada', 'Bob'])
  const [ada, bob] = editors
  await ada.paste('Ada was here. ')
  await sameText(editors, (text) => assert.equal(text, 'Ada was here. '), 1_000)
  await bob.content.focus()
  await bob.page.keyboard.press('Control+End')
  await bob.paste('Bob was here.')
  await sameText(editors, (text) => assert.equal(text, 'Ada was here. Bob was here.'), 1_000)
  await ada.page.keyboard.press('Control+Z')
  await sameText(editors, (text) => assert.equal(text, 'Bob was here.'), 1_000)
  await ada.page.keyboard.press('Control+Shift+Z')
  await sameText(editors, (text) => assert.equal(text, 'Ada was here. Bob was here.'), 1_000)
})

for (const [what, lines] of [['a short text', 3], ['a text of 500 KB', 10_000]]) {
  test(`a third person who comes late gets ${what}`, { timeout: 60_000 }, async (t) => {
    const { editors, join } = await open(t, ['Ada', 'Bob'])
    const [ada] = editors
    const text = Array.from({ length: lines }, (_, i) => `Line ${i + 1}: what is written once is read by everybody.`).join('\n')
    await ada.paste(text)
    const cyd = await join('Cyd')
    const size = new Intl.NumberFormat('en').format(text.length)
    const took = await until(async () => assert.match(await cyd.page.locator('#size').textContent(), new RegExp(`, ${size} characters$`)), 10_000)
    t.diagnostic(`all there ${took} ms after the page had loaded`)
    await cyd.connectedTo('Ada', 'Bob')
    assert.equal(await cyd.copiedText(), text)
    await cyd.typeAtEnd(' The end.')
    for (const editor of [...editors, cyd]) {
      await editor.content.focus()
      await editor.page.keyboard.press('Control+End')
      await until(async () => assert.match(await editor.text(), /read by everybody\. The end\.$/), 5_000)
      editor.assertClean()
    }
  })
}

test('whoever closes the page is gone within a second', { timeout: 60_000 }, async (t) => {
  const { editors: [ada, bob, cyd] } = await open(t, ['Ada', 'Bob', 'Cyd'])
  await bob.typeAtEnd('Bob was here')
  await until(async () => {
    for (const editor of [ada, cyd]) assert.ok((await editor.carets()).includes('Bob'))
  }, 2_000)
  await bob.page.close()
  const took = await until(async () => {
    for (const [editor, other] of [[ada, 'Cyd'], [cyd, 'Ada']]) {
      assert.deepEqual(await editor.carets(), [other])
      assert.deepEqual((await editor.people()).map(({ name }) => name), [other])
    }
  }, 1_000)
  t.diagnostic(`gone after ${took} ms`)
  assert.equal(await ada.text(), 'Bob was here')
  ada.assertClean()
  cyd.assertClean()
})

test('a reload keeps who one is, and the text', { timeout: 60_000 }, async (t) => {
  const { editors } = await open(t, ['Ada', 'Bob'])
  const [ada, bob] = editors
  await bob.typeAtEnd('Something to keep')
  await sameText(editors, (text) => assert.equal(text, 'Something to keep'), 1_000)
  const before = await ada.others.getAttribute('data-peer')
  await bob.page.reload()
  await sameText(editors, (text) => assert.equal(text, 'Something to keep'), 5_000)
  await ada.connectedTo('Bob')
  await bob.connectedTo('Ada')
  assert.equal(await ada.others.getAttribute('data-peer'), before)
  assert.equal(await bob.page.locator('#own-name').inputValue(), 'Bob')
  await bob.typeAtEnd(' and more')
  await sameText(editors, (text) => assert.equal(text, 'Something to keep and more'), 1_000)
  for (const editor of editors) editor.assertClean()
})

test('a new name and colour reach the others', { timeout: 60_000 }, async (t) => {
  const { editors: [ada, bob] } = await open(t, ['Ada', 'Bob'])
  await bob.typeAtEnd('x')
  await bob.page.locator('#own-name').fill('Robert')
  await bob.page.keyboard.press('Enter')
  await bob.page.locator('#own-colour').click()
  await bob.page.locator('.swatch.of-plum').click()
  await until(async () => {
    assert.deepEqual((await ada.people()).map(({ name }) => name), ['Robert'])
    assert.deepEqual(await ada.carets(), ['Robert'])
    assert.equal(await ada.page.locator('.caret.of-plum').count(), 1)
  }, 2_000)
  await bob.page.reload()
  assert.equal(await bob.page.locator('#own-name').inputValue(), 'Robert')
})
