// The page itself: its address, its link, its keyboard, its looks, and phones.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Editor, sameText, until } from './browser.mjs'
import { browser, server } from './stage.mjs'

async function open(t, room, options = {}) {
  const editor = await Editor.open(browser, server, { room, name: 'Ada', ...options })
  t.after(() => editor.close())
  return editor
}

test('the theme follows the system until it is chosen, and the choice is kept', { timeout: 60_000 }, async (t) => {
  const { page } = await open(t, 'theme', { colorScheme: 'light' })
  const paper = () => page.locator('#editor').evaluate((element) => getComputedStyle(element).backgroundColor)
  const light = await paper()
  await page.emulateMedia({ colorScheme: 'dark' })
  const dark = await paper()
  assert.notEqual(dark, light)
  await page.getByRole('button', { name: 'Use the light theme' }).click()
  assert.equal(await paper(), light)
  await page.reload()
  assert.equal(await paper(), light)
  await page.getByRole('button', { name: 'Use the dark theme' }).click()
  assert.equal(await paper(), dark)
})

test('the keyboard reaches everything: into the text, indenting, and out again', { timeout: 60_000 }, async (t) => {
  const editor = await open(t, 'keyboard')
  const { page } = editor
  const focused = () => page.evaluate(() => document.activeElement.id || document.activeElement.className)
  await until(async () => assert.match(await focused(), /cm-content/), 5_000)
  await page.keyboard.type('line')
  await page.keyboard.press('Tab')
  assert.equal(await editor.text(), '  line')
  await page.keyboard.press('Escape')
  await page.keyboard.press('Tab')
  const stops = []
  for (let i = 0; i < 7; i++) {
    stops.push(await focused())
    await page.keyboard.press('Tab')
  }
  for (const stop of ['own-colour', 'own-name', 'write-link']) assert.ok(stops.includes(stop), `${stop} is not among ${stops}`)
  await page.locator('#own-name').focus()
  const outline = await page.locator('#own-name').evaluate((element) => getComputedStyle(element).outlineStyle)
  assert.equal(outline, 'solid')
})

test('the link can be copied, also where the browser has no clipboard for pages', { timeout: 60_000 }, async (t) => {
  for (const prepare of [undefined, () => Object.defineProperty(navigator, 'clipboard', { value: undefined })]) {
    const room = 'link'
    const editor = await open(t, room, { query: '&ice=relay&name=Grace', prepare })
    await editor.page.getByRole('button', { name: 'Copy link' }).click()
    await until(async () => assert.equal(await editor.page.locator('button.primary').textContent(), 'Copied'), 2_000)
    const reader = await editor.context.newPage()
    await reader.goto(`${server.origin}/healthz`)
    assert.equal(await reader.evaluate(() => navigator.clipboard.readText()), `${server.origin}/?room=${room}`)
    editor.assertClean()
  }
})

test('an address without a room gets one', { timeout: 60_000 }, async (t) => {
  const context = await browser.newContext()
  t.after(() => context.close())
  const page = await context.newPage()
  await page.goto(`${server.origin}/`)
  const room = await page.locator('#room').textContent()
  assert.match(room, /^[a-z]+-[a-z]+-[a-z0-9]{8}$/)
  assert.equal(new URL(page.url()).searchParams.get('room'), room)
  await until(async () => assert.ok(await page.getByText('Nobody else is here yet. Send somebody the link').isVisible()), 5_000)
  assert.ok(await page.getByText('Write something.').isVisible())
})

for (const [name, says] of [['two%20words', 'it contains a space'], ['a%2Fb', 'it contains “/”'], ['x'.repeat(300), '128 is the most']]) {
  test(`the room name ${name.slice(0, 12)} is refused in words`, { timeout: 60_000 }, async (t) => {
    const editor = await open(t, name)
    assert.ok(await editor.page.getByRole('heading', { name: 'This link names no room' }).isVisible())
    assert.match(await editor.page.locator('#bad-room').textContent(), new RegExp(says.replace('/', '\\/')))
    assert.equal(await editor.content.count(), 0)
    editor.assertClean()
  })
}

