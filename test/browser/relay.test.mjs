// The relay alone, as Chromium finds it when it may take no other path.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { launch } from './browser.mjs'
import { close, connect, exchange, gather, size } from './pair.mjs'
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

let users = 0

for (const [title, left, right] of [
  ['over UDP', 'udp', 'udp'],
  ['over TCP', 'tcp', 'tcp'],
  ['over TLS', 'tls', 'tls'],
  ['one over UDP and one over TLS', 'udp', 'tls'],
  ['one over TCP by IPv6 and one over UDP by IPv4', 'tcp [::1]', 'udp'],
  ['one over UDP by IPv6 and one over UDP by IPv4', 'udp [::1]', 'udp 127.0.0.1'],
]) {
  test(`two pages meet through the relay, ${title}`, { timeout: 60_000 }, async (t) => {
    const sides = await Promise.all(
      [left, right].map(async (way) => {
        const [transport, host] = way.split(' ')
        const user = `page-${++users}`
        const iceServers = [{ urls: relay.url(transport, host), ...credential(user) }]
        return { transport, host, user, iceServers, page: await open(t) }
      }),
    )
    const paths = await connect(...sides)
    assert.deepEqual(paths, sides.map(({ transport }) => ({ local: 'relay', by: transport, remote: 'relay' })))
    const pages = sides.map(({ page }) => page)
    await exchange(...pages)
    await close(...pages)

    for (const { transport, user, host = '127.0.0.1' } of sides) {
      const made = relay.said('allocation made', user)
      assert.ok(made.length > 0)
      for (const allocation of made) {
        assert.equal(allocation.transport.toLowerCase(), transport)
        assert.equal(allocation.client.replace(/:\d+$/, ''), host)
        assert.match(allocation.relayed, /^127\.0\.0\.1:\d+$/)
      }
      const { toPeers, fromPeers } = await relay.relayed(user)
      assert.ok(toPeers > 2 * size && fromPeers > 2 * size, `relayed ${toPeers} bytes out and ${fromPeers} in`)
    }
  })
}

for (const [title, refused] of [
  ['that has expired', () => credential('late', -1)],
  ['signed with another secret', () => ({ ...credential('stranger'), credential: 'c29tZXRoaW5nIGVsc2U=' })],
]) {
  for (const transport of ['udp', 'tcp', 'tls']) {
    test(`a credential ${title} gives no candidate and error 401, ${transport}`, { timeout: 60_000 }, async (t) => {
      const { candidates, errors } = await gather(await open(t), [{ urls: relay.url(transport), ...refused() }])
      assert.deepEqual(candidates, [])
      assert.ok(errors.length > 0, 'no error is told')
      for (const error of errors) assert.deepEqual(error, { errorCode: 401, url: relay.url(transport) })
    })
  }
}
