// The relay alone, as a process of its own on free ports of the loopback addresses, and credentials for it.
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { until } from './browser.mjs'
import { close, connect, exchange, size } from './pair.mjs'
import { binary } from './server.mjs'

const startWithin = 10_000 // ms
const secret = 'a secret of the tests alone'

/** Makes a certificate for localhost that nobody else has signed; tells the files, and how to remove them. */
export async function certificate() {
  const folder = await mkdtemp(join(tmpdir(), 'parley-certificate-'))
  const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')]
  await promisify(execFile)('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'],
    ...['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1', '-keyout', key, '-out', cert],
  ])
  return { cert, key, remove: () => rm(folder, { recursive: true, force: true }) }
}

/** A username that is good for so many seconds, and its password, as whoever shares the relay's secret makes them. */
export function credential(user, seconds = 600) {
  const username = `${Math.floor(Date.now() / 1000) + seconds}:${user}`
  return { username, credential: createHmac('sha1', secret).update(username).digest('base64') }
}

export class Relay {
  #process = null
  #log = ''

  /** Starts a relay over UDP, TCP and TLS, on IPv4 and IPv6, that peers reach over IPv4 only. */
  static async start({ cert, key }) {
    const relay = new Relay()
    const listen = ['--listen', '--listen-tcp', '--listen-tls'].flatMap((flag) => [`${flag}=127.0.0.1:0`, `${flag}=[::1]:0`])
    const flags = [...listen, `--tls-cert=${cert}`, `--tls-key=${key}`, `--secret=${secret}`, '--public-ip=127.0.0.1', '--log-format=json']
    const started = spawn(await binary('turn'), flags, { stdio: ['ignore', 'pipe', 'pipe'] })
    relay.#process = started
    for (const stream of [started.stdout, started.stderr]) stream.on('data', (bytes) => (relay.#log += bytes))
    const deadline = Date.now() + startWithin
    while (!/^ {2}realm /m.test(relay.#log)) {
      if (started.exitCode !== null) throw new Error(`the relay ended with code ${started.exitCode}:\n${relay.#log}`)
      if (Date.now() > deadline) throw new Error(`the relay does not say where it listens:\n${relay.#log}`)
      await sleep(10)
    }
    return relay
  }

  /** The URL of a listener: its transport is udp, tcp or tls, and its host 127.0.0.1, [::1] or localhost. */
  url(transport, host = '127.0.0.1') {
    const address = host === 'localhost' ? '127.0.0.1' : host
    const listening = [...this.#log.matchAll(/^ {2}listening +(\w+) (\S+):(\d+)$/gm)]
    const [, , , port] = listening.find((listener) => listener[1] === transport && listener[2] === address)
    return `${transport === 'tls' ? 'turns' : 'turn'}:${host}:${port}?transport=${transport === 'udp' ? 'udp' : 'tcp'}`
  }

  /** What the relay has logged under this message about a user. */
  said(message, user) {
    const lines = this.#log.split('\n').filter((line) => line.startsWith('{') && line.endsWith('}'))
    return lines.map((line) => JSON.parse(line)).filter((line) => line.msg === message && line.user === user)
  }

  /** Waits until all allocations of a user have ended, and tells how many bytes they have relayed each way. */
  async relayed(user) {
    await until(async () => assert.equal(this.said('allocation ended', user).length, this.said('allocation made', user).length), 10_000)
    const sum = (what) => this.said('allocation ended', user).reduce((bytes, ended) => bytes + ended[what], 0)
    return { toPeers: sum('bytes_to_peers'), fromPeers: sum('bytes_from_peers') }
  }

  async stop() {
    const ending = this.#process
    if (ending.exitCode !== null || ending.signalCode !== null) return
    ending.kill('SIGKILL')
    await once(ending, 'exit')
  }
}

let users = 0

/**
 * Lets two pages meet through the relay, and nowhere else. Each side is a page and its way to the relay, such as
 * 'tcp', 'udp [::1]' or 'tls localhost'.
 */
export async function meet(relay, ...sides) {
  sides = sides.map(([page, way]) => {
    const [transport, host] = way.split(' ')
    const user = `page-${++users}`
    return { page, transport, host, user, iceServers: [{ urls: relay.url(transport, host), ...credential(user) }] }
  })
  const paths = await connect(...sides)
  assert.deepEqual(paths, sides.map(({ transport }) => ({ local: 'relay', by: transport, remote: 'relay' })))
  const pages = sides.map(({ page }) => page)
  await exchange(...pages)
  await close(...pages)

  // The relay, too, says that they came that way, that both got a relay of IPv4, and that all went through it.
  for (const { transport, host, user } of sides) {
    const made = relay.said('allocation made', user)
    assert.ok(made.length > 0)
    for (const allocation of made) {
      assert.equal(allocation.transport.toLowerCase(), transport)
      assert.equal(allocation.client.startsWith('['), host === '[::1]', `by ${host}, it came from ${allocation.client}`)
      assert.match(allocation.relayed, /^127\.0\.0\.1:\d+$/)
    }
    const { toPeers, fromPeers } = await relay.relayed(user)
    assert.ok(toPeers > 2 * size && fromPeers > 2 * size, `relayed ${toPeers} bytes out and ${fromPeers} in`)
  }
}
