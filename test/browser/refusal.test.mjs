// What the editor says when the server does not let it in, or has not what it needs.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { until } from './browser.mjs'
import { browser, server } from './stage.mjs'

/** Opens the editor; `route` answers its joins. The status is kept as it changes, as a screen reader would say it. */
async function open(t, room, { route, ...options }) {
  const keep = () => {
    globalThis.said = []
    addEventListener('DOMContentLoaded', () => {
      const line = document.getElementById('status-text')
      new MutationObserver(() => globalThis.said.push(line.textContent)).observe(line, { childList: true, characterData: true, subtree: true })
    })
  }
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } })
  t.after(() => context.close())
  const page = await context.newPage()
  await page.addInitScript(keep)
  if (route !== undefined) await page.route('**/sessions', route)
  await page.goto(`${server.origin}/?room=${room}${options.query ?? ''}`)
  return page
}

const refusal = (status, code) => (route) => route.fulfill({ status, json: { error: { code, message: `it is ${code}` } } })

for (const [code, status, says] of [
  ['room_full', 409, 'This text has as many people as it may have. You get in when somebody leaves'],
  ['unavailable', 503, 'The signaling server answers, but cannot let anybody in just now'],
  ['origin_denied', 403, 'The signaling server does not serve pages from this address'],
]) {
  test(`it says once that the server answers ${code}, and does not speak of others`, { timeout: 60_000 }, async (t) => {
    let tries = 0
    const page = await open(t, 'refused', { route: (route) => (tries++, refusal(status, code)(route)) })
    await until(async () => assert.equal(await page.locator('#status-text').textContent(), says), 5_000)
    if (code !== 'origin_denied') await until(async () => assert.ok(tries >= 4), 20_000)
    assert.deepEqual((await page.evaluate(() => said)).filter((text) => !/^Connecting/.test(text)), [says])
    assert.ok(!(await page.getByText('Nobody else is here yet').isVisible()))
    assert.equal(await page.locator('#people-summary').textContent(), 'Not connected yet')
  })
}

test('a server that cannot be reached is called that, once', { timeout: 60_000 }, async (t) => {
  let tries = 0
  const page = await open(t, 'unreached', { route: (route) => (tries++, route.abort()) })
  await until(async () => assert.ok(tries >= 4), 20_000)
  assert.deepEqual((await page.evaluate(() => said)).filter((text) => !/^Connecting/.test(text)), ['The signaling server cannot be reached'])
  await page.unroute('**/sessions')
  await until(async () => assert.match(await page.locator('#status-text').textContent(), /Nobody else is here yet$/), 15_000)
  await until(async () => assert.ok(await page.getByText('Nobody else is here yet. Send somebody the link').isVisible()), 2_000)
})

test('a page that wants relayed paths only says when its server has no relay', { timeout: 60_000 }, async (t) => {
  const route = async (route) => {
    const response = await route.fetch()
    await route.fulfill({ response, json: { ...(await response.json()), iceServers: [{ urls: ['stun:127.0.0.1:9'] }] } })
  }
  const page = await open(t, 'no-relay', { route, query: '&ice=relay' })
  await until(async () => assert.equal(await page.locator('#status-text').textContent(), 'Only relayed connections are allowed, and this server has no relay'), 5_000)
})

test('a name that the app behind the server decides is shown as one’s own', { timeout: 60_000 }, async (t) => {
  const route = async (route) => {
    const response = await route.fetch()
    await route.fulfill({ response, json: { ...(await response.json()), name: 'Ada Lovelace' } })
  }
  const page = await open(t, 'named', { route })
  await until(async () => assert.equal(await page.locator('#own-name').inputValue(), 'Ada Lovelace'), 5_000)
})
