// The browser and the server that the tests of one file share: whoever imports them has them from its first test on.
import { after, before } from 'node:test'
import { launch } from './browser.mjs'
import { Server } from './server.mjs'

export let server
export let browser

before(async () => {
  browser = await launch()
  server = await Server.start()
}, { timeout: 300_000 })

after(async () => {
  await browser?.close()
  await server?.stop()
})
