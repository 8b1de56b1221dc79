// Takes pictures of the connection doctor: `test/isolate.sh node doctor-screenshots.mjs FOLDER`. All open, WebSockets blocked and UDP
// dropped, wide and phone, light and dark, and while it runs.
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { withoutUDP, withoutWebSockets } from './blocked.mjs'
import { launch } from './browser.mjs'
import { certificate } from './relay.mjs'
import { Server } from './server.mjs'

const folder = process.argv[2]
if (folder === undefined) {
  console.error('say where to: node doctor-screenshots.mjs FOLDER')
  process.exit(2)
}
await mkdir(folder, { recursive: true })

const wide = { viewport: { width: 1280, height: 900 } }
const phone = { viewport: { width: 390, height: 844 } }

const files = await certificate()
const browser = await launch('--ignore-certificate-errors')
const server = await Server.start(files)
const clear = await Server.start()
const proxy = await withoutWebSockets(clear.port, 'refuse')
const network = await withoutUDP()
try {
  await take('open', browser, server.origin)
  await take('no-websocket', browser, proxy.origin)
  if (network !== null) await take('no-udp', network.browser, network.origin)
} finally {
  await browser.close()
  await network?.close()
  await proxy.close()
  await server.stop()
  await clear.stop()
  await files.remove()
}

/** One run, pictured in all shapes. */
async function take(name, browser, origin) {
  const context = await browser.newContext({ ignoreHTTPSErrors: true, ...wide })
  await context.grantPermissions(['camera', 'microphone'], { origin })
  const page = await context.newPage()
  await page.goto(`${origin}/doctor?run`)
  await page.locator('.row[data-outcome="pass"]').nth(7).waitFor()
  if (name === 'open') await page.screenshot({ path: join(folder, 'running-wide.png') })
  await page.getByRole('button', { name: 'Run again' }).waitFor({ timeout: 60_000 })
  for (const [shape, { viewport }] of Object.entries({ wide, phone })) {
    await page.setViewportSize(viewport)
    for (const colorScheme of ['light', 'dark']) {
      await page.emulateMedia({ colorScheme })
      await page.screenshot({ path: join(folder, `${name}-${shape}-${colorScheme}.png`), fullPage: true })
    }
  }
  await context.close()
}
