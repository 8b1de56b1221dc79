// The relay, as Firefox finds it when it may take no other path. Firefox binds no channels: what it sends and gets
// comes in Send and Data indications.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { launch } from './browser.mjs'
import { Firefox } from './firefox.mjs'
import { gather, meet } from './pair.mjs'
import { certificate, credential, Relay } from './relay.mjs'

let browsers
let files
let relay

before(async () => {
  files = await certificate()
  relay = await Relay.start(files)
  browsers = { Chromium: await launch('--ignore-certificate-errors'), Firefox: await Firefox.launch() }
}, { timeout: 300_000 })

after(async () => {
  await browsers?.Chromium.close()
  await browsers?.Firefox.close()
  await relay?.stop()
  await files?.remove()
})

/** A page in a context of its own. */
async function open(t, name) {
  const page = await browsers[name].newPage()
  t.after(() => page.close())
  return page
}

for (const [title, left, right] of [
  ['two pages of Firefox meet over UDP', 'Firefox udp', 'Firefox udp'],
  ['two pages of Firefox meet over TCP', 'Firefox tcp', 'Firefox tcp'],
  ['two pages of Firefox meet over TLS', 'Firefox tls localhost', 'Firefox tls localhost'],
  ['Firefox over UDP by IPv6 meets Chromium over UDP by IPv4', 'Firefox udp [::1]', 'Chromium udp'],
  ['Chromium over TLS by IPv6 meets Firefox over TCP by IPv4', 'Chromium tls [::1]', 'Firefox tcp'],
]) {
  test(title, { timeout: 120_000 }, async (t) => {
    const sides = [left, right].map((side) => side.split(/ (.*)/))
    await meet(relay, ...(await Promise.all(sides.map(async ([name, way]) => ({ page: await open(t, name), turn: relay.server(way) })))))
  })
}

for (const transport of ['udp', 'tcp']) {
  test(`a credential that has expired gives Firefox no candidate and error 401, ${transport}`, { timeout: 120_000 }, async (t) => {
    const { candidates, errors } = await gather(await open(t, 'Firefox'), { urls: relay.url(transport), ...credential('late', -1) })
    assert.deepEqual(candidates, [])
    assert.ok(errors.length > 0, 'no error is told')
    for (const { errorCode } of errors) assert.equal(errorCode, 401)
  })
}
