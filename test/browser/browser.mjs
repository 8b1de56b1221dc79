// Real Chromium, and the editor in it as a person sees it: everything here reads the page, nothing reaches behind it.
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { Writer } from './writer.mjs'

export { sameText, until } from './writer.mjs'

const { chromium } = createRequire(new URL('../../web/package.json', import.meta.url))('playwright-core')

export const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium'
const flags = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--allow-loopback-in-peer-connection',
]

/** What the browser itself writes to the console when a server is not there. */
const networkNoise = /^Failed to load resource: |^WebSocket connection to '.*' failed: /

/** Starts a browser that can be killed; returns it, and what kills it. */
export async function launchMortal() {
  const server = await chromium.launchServer({ executablePath, args: flags })
  const browser = await chromium.connect(server.wsEndpoint())
  return { browser, kill: () => server.process().kill('SIGKILL') }
}

/** Starts the browser; `more` are flags beside the usual ones. */
export async function launch(...more) {
  return launchAt(executablePath, ...more)
}

/** The same, by another program. */
export async function launchAt(path, ...more) {
  assert.ok(existsSync(path), `no browser at ${path}: install chromium, or say in CHROMIUM where it is`)
  return chromium.launch({ executablePath: path, args: [...flags, ...more] })
}

/** The editor, open in a browser context of its own: another person's browser. */
export class Editor extends Writer {
  /** What went wrong in the page. */
  faults = []
  /** Where its requests went. */
  origins = new Set()

  constructor(context, page, origin) {
    super(page)
    this.context = context
    this.origin = origin
    this.content = page.locator('.cm-content')
    this.status = page.locator('#status-text')
    this.others = page.locator('#people li[data-peer]')
  }

  /** Opens the editor as somebody called `name`; `query` adds to the address, `listen` gets the empty page, the rest is for the browser context. */
  static async open(browser, server, { room, name, query = '', address = `/?room=${room}${query}`, prepare, listen, ...contextOptions }) {
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...contextOptions })
    // Host candidates of pages with this permission are addresses, which need no multicast DNS.
    const isTrusted = /^https:|\/\/(localhost|127\.)/.test(server.origin) // others cannot be permitted anything
    if (isTrusted) await context.grantPermissions(['camera', 'microphone', 'clipboard-read', 'clipboard-write'], { origin: server.origin })
    const page = await context.newPage()
    const editor = new Editor(context, page, server.origin)
    editor.#watch()
    if (name !== undefined) await page.addInitScript(rememberName, name)
    if (prepare !== undefined) await page.addInitScript(prepare)
    listen?.(page)
    await page.goto(server.origin + address)
    return editor
  }

  /** Opens the same text, or another address, in another tab of the same browser. */
  async tab(address = this.page.url()) {
    const tab = new Editor(this.context, await this.context.newPage(), this.origin)
    tab.#watch()
    await tab.page.goto(address)
    return tab
  }

  #watch() {
    this.context.on('request', (request) => this.origins.add(new URL(request.url()).origin))
    this.page.on('websocket', (socket) => this.origins.add(new URL(socket.url()).origin.replace(/^ws/, 'http')))
    this.page.on('pageerror', (error) => this.faults.push(`page error: ${error.stack ?? error}`))
    this.page.on('crash', () => this.faults.push('the page crashed'))
    this.page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) this.faults.push(`console: ${message.text()}`)
    })
  }

  look(run) {
    return this.page.locator(':root').evaluate(run)
  }

  /** The whole text, as somebody gets it who selects and copies everything. */
  async copiedText() {
    await this.content.focus()
    await this.page.keyboard.press('Control+A')
    await this.page.keyboard.press('Control+C')
    return this.page.evaluate(() => navigator.clipboard.readText())
  }

  /** Pastes at the caret. */
  async paste(text) {
    await this.content.focus()
    await this.page.evaluate((copied) => navigator.clipboard.writeText(copied), text)
    await this.page.keyboard.press('Control+V')
  }

  /** Fails when anything went wrong in the page, or it spoke to anybody but its own server. */
  assertClean({ serverWasGone = false } = {}) {
    const faults = this.faults.filter((fault) => !(serverWasGone && networkNoise.test(fault.replace(/^console: /, ''))))
    assert.deepEqual(faults, [])
    assert.deepEqual([...this.origins], [this.origin])
  }

  close() {
    return this.context.close()
  }
}

function rememberName(name) {
  if (localStorage.getItem('parley.identity') === null) localStorage.setItem('parley.identity', JSON.stringify({ name, colour: 'teal' }))
}
