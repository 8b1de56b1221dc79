// The connection doctor's page: on a server where all is open, behind a proxy that refuses WebSockets, and in a network that drops UDP.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { faults } from './axe.mjs'
import { launch } from './browser.mjs'
import { withoutUDP, withoutWebSockets } from './blocked.mjs'
import { certificate } from './relay.mjs'
import { Server } from './server.mjs'

let browser
let files

before(async () => {
  process.env.PARLEY_RELAY_BITS_PER_ADDRESS = '0'
  files = await certificate()
  browser = await launch('--ignore-certificate-errors')
}, { timeout: 300_000 })

after(async () => {
  await browser?.close()
  await files?.remove()
})

/** Has the doctor make its checks; tells the rows by id, and the verdict. */
async function run(t, browser, origin) {
  const context = await browser.newContext({ ignoreHTTPSErrors: true })
  t.after(() => context.close())
  await context.grantPermissions(['camera', 'microphone', 'clipboard-read', 'clipboard-write'], { origin })
  const page = await context.newPage()
  const faults = []
  page.on('pageerror', (error) => faults.push(`${error.stack ?? error}`))
  await page.goto(`${origin}/doctor`)
  await page.getByRole('button', { name: 'Run the checks' }).press('Enter')
  await page.getByRole('button', { name: 'Run again' }).waitFor({ timeout: 60_000 })
  const rows = await page.locator('.row').evaluateAll((rows) =>
    rows.map(({ dataset, innerText }) => ({ id: dataset.id, outcome: dataset.outcome, text: innerText.replaceAll(/\s+/g, ' ') })),
  )
  assert.deepEqual(faults, [])
  return { page, rows, verdict: await page.getByRole('status').and(page.locator('#verdict-text')).textContent() }
}

/** The report as the page's buttons copy it. */
async function copied(page) {
  await page.getByRole('button', { name: 'Copy as JSON' }).click()
  await page.getByText('The report is copied.').waitFor({ state: 'attached' })
  const json = await page.evaluate(() => navigator.clipboard.readText())
  await page.getByRole('button', { name: 'Copy report' }).click()
  await page.waitForFunction(async () => (await navigator.clipboard.readText()).startsWith('## Connection report'))
  return { json, markdown: await page.evaluate(() => navigator.clipboard.readText()) }
}

/** The rows whose ids begin so. */
const those = (rows, id) => rows.filter((row) => row.id === id || row.id.startsWith(`${id} `))

const bad = (rows) => rows.filter(({ outcome }) => outcome !== 'pass' && outcome !== 'skipped')

test('where all is open every row passes, and the report has no secrets', { timeout: 120_000 }, async (t) => {
  const server = await Server.start(files)
  t.after(() => server.stop())
  const { rows, verdict, page } = await run(t, browser, server.origin)
  assert.deepEqual(bad(rows), [])
  for (const id of ['server', 'join', 'clock', 'page', 'webrtc', 'websocket', 'events', 'longpoll', 'shortpoll', 'post', 'stun', 'nat', 'expiry', 'restart', 'resume']) {
    assert.deepEqual(those(rows, id).map(({ outcome }) => outcome), ['pass'], id)
  }
  const turns = those(rows, 'turn')
  assert.deepEqual(turns.map(({ text }) => /TURN over (\w+)/.exec(text)[1]), ['UDP', 'TCP', 'TLS'])
  for (const { text } of turns) assert.match(text, /channel open after .*, round trip .*, [\d.]+ Mbit\/s, \d of 50 packets lost/i)
  assert.equal(verdict, 'Peers behind this network will connect directly, and through the relay where the other side cannot.')

  const { json, markdown } = await copied(page)
  const report = JSON.parse(json)
  assert.deepEqual(report.rows.map(({ outcome }) => outcome), rows.map(({ outcome }) => outcome))
  assert.ok(report.ms < 20_000, `it took ${report.ms} ms`)
  assert.match(markdown, /^\| ok \| WebSocket \|/m)
  for (const text of [json, markdown]) {
    assert.doesNotMatch(text, /\d+\.\d+\.\d+\.\d+(?!.*(Chrome|Safari))|doctor-[\w-]{10}/)
    assert.match(text, /127\.0\.x\.x/)
  }
  assert.equal(await page.locator('#copy-text').evaluate((button) => document.activeElement === button), true)
})

const ways = [
  ['refuse', /refused/i, 'are refused'],
  ['hang', /hanging/i, 'hang'],
  ['silence', /it opens, and then nothing comes/i, 'go silent'],
]

test('WebSockets that are refused, hang or go silent are told apart', { timeout: 120_000 }, async (t) => {
  const server = await Server.start()
  t.after(() => server.stop())
  const proxies = await Promise.all(ways.map(([how]) => withoutWebSockets(server.port, how)))
  t.after(() => Promise.all(proxies.map((proxy) => proxy.close())))
  const found = await Promise.all(proxies.map(({ origin }) => run(t, browser, origin)))
  for (const [i, [, cause, words]] of ways.entries()) {
    const { rows, verdict } = found[i]
    assert.deepEqual(bad(rows).map(({ id, outcome }) => [id, outcome]), [['websocket', 'fail']])
    assert.match(those(rows, 'websocket')[0].text, cause)
    assert.match(those(rows, 'websocket')[0].text, /Cure/)
    assert.equal(verdict, `Peers behind this network will connect directly, and through the relay where the other side cannot; signaling goes by server-sent events, since WebSockets ${words}.`)
  }
})

test('a network that drops UDP is found out', { timeout: 120_000 }, async (t) => {
  const network = await withoutUDP()
  if (network === null) return t.skip('no network of its own can be made here')
  t.after(() => network.close())
  const { page, rows, verdict } = await run(t, network.browser, network.origin)
  assert.deepEqual(await faults(page), [])
  const udp = bad(rows)
  assert.deepEqual(udp.map(({ outcome }) => outcome), ['fail', 'fail'])
  assert.match(udp[0].text, /STUN over UDP.*(no answer).*a firewall drops UDP/i)
  assert.match(udp[1].text, /TURN over UDP.*(no answer over UDP).*a firewall drops UDP/i)
  assert.deepEqual(those(rows, 'turn').map(({ outcome }) => outcome), ['fail', 'pass', 'pass'])
  assert.equal(verdict, 'Peers behind this network will connect only through the relay over TCP, since UDP is blocked.')
})
