// Real WebKitGTK, which has no WebRTC, by the little of WebDriver that the tests need.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { keyboard } from './keyboard.mjs'
import { freePort } from './server.mjs'

const startWithin = 60_000 // ms

/** One window of the browser, on a screen that nobody sees. */
export class WebKit {
  #processes = []
  #home = ''
  #log = ''
  #session = ''

  keyboard = keyboard((actions) => this.#ask('POST', '/actions', { actions }))

  static async launch() {
    const webkit = new WebKit()
    try {
      await webkit.#start()
    } catch (error) {
      await webkit.close()
      throw error
    }
    return webkit
  }

  async #start() {
    this.#home = await mkdtemp(join(tmpdir(), 'parley-webkit-'))
    const binary = await miniBrowser()
    let screen
    this.#run('Xvfb', ['-displayfd', '1', '-screen', '0', '1280x800x24', '-nolisten', 'tcp'])
    await this.#when('there is a screen', async () => (screen = /^\d+$/m.exec(this.#log)) !== null)
    const port = await freePort('tcp')
    const env = { DISPLAY: `:${screen}`, HOME: this.#home, XDG_RUNTIME_DIR: this.#home, LIBGL_ALWAYS_SOFTWARE: '1', GDK_BACKEND: 'x11' }
    this.#run('WebKitWebDriver', ['--host=127.0.0.1', `--port=${port}`], env)
    const driver = `http://127.0.0.1:${port}`
    await this.#when('the driver answers', () => fetch(`${driver}/status`).then(({ ok }) => ok, () => false))
    this.#session = `${driver}/session`
    const options = { binary, args: ['--automation'] }
    const { sessionId } = await this.#ask('POST', '', { capabilities: { alwaysMatch: { 'webkitgtk:browserOptions': options } } })
    this.#session += `/${sessionId}`
  }

  #run(program, flags, env = {}) {
    const started = spawn(program, flags, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } })
    this.#processes.push(started)
    started.on('error', (error) => (this.#log += `${error.message}: install xvfb and webkit2gtk-driver\n`))
    for (const stream of [started.stdout, started.stderr]) stream.on('data', (bytes) => (this.#log += bytes))
  }

  async #when(what, condition) {
    const deadline = Date.now() + startWithin
    while (!(await condition())) {
      const isOver = this.#processes.some(({ pid, exitCode }) => pid === undefined || exitCode !== null)
      if (isOver || Date.now() > deadline) throw new Error(`waited in vain until ${what}:\n${this.#log}`)
      await sleep(10)
    }
  }

  goto(url) {
    return this.#ask('POST', '/url', { url })
  }

  reload() {
    return this.#ask('POST', '/refresh', {})
  }

  async evaluate(run, argument) {
    const script = `const done = arguments[1]; Promise.resolve(arguments[0]).then(${run}).then((value) => done([value]), (error) => done(String(error)))`
    const answer = await this.#ask('POST', '/execute/async', { script, args: [argument ?? null] })
    if (!Array.isArray(answer)) throw new Error(answer)
    return answer[0]
  }

  async #ask(method, path, body) {
    const reply = await fetch(this.#session + path, { method, body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } })
    const { value } = await reply.json()
    if (!reply.ok) throw new Error(`WebKit: ${value.error}: ${value.message}\n${this.#log}`)
    return value
  }

  async close() {
    if (this.#session.includes('/session/')) await fetch(this.#session, { method: 'DELETE' }).catch(() => {})
    for (const ending of this.#processes.reverse()) {
      if (ending.pid === undefined || ending.exitCode !== null || ending.signalCode !== null) continue
      ending.kill('SIGKILL')
      await once(ending, 'exit')
    }
    await rm(this.#home, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 })
  }
}

/** The browser that comes with the library. */
async function miniBrowser() {
  for (const folder of await readdir('/usr/lib')) {
    const path = `/usr/lib/${folder}/webkit2gtk-4.1/MiniBrowser`
    if (existsSync(path)) return path
  }
  assert.fail('no browser of WebKitGTK: install webkit2gtk-driver')
}
