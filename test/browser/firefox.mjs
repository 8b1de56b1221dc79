// Real Firefox, by the little of WebDriver BiDi that the tests need: pages, and functions that run in them.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { keyboard } from './keyboard.mjs'

const { WebSocket } = createRequire(new URL('../../web/package.json', import.meta.url))('ws')

const executablePath = process.env.FIREFOX ?? '/usr/bin/firefox-esr'
const startWithin = 60_000 // ms

/** Beside those that Firefox sets by itself when it is driven, mostly to stay silent. */
const preferences = {
  'media.peerconnection.ice.loopback': true, // the relay is there
  'media.peerconnection.ice.obfuscate_host_addresses': false, // names of multicast DNS are for nobody here
  'browser.region.network.url': '',
  'browser.search.update': false,
  'datareporting.policy.dataSubmissionEnabled': false,
  'network.captive-portal-service.enabled': false,
  'network.connectivity-service.enabled': false,
  'network.trr.mode': 5, // names are asked of the system
  'services.settings.server': 'data:,',
}

export class Firefox {
  #process = null
  #profile = ''
  #log = ''
  #socket = null
  #commands = 0
  #answers = new Map() // of commands by their number, as [resolve, reject]

  /** Starts the browser: here, or at some place. */
  static async launch(place = null) {
    const path = place === null ? executablePath : await place.program(executablePath)
    assert.ok(existsSync(path), `no browser at ${path}: install firefox-esr, or say in FIREFOX where it is`)
    const firefox = new Firefox()
    try {
      await firefox.#start(path, place)
    } catch (error) {
      await firefox.close()
      throw error
    }
    return firefox
  }

  async #start(path, place) {
    this.#profile = await mkdtemp(join(tmpdir(), 'parley-firefox-'))
    const lines = Object.entries(preferences).map(([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});\n`)
    await writeFile(join(this.#profile, 'user.js'), lines.join(''))
    const flags = ['--headless', '--no-remote', '--profile', this.#profile, '--remote-debugging-port', '0']
    const started = spawn(path, flags, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, HOME: this.#profile } })
    this.#process = started
    for (const stream of [started.stdout, started.stderr]) stream.on('data', (bytes) => (this.#log += bytes))
    const deadline = Date.now() + startWithin
    let listening
    while ((listening = /^WebDriver BiDi listening on (ws:\S+)$/m.exec(this.#log)) === null) {
      if (started.exitCode !== null) throw new Error(`Firefox ended with code ${started.exitCode}:\n${this.#log}`)
      if (Date.now() > deadline) throw new Error(`Firefox does not listen:\n${this.#log}`)
      await sleep(20)
    }
    const { host, port } = new URL(listening[1])
    const there = place === null ? `ws://${host}` : `ws+unix:${await place.door(port)}:`
    this.#socket = new WebSocket(`${there}/session`, { perMessageDeflate: false, headers: { Host: host } })
    this.#socket.on('message', (message) => this.#receive(JSON.parse(message)))
    this.#socket.on('close', () => this.#fail(new Error(`Firefox is gone:\n${this.#log}`)))
    await once(this.#socket, 'open')
    await this.#command('session.new', { capabilities: { alwaysMatch: { acceptInsecureCerts: true } } })
  }

  /** A page in a container of its own: another person's browser, as far as pages can tell. */
  async newPage() {
    const { userContext } = await this.#command('browser.createUserContext', {})
    const { context } = await this.#command('browsingContext.create', { type: 'tab', userContext, background: true })
    return {
      goto: (url) => this.#command('browsingContext.navigate', { context, url, wait: 'complete' }),
      reload: () => this.#command('browsingContext.reload', { context, wait: 'complete' }),
      bringToFront: () => this.#command('browsingContext.activate', { context }), // where one types, and has a caret
      keyboard: keyboard((actions) => this.#command('input.performActions', { context, actions })),
      evaluate: (run, argument) => this.#evaluate(context, run, argument),
      close: () => this.#command('browser.removeUserContext', { userContext }),
    }
  }

  async #evaluate(context, run, argument) {
    const { result, exceptionDetails } = await this.#command('script.callFunction', {
      functionDeclaration: `async (json) => JSON.stringify(await (${run})(json && JSON.parse(json)))`,
      arguments: [argument === undefined ? { type: 'undefined' } : { type: 'string', value: JSON.stringify(argument) }],
      target: { context },
      awaitPromise: true,
    })
    if (exceptionDetails !== undefined) throw new Error(exceptionDetails.text)
    return result.type === 'string' ? JSON.parse(result.value) : undefined
  }

  #command(method, params) {
    const id = ++this.#commands
    return new Promise((resolve, reject) => {
      this.#answers.set(id, [resolve, reject])
      this.#socket.send(JSON.stringify({ id, method, params }), (error) => error && this.#fail(error))
    })
  }

  #receive({ id, type, result, error, message }) {
    const [resolve, reject] = this.#answers.get(id) ?? []
    this.#answers.delete(id)
    if (type === 'success') resolve?.(result)
    else reject?.(new Error(`${error}: ${message}`))
  }

  #fail(error) {
    for (const [, reject] of this.#answers.values()) reject(error)
    this.#answers.clear()
  }

  async close() {
    this.#socket?.terminate()
    const ending = this.#process
    if (ending !== null && ending.exitCode === null && ending.signalCode === null) {
      ending.kill('SIGKILL')
      await once(ending, 'exit')
    }
    await rm(this.#profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 }) // its helpers end after it
  }
}
