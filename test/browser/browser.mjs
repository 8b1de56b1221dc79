// Real Chromium, and the editor in it as a person sees it: everything here reads the page, nothing reaches behind it.
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { setTimeout as sleep } from 'node:timers/promises'

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
export class Editor {
  /** What went wrong in the page. */
  faults = []
  /** Where its requests went. */
  origins = new Set()

  constructor(context, page, origin) {
    this.context = context
    this.page = page
    this.origin = origin
    this.content = page.locator('.cm-content')
    this.status = page.locator('#status-text')
    this.others = page.locator('#people li[data-peer]')
  }

  /** Opens the editor as somebody called `name`; `query` adds to the address, the rest is for the browser context. */
  static async open(browser, server, { room, name, query = '', address = `/?room=${room}${query}`, prepare, ...contextOptions }) {
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...contextOptions })
    // Host candidates of pages with this permission are addresses, which need no multicast DNS.
    await context.grantPermissions(['camera', 'microphone', 'clipboard-read', 'clipboard-write'], { origin: server.origin })
    const page = await context.newPage()
    const editor = new Editor(context, page, server.origin)
    editor.#watch()
    if (name !== undefined) await page.addInitScript(rememberName, name)
    if (prepare !== undefined) await page.addInitScript(prepare)
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

  /** The text, as far as it is on the screen. */
  text() {
    return this.content.evaluate((content) => {
      const copy = content.cloneNode(true)
      for (const hint of copy.querySelectorAll('.cm-placeholder')) hint.remove()
      return [...copy.querySelectorAll('.cm-line')].map((line) => line.textContent).join('\n')
    })
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

  /** Types at the end of the text, key by key. */
  async typeAtEnd(text, delay = 10) {
    await this.content.focus()
    await this.page.keyboard.press('Control+End')
    await this.page.keyboard.type(text, { delay })
  }

  /** The others in the list: name, state, path and what it says in words. */
  people() {
    return this.others.evaluateAll((items) =>
      items.map((item) => ({
        name: item.querySelector('.name').textContent,
        state: item.dataset.state,
        path: item.dataset.path,
        way: item.querySelector('.way').textContent,
      })),
    )
  }

  /** The names at the others' carets in the text. */
  carets() {
    return this.page.locator('.cm-content .caret').evaluateAll((carets) => carets.map((caret) => caret.dataset.name))
  }

  /** Waits until exactly these others are in the list, each connected. */
  async connectedTo(...names) {
    await until(async () => {
      const people = await this.people()
      const listed = people.map(({ name }) => name).sort()
      assert.deepEqual(listed, [...names].sort())
      for (const { name, state } of people) assert.equal(state, 'connected', `${name} is ${state}`)
    }, 15_000)
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

/** Repeats a check until it holds; fails with its last failure once `within` milliseconds are over. Returns how many it took. */
export async function until(check, within) {
  const began = Date.now()
  for (;;) {
    try {
      await check()
      return Date.now() - began
    } catch (error) {
      if (!(error instanceof assert.AssertionError)) throw error
      if (Date.now() - began > within) {
        error.message = `still after ${within} ms: ${error.message}`
        throw error
      }
      await sleep(15)
    }
  }
}

/** Waits until all these editors show the same text, and that text passes the check. */
export function sameText(editors, check, within) {
  return until(async () => {
    const [first, ...others] = await Promise.all(editors.map((editor) => editor.text()))
    for (const other of others) assert.equal(other, first)
    check(first)
  }, within)
}
