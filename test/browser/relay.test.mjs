// The relay alone, as Chromium finds it when it may take no other path.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { launch } from './browser.mjs'
import { gather, meet } from './pair.mjs'
import { certificate, credential, Relay } from './relay.mjs'

let browser
let files
let relay

before(async () => {
  files = await certificate()
  relay = await Relay.start(files)
  browser = await launch('--ignore-certificate-errors')
}, { timeout: 300_000 })

after(async () => {
  await browser?.close()
  await relay?.stop()
  await files?.remove()
})

/** A page in a browser context of its own. */
async function open(t) {
  const context = await browser.newContext()
  t.after(() => context.close())
  return context.newPage()
}

for (const [title, left, right] of [
  ['over UDP', 'udp', 'udp'],
  ['over TCP', 'tcp', 'tcp'],
  ['over TLS', 'tls', 'tls'],
  ['one over UDP and one over TLS', 'udp', 'tls'],
  ['one over UDP by IPv6 and one over UDP by IPv4', 'udp [::1]', 'udp'],
  ['one over TLS by IPv6 and one over TCP by IPv4', 'tls [::1]', 'tcp'],
]) {
  test(`two pages meet through the relay, ${title}`, { timeout: 120_000 }, async (t) => {
    await meet(relay, { page: await open(t), turn: relay.server(left) }, { page: await open(t), turn: relay.server(right) })
  })
}

for (const [title, transport, refused] of [
  ['that has expired', 'udp', () => credential('late', -1)],
  ['that has expired', 'tcp', () => credential('late', -1)],
  ['that has expired', 'tls', () => credential('late', -1)],
  ['signed with another secret', 'udp', () => ({ ...credential('stranger'), credential: 'c29tZXRoaW5nIGVsc2U=' })],
]) {
  test(`a credential ${title} gives no candidate and error 401, ${transport}`, { timeout: 120_000 }, async (t) => {
    const { candidates, errors } = await gather(await open(t), { urls: relay.url(transport), ...refused() })
    assert.deepEqual(candidates, [])
    assert.ok(errors.length > 0, 'no error is told')
    for (const error of errors) assert.deepEqual(error, { errorCode: 401, url: relay.url(transport) })
  })
}
