// What the page offers beside writing: undo by buttons, following somebody, files, and all of it by keyboard and by ear.
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { Editor, launchMortal, sameText, until } from './browser.mjs'
import { freshKeys, freshRoom } from './rooms.mjs'
import { browser, server } from './stage.mjs'

test('undo and redo, by buttons, take back one’s own edits and put the caret back', { timeout: 60_000 }, async (t) => {
  const { joinAll } = freshRoom(t, browser, server)
  const [ada, bob] = await joinAll(['Ada', 'Bob'])
  const button = (name) => ada.page.getByRole('button', { name, exact: true })
  const disabled = (name) => button(name).getAttribute('aria-disabled')
  assert.deepEqual([await disabled('Undo'), await disabled('Redo')], ['true', 'true'])
  await ada.typeAtEnd('Ada. ')
  await sameText([ada, bob], (text) => assert.equal(text, 'Ada. '), 5_000)
  await bob.typeAtEnd('Bob. ')
  await sameText([ada, bob], (text) => assert.equal(text, 'Ada. Bob. '), 5_000)
  assert.deepEqual([await disabled('Undo'), await disabled('Redo')], ['false', 'true'])
  await button('Undo').click()
  await sameText([ada, bob], (text) => assert.equal(text, 'Bob. '), 5_000)
  assert.deepEqual([await disabled('Undo'), await disabled('Redo')], ['true', 'false'])
  await button('Undo').click({ force: true })
  assert.equal(await ada.text(), 'Bob. ')
  await button('Redo').click()
  await sameText([ada, bob], (text) => assert.equal(text, 'Ada. Bob. '), 5_000)
  await ada.page.keyboard.type('Here: ')
  await sameText([ada, bob], (text) => assert.equal(text, 'Ada. Here: Bob. '), 5_000)
  ada.assertClean()
})

test('following somebody scrolls with them, until one scrolls or writes oneself', { timeout: 60_000 }, async (t) => {
  const { joinAll } = freshRoom(t, browser, server)
  const [ada, bob] = await joinAll(['Ada', 'Bob'])
  const lines = Array.from({ length: 300 }, (_, i) => `Line ${i + 1}`).join('\n')
  await bob.paste(lines)
  await until(async () => assert.equal(await ada.page.locator('#size').textContent(), '300 lines, 2,591 characters'), 5_000)
  const shows = (line) => until(async () => assert.match(await ada.text(), new RegExp(`^Line ${line}$`, 'm')), 5_000)
  const follow = ada.page.getByRole('button', { name: 'Follow Bob' })
  const banner = ada.page.locator('#following')
  const position = () => ada.page.locator('.cm-scroller').evaluate((scroller) => scroller.scrollTop)

  await shows(1)
  await follow.focus()
  await ada.page.keyboard.press('Enter')
  await shows(300)
  assert.equal(await follow.getAttribute('aria-pressed'), 'true')
  assert.equal(await banner.textContent(), 'Following BobStop')
  assert.match(await ada.page.locator('#announcement').textContent(), /^Following Bob\./)
  await bob.page.keyboard.press('Control+Home')
  await shows(1)

  await ada.page.locator('.cm-scroller').hover()
  await ada.page.mouse.wheel(0, 900)
  await until(async () => assert.equal(await banner.isVisible(), false), 5_000)
  assert.match(await ada.page.locator('#announcement').textContent(), /^No longer following Bob\./)
  assert.equal(await follow.getAttribute('aria-pressed'), 'false')
  await until(async () => assert.ok((await position()) > 500), 5_000)
  const before = await position()
  await bob.page.keyboard.press('Control+End')
  await bob.page.keyboard.type('!')
  await until(async () => assert.match(await ada.page.locator('#size').textContent(), /2,592/), 5_000)
  assert.equal(await position(), before)

  for (const stop of [() => ada.page.keyboard.press('Escape'), () => banner.getByRole('button', { name: 'Stop' }).click(), () => ada.typeAtEnd('x')]) {
    await follow.click()
    await until(async () => assert.equal(await banner.isVisible(), true), 5_000)
    await stop()
    await until(async () => assert.equal(await banner.isVisible(), false), 5_000)
  }
  await follow.click()
  await bob.page.close()
  await until(async () => assert.equal(await banner.isVisible(), false), 5_000)
  assert.match(await ada.page.locator('#announcement').textContent(), /^Bob is gone\./)
  ada.assertClean()
})

test('the text can be copied, and saved as a file with a sensible name', { timeout: 60_000 }, async (t) => {
  const { join } = freshRoom(t, browser, server)
  const ada = await join('Ada', { query: freshKeys().write })
  const text = '# Field notes, October\n\nHerons: *two*.\n'
  await ada.paste(text)
  await ada.page.getByRole('button', { name: 'Copy all' }).click()
  await until(async () => assert.equal(await ada.page.evaluate(() => navigator.clipboard.readText()), text), 5_000)
  for (const [name, file] of [['Download as Markdown', 'field-notes-october.md'], ['Download as plain text', 'field-notes-october.txt']]) {
    const [download] = await Promise.all([ada.page.waitForEvent('download'), ada.page.getByRole('button', { name }).click()])
    assert.equal(download.suggestedFilename(), file)
    assert.equal(await readFile(await download.path(), 'utf8'), text)
  }
  ada.assertClean()
})