/** Fails when anything to press or to read is beside the window, or moves sideways. */
async function fits(page, width) {
  const { content, panel, beside } = await page.evaluate((width) => {
    const shown = [...document.querySelectorAll('#page, .bar, .room, .tools > *, #panel, #panel > *, #panel button, #panel input, #panel label, .foot')]
    const beside = shown.filter((element) => {
      const { left, right } = element.getBoundingClientRect()
      return element.checkVisibility({ visibilityProperty: true }) && (left < -0.5 || right > width + 0.5)
    })
    const panel = document.getElementById('panel')
    return {
      content: document.documentElement.scrollWidth,
      panel: panel.scrollWidth - panel.clientWidth,
      beside: beside.map((element) => element.id || element.className),
    }
  }, width)
  assert.ok(content <= width, `${content} pixels in a window of ${width}`)
  assert.deepEqual(beside, [])
  assert.equal(panel, 0)
}

for (const width of [390, 320]) {
  test(`on a phone of ${width} pixels nothing runs out of the window`, { timeout: 60_000 }, async (t) => {
    const phone = { viewport: { width, height: 844 }, hasTouch: true, isMobile: true }
    const ada = await open(t, `phone-${width}`, { name: 'Ada with a rather long name', ...phone })
    const bob = await open(t, `phone-${width}`, { name: 'Bob with a name as long as that', ...phone })
    await ada.connectedTo('Bob with a name as long as that')
    await bob.typeAtEnd('A line that is long enough to be wrapped on a phone, and aWordThatIsFarTooLongToFitIntoOneLineOfAnyPhone.', 0)
    await sameText([ada, bob], (text) => assert.match(text, /Phone\.$/), 2_000)
    await fits(ada.page, width)
    const scroller = await ada.page.locator('.cm-scroller').evaluate((element) => element.scrollWidth - element.clientWidth)
    assert.equal(scroller, 0)
    assert.ok(!(await ada.page.locator('#people').isVisible()))
    await ada.page.locator('#people-toggle').click()
    await until(async () => assert.ok(await ada.others.isVisible()), 2_000)
    await fits(ada.page, width)
    await ada.page.keyboard.press('Escape')
    await until(async () => assert.ok(!(await ada.page.locator('#people').isVisible())), 2_000)
    ada.assertClean()
  })
}

for (const width of [1280, 900, 390, 320]) {
  for (const length of [60, 128]) {
    test(`a room name of ${length} characters fits into ${width} pixels`, { timeout: 60_000 }, async (t) => {
      const narrow = width < 821
      const room = 'a-room-name-'.repeat(11).slice(0, length)
      const options = { viewport: { width, height: 844 }, hasTouch: narrow, isMobile: narrow }
      const ada = await open(t, room, { name: 'Ada_with_a_name_of_sixty_four_bytes_and_no_place_to_break_it____', ...options })
      const { page } = ada
      assert.equal(await page.locator('#room').textContent(), room)
      await fits(page, width)
      if (narrow) await page.locator('#people-toggle').click()
      await until(async () => assert.ok(await page.locator('#own-name').isVisible()), 2_000)
      await page.locator('#own-colour').click()
      await until(async () => assert.ok(await page.locator('.swatch').last().isVisible()), 2_000)
      await fits(page, width)
      ada.assertClean()
    })
  }
}

test('Enter and Escape close the colours, and leave the focus where they were opened', { timeout: 60_000 }, async (t) => {
  const { page } = await open(t, 'colours')
  const colours = page.locator('#colours')
  for (const key of ['Enter', 'Escape']) {
    await page.locator('#own-colour').focus()
    await page.keyboard.press('Enter')
    assert.ok(await colours.isVisible())
    await page.keyboard.press('ArrowRight')
    await page.keyboard.press(key)
    assert.ok(!(await colours.isVisible()), key)
    assert.equal(await page.locator('#own-colour').getAttribute('aria-expanded'), 'false')
    assert.equal(await page.evaluate(() => document.activeElement.id), 'own-colour')
  }
})
