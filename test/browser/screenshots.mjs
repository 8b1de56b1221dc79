// Takes pictures of the editor with three people in it: `node screenshots.mjs FOLDER`. Wide and phone, light and dark,
// and what somebody sees who is alone, follows a broken link, edits by relay or through the server, is offline or has lost the server.
import assert from 'node:assert/strict'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Editor, launch, sameText } from './browser.mjs'
import { freshKeys } from './rooms.mjs'
import { Server } from './server.mjs'

const folder = process.argv[2]
if (folder === undefined) {
  console.error('say where to: node screenshots.mjs FOLDER')
  process.exit(2)
}
await mkdir(folder, { recursive: true })

const text = `# Field notes, late October

The path to the lake was **under water** again, so we went around by the old mill. Two herons on the weir, one of them fishing. It did not mind us *at all* until the dog came.

## To bring next time

- [x] the long rope and both lanterns
- [ ] something warm for the night
- [ ] the better map, see [the archive](https://maps.example/1911)

> Open question: do we cross at the ford, or walk up to the bridge?

\`\`\`python
def crossing(rain):  # litres since Monday
    return "bridge" if rain > 40 else "ford"
\`\`\`

Decided: the bridge. `

const wide = { viewport: { width: 1280, height: 800 } }
const phone = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true }

const browser = await launch()
const server = await Server.start()
try {
  for (const [shape, size] of Object.entries({ wide, phone })) {
    for (const colorScheme of ['light', 'dark']) await threePeople(`${shape}-${colorScheme}`, { ...size, colorScheme }, '')
  }
  await threePeople('wide-relay', wide, '&ice=relay')
  await threePeople('wide-server', { ...wide, prepare: () => delete globalThis.RTCPeerConnection }, '')
  await threePeople('wide-offline', wide, '')
  await reader('wide-reader', wide)
  await reader('phone-reader', { ...phone, colorScheme: 'dark' })
  await alone('wide-alone', { ...wide, colorScheme: 'light' })
  await alone('phone-alone', { ...phone, colorScheme: 'dark' })
  await alone('wide-no-key', wide, '')
  await badLink('wide-bad-link', wide)
} finally {
  await browser.close()
  await server.stop()
}

async function threePeople(name, options, query) {
  const room = `field-notes-${name}`
  query += freshKeys().write
  const iris = await Editor.open(browser, server, { room, name: 'Iris Moreau', query, ...options })
  const others = await Promise.all([
    Editor.open(browser, server, { room, name: 'Tomasz', query }),
    Editor.open(browser, server, { room, name: 'Wren', query }),
  ])
  await iris.connectedTo('Tomasz', 'Wren')
  await iris.content.focus()
  await iris.page.keyboard.insertText(text)
  const [tomasz, wren] = others
  await colour(tomasz, 'indigo')
  await colour(wren, 'amber')
  await sameText([iris, ...others], (shown) => assert.equal(shown, text), 5_000)
  await iris.page.locator('.way:has-text("ms")').nth(1).waitFor({ state: 'attached' })

  // Wren marks words in the first paragraph, Tomasz writes at the end; both names are on the screen.
  await wren.page.getByText('The path to the lake').first().click()
  await wren.page.keyboard.press('Home')
  for (let i = 0; i < 7; i++) await wren.page.keyboard.press('Control+ArrowRight')
  for (let i = 0; i < 5; i++) await wren.page.keyboard.press('Control+Shift+ArrowRight')
  await tomasz.typeAtEnd('We leave at seven', 20)
  await wren.page.keyboard.press('Control+Shift+ArrowRight')
  await sleep(500)
  await iris.page.screenshot({ path: join(folder, `${name}.png`) })
  if (options.isMobile) {
    await iris.page.locator('#people-toggle').click()
    await sleep(500)
    await iris.page.screenshot({ path: join(folder, `${name}-sheet.png`) })
    await iris.page.keyboard.press('Escape')
  } else {
    await iris.page.locator('#own-colour').click()
    await iris.page.locator('#lines-toggle').click()
    await sleep(300)
    await iris.page.screenshot({ path: join(folder, `${name}-more.png`) })
  }
  if (name === 'wide-light') {
    await server.end('SIGKILL')
    await sleep(2_500)
    await tomasz.typeAtEnd(' sharp.', 20)
    await sleep(300)
    await iris.page.screenshot({ path: join(folder, 'wide-outage.png') })
    await server.start()
  }
  if (name === 'wide-offline') {
    await server.end('SIGKILL')
    await iris.page.context().setOffline(true)
    for (const other of others) await other.close()
    await iris.status.filter({ hasText: 'Offline' }).waitFor()
    await iris.page.screenshot({ path: join(folder, 'wide-offline.png') })
    await server.start()
  }
  for (const editor of [iris, ...others]) await editor.close()
}

/** Somebody with the link to read only follows somebody who writes. */
async function reader(name, options) {
  const [room, keys] = [`field-notes-${name}`, freshKeys()]
  const tomasz = await Editor.open(browser, server, { room, name: 'Tomasz', query: keys.write })
  const iris = await Editor.open(browser, server, { room, name: 'Iris Moreau', query: keys.read, ...options })
  await iris.connectedTo('Tomasz')
  await tomasz.content.focus()
  await tomasz.page.keyboard.insertText(text)
  await sameText([iris, tomasz], (shown) => assert.match(shown, /bridge/), 5_000)
  if (options.isMobile) await iris.page.locator('#people-toggle').click()
  await iris.page.getByRole('button', { name: 'Follow Tomasz' }).click()
  if (options.isMobile) await iris.page.locator('#panel-close').click()
  await tomasz.page.keyboard.type('Seven o’clock.')
  await iris.page.locator('.way:has-text("ms")').first().waitFor({ state: 'attached' })
  await sleep(800)
  await iris.page.screenshot({ path: join(folder, `${name}.png`) })
  for (const editor of [iris, tomasz]) await editor.close()
}

async function colour(editor, name) {
  await editor.page.locator('#own-colour').click()
  await editor.page.locator(`.swatch.of-${name}`).click()
  await editor.page.keyboard.press('Escape')
}

async function alone(name, options, query = freshKeys().write) {
  const editor = await Editor.open(browser, server, { room: 'quiet-harbour-k3m8xq2v', name: 'Iris Moreau', query, ...options })
  await sleep(700)
  await editor.page.screenshot({ path: join(folder, `${name}.png`) })
  await editor.close()
}

async function badLink(name, options) {
  const editor = await Editor.open(browser, server, { room: 'field%20notes', name: 'Iris', ...options })
  await editor.page.screenshot({ path: join(folder, `${name}.png`) })
  await editor.close()
}
