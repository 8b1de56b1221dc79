// The relay alone, as a process of its own on free ports of the loopback addresses, and credentials for it.
import { execFile, spawn } from 'node:child_process'
import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { binary } from './server.mjs'

const startWithin = 10_000 // ms
const secret = 'a secret of the tests alone'

let users = 0

/** Makes a certificate for localhost, or for these names alone, that nobody else has signed; tells the files, and how to remove them. */
export async function certificate(names = 'DNS:localhost,IP:127.0.0.1,IP:::1') {
  const folder = await mkdtemp(join(tmpdir(), 'parley-certificate-'))
  const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')]
  await promisify(execFile)('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'],
    ...['-subj', '/CN=localhost', '-addext', `subjectAltName=${names}`, '-keyout', key, '-out', cert],
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

  /** The relay as a page is told of it, with a credential of its own: `way` is such as 'tcp', 'udp [::1]' or 'tls localhost'. */
  server(way) {
    return { urls: this.url(...way.split(' ')), ...credential(`page-${++users}`) }
  }

  /** All that it wrote. */
  get output() {
    return this.#log
  }

  async stop() {
    const ending = this.#process
    if (ending.exitCode !== null || ending.signalCode !== null) return
    ending.kill('SIGKILL')
    await once(ending, 'exit')
  }
}