test('Markdown and the code in it are coloured', { timeout: 60_000 }, async (t) => {
  const { join } = freshRoom(t, browser, server)
  const ada = await join('Ada')
  await ada.paste('# A title\nSome **strong** and `code`.\n```go\nfunc main() { x := "text" } // why\n```\nfunc')
  const styled = (kind) => ada.page.locator(`.cm-content .${kind}`).evaluateAll((spans) => spans.map((span) => span.textContent))
  await until(async () => assert.deepEqual(await styled('md-h1'), ['# ', 'A title']), 5_000)
  assert.deepEqual(await styled('code-keyword'), ['func'])
  assert.deepEqual(await styled('code-string'), ['"text"'])
  assert.deepEqual(await styled('code-comment'), ['// why'])
  assert.ok((await styled('md-strong')).includes('strong'))
  ada.assertClean()
})

for (const colorScheme of ['light', 'dark']) {
  test(`everything has a name and a role, and can be read in the ${colorScheme}`, { timeout: 60_000 }, async (t) => {
    const { joinAll } = freshRoom(t, browser, server)
    const [ada, bob] = await joinAll(['Ada', 'Bob'], { query: freshKeys().write, colorScheme })
    await bob.typeAtEnd('# A title\n> quoted, a `word`, a [link](x)\n```js\nconst a = "b" // c\n```')
    await until(async () => assert.match(await ada.text(), /const a/), 5_000)
    const session = await ada.context.newCDPSession(ada.page)
    const { nodes } = await session.send('Accessibility.getFullAXTree')
    const shown = nodes.filter(({ ignored }) => !ignored).map(({ role, name }) => ({ role: role?.value, name: name?.value ?? '' }))
    const named = new Set(['button', 'link', 'textbox', 'radio', 'complementary', 'group'])
    assert.deepEqual(shown.filter(({ role, name }) => named.has(role) && name.trim() === ''), [])
    for (const landmark of ['banner', 'main', 'contentinfo', 'complementary']) assert.equal(shown.filter(({ role }) => role === landmark).length, 1, landmark)
    assert.equal(shown.filter(({ role, name }) => role === 'textbox' && name === 'Shared text').length, 1)
    assert.equal(shown.filter(({ role }) => role === 'heading').length >= 4, true)
    assert.deepEqual(await ada.page.evaluate(faintTexts), [])

    // By keyboard alone: out of the text, and through everything there is, in the order in which it is seen.
    await ada.content.focus()
    await ada.page.keyboard.press('Escape')
    const order = []
    for (let i = 0; i < 12; i++) {
      await ada.page.keyboard.press('Tab')
      const { name, ring } = await ada.page.evaluate(() => {
        const { activeElement: active } = document
        const { outlineStyle, outlineWidth } = getComputedStyle(active)
        return { name: active.id || active.getAttribute('aria-label') || active.tagName, ring: outlineStyle !== 'none' && parseFloat(outlineWidth) > 0 }
      })
      assert.ok(ring, `the focus cannot be seen on ${name}`)
      order.push(name)
    }
    assert.deepEqual(order, [
      'own-colour', 'own-name', 'Follow Bob', 'write-link', 'Copy the link to write', 'read-link', 'Copy the link to read',
      'copy-all', 'save-md', 'save-txt', 'SUMMARY', 'A',
    ])
    ada.assertClean()
  })
}

/** Runs in the page: the texts that stand out from what is behind them by less than 4.5 to 1. */
function faintTexts() {
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true })
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1)
    canvas.fillStyle = colour
    canvas.fillRect(0, 0, 1, 1)
    return [...canvas.getImageData(0, 0, 1, 1).data]
  }
  const luminance = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((value) => (value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4))
    return 0.2126 * x + 0.7152 * y + 0.0722 * z
  }
  const behind = (element) => {
    for (let at = element; at !== null; at = at.parentElement) {
      const colour = rgba(getComputedStyle(at).backgroundColor)
      if (colour[3] === 255) return colour
    }
    return [255, 255, 255, 255]
  }
  const faint = []
  for (const element of document.querySelectorAll('body *')) {
    const own = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim() !== '')
    if (!own || !element.checkVisibility() || element.closest('.unseen, [aria-disabled=true]') !== null) continue
    const [a, b] = [luminance(rgba(getComputedStyle(element).color)), luminance(behind(element))].sort((x, y) => y - x)
    const ratio = (a + 0.05) / (b + 0.05)
    if (ratio < 4.5) faint.push(`${element.className || element.tagName} “${element.textContent.slice(0, 20)}”: ${ratio.toFixed(2)}`)
  }
  return faint
}

test('the caret of somebody whose browser was killed is gone within 8 seconds', { timeout: 60_000 }, async (t) => {
  const { room, join } = freshRoom(t, browser, server)
  const mortal = await launchMortal()
  t.after(() => mortal.kill())
  const ada = await join('Ada')
  const bob = await Editor.open(mortal.browser, server, { room, name: 'Bob' })
  await ada.connectedTo('Bob')
  await bob.typeAtEnd('Bob was here')
  await sameText([ada], (text) => assert.equal(text, 'Bob was here'), 5_000)
  await until(async () => assert.deepEqual(await ada.carets(), ['Bob']), 5_000)
  mortal.kill()
  const took = await until(async () => assert.deepEqual(await ada.carets(), []), 8_000)
  t.diagnostic(`gone after ${took} ms`)
})
