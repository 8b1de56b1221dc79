// The real server, as a process of its own on free ports of the loopback address.
import { execFile, spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { mkdtemp, readFile } from 'node:fs/promises'
import { get } from 'node:https'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const repository = fileURLToPath(new URL('../..', import.meta.url))
const startWithin = 10_000 // ms

const built = {}

/** The path of a command's binary: PARLEY_SIGNAL or PARLEY_TURN, or one built from the sources, once. */
export function binary(command = 'signal') {
  const given = process.env[`PARLEY_${command.toUpperCase()}`]
  built[command] ??= given ? Promise.resolve(given) : build(command)
  return built[command]
}

async function build(command) {
  const folder = await mkdtemp(join(tmpdir(), `parley-${command}-`))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  const path = join(folder, command)
  await promisify(execFile)('go', ['build', '-o', path, `./cmd/${command}`], { cwd: repository })
  return path
}

export class Server {
  #process = null
  #log = ''

  constructor(path, port, relayPort, files, host = '127.0.0.1') {
    this.path = path
    this.port = port
    this.relayPort = relayPort
    this.files = files
    this.host = host
    const name = host === '127.0.0.1' ? 'localhost' : host
    this.origin = files === undefined ? `http://${host}:${port}` : `https://${name}:${port}`
  }

  /** Starts a server on free ports and waits until it answers; over TLS if it gets the files of a certificate, and at another address of this host if that is said. */
  static async start(files, host) {
    const server = new Server(await binary(), await freePort('tcp'), await freePort('udp'), files, host)
    await server.start()
    return server
  }

  /** Starts the process, again on the same ports after it ended. */
  async start() {
    const flags = ['--listen', `${this.host}:${this.port}`, '--public-ip', this.host]
    flags.push('--relay-listen', `${this.host}:${this.relayPort}`, '--relay-ports', '50000-50200')
    if (this.files !== undefined) flags.push('--tls-cert', this.files.cert, '--tls-key', this.files.key)
    const started = spawn(this.path, flags, { stdio: ['ignore', 'pipe', 'pipe'] })
    this.#process = started
    for (const stream of [started.stdout, started.stderr]) stream.on('data', (bytes) => (this.#log += bytes))
    const deadline = Date.now() + startWithin
    while (!(await this.#answers())) {
      if (started.exitCode !== null) throw new Error(`the server ended with code ${started.exitCode}:\n${this.log}`)
      if (Date.now() > deadline) throw new Error(`the server does not answer:\n${this.log}`)
      await sleep(20)
    }
  }

  /** The last lines that the server wrote. */
  get log() {
    return this.#log.split('\n').slice(-40).join('\n')
  }

  /** All that it wrote. */
  get output() {
    return this.#log
  }

  /** Sends a signal and waits for the end; tells how the process ended and after how many milliseconds. */
  async end(signal) {
    const ending = this.#process
    this.#process = null
    const began = Date.now()
    ending.kill(signal)
    if (ending.exitCode === null && ending.signalCode === null) await once(ending, 'exit')
    return { code: ending.exitCode, signal: ending.signalCode, took: Date.now() - began }
  }

  /** Ends the process if it still runs. */
  async stop() {
    if (this.#process !== null) await this.end('SIGKILL')
  }

  async #answers() {
    if (this.files === undefined) return fetch(`${this.origin}/healthz`).then((reply) => reply.ok, () => false)
    const request = get(`${this.origin}/healthz`, { ca: await readFile(this.files.cert) })
    return once(request, 'response').then(([reply]) => reply.resume().statusCode === 200, () => false)
  }
}

/** A port of the loopback address that nobody has. */
export async function freePort(kind) {
  const socket = kind === 'tcp' ? createServer().listen(0, '127.0.0.1') : createSocket('udp4').bind(0, '127.0.0.1')
  await once(socket, 'listening')
  const { port } = socket.address()
  socket.close()
  return port
}
