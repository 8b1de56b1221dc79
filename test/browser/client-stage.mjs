// The browser, and the server with nothing but the client in its page, that the tests of one file share: whoever imports
// them has them from its first test on.
import { rm } from 'node:fs/promises'
import { after, before } from 'node:test'
import { launch } from './browser.mjs'
import { clientPage } from './client-page.mjs'
import { Server } from './server.mjs'

let folder

export let server
export let browser

before(async () => {
  folder = await clientPage()
  process.env.PARLEY_WEB_DIR = folder
  server = await Server.start()
  browser = await launch()
})

after(async () => {
  await browser?.close()
  await server?.stop()
  await rm(folder, { recursive: true, force: true })
})

/** Opens the page in a context of its own; what is waited for there fails after `patience` milliseconds. */
export async function openPage({ within = browser, patience = 30_000 } = {}) {
  const context = await within.newContext()
  await context.grantPermissions(['camera', 'microphone'], { origin: server.origin })
  const page = await context.newPage()
  page.setDefaultTimeout(patience)
  await page.goto(server.origin)
  return page
}
