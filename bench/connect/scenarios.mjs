// What is measured, each time with a server, a front and browser contexts of its own.
import { setTimeout as sleep } from 'node:timers/promises'
import { credentials, start } from './contenders.mjs'
import { front } from './front.mjs'

const settled = 500 // ms that the first page is in the room before the second comes
const patience = { pair: 10_000, crowd: 30_000 } // ms

/** The pages of one run, in a room of their own. */
class Stage {
  #contexts = []

  constructor(browser, name, { origin }) {
    this.browser = browser
    this.name = name
    this.origin = origin
    this.room = `room-${Math.random().toString(36).slice(2, 10)}`
  }

  /** An empty page in a context of its own. */
  async page() {
    const context = await this.browser.newContext()
    this.#contexts.push(context)
    // Host candidates of pages with this permission are addresses, which need no multicast DNS.
    await context.grantPermissions(['camera', 'microphone'], { origin: this.origin })
    return context.newPage()
  }

  async open(page, number) {
    await page.goto(`${this.origin}/bench/${this.name}.html?room=${this.room}&number=${number}${credentials(this.name, this.room, number)}`)
    if (!(await page.evaluate(() => 'bench' in globalThis))) throw new Error(`the page of ${this.name} does not run`)
  }

  async close() {
    await Promise.all(this.#contexts.map((context) => context.close()))
  }
}

/** Runs `play` on a stage, and takes everything down again. */
async function staged({ browser, pages }, name, way, play) {
  const server = await start(name)
  const opened = await front(server.port, pages, way)
  const stage = new Stage(browser, name, opened)
  try {
    return await play(stage)
  } finally {
    await stage.close()
    opened.stop()
    await server.stop()
  }
}

const state = (page) => page.evaluate(() => ({ began: bench.began, ready: bench.ready, heard: [...bench.heard.values()], errors: bench.errors }))

/** Waits until this holds for the state of a page; returns whether it came to that. */
async function until(page, condition, within) {
  const deadline = Date.now() + within
  while (!condition(await state(page))) {
    if (Date.now() > deadline) return false
    await sleep(20)
  }
  return true
}

/**
 * One page is in the room, another comes: milliseconds from the second's navigation to its first message at the first, or
 * null when none came.
 */
export function pair(lab, name, way = 'open') {
  return staged(lab, name, way, async (stage) => {
    const [first, second] = [await stage.page(), await stage.page()]
    await stage.open(first, 0)
    // Where WebSockets are blocked, those who know no other way are never ready.
    await until(first, ({ ready }) => ready, way === 'open' ? patience.pair : 2000)
    await sleep(settled)
    await stage.open(second, 1)
    await until(first, ({ heard }) => heard.length > 0, patience.pair)
    const [{ heard }, { began }] = [await state(first), await state(second)]
    return heard.length === 0 ? null : heard[0] - began
  })
}

/** So many pages open at once: milliseconds from the first's navigation until all heard from all, and the pairs that did not. */
export function crowd(lab, name, size) {
  return staged(lab, name, 'open', async (stage) => {
    const pages = []
    for (let i = 0; i < size; i++) pages.push(await stage.page())
    await Promise.all(pages.map((page, i) => stage.open(page, i)))
    const deadline = Date.now() + patience.crowd
    for (const page of pages) await until(page, ({ heard }) => heard.length >= size - 1, Math.max(0, deadline - Date.now()))
    const states = await Promise.all(pages.map(state))
    const ways = states.reduce((sum, { heard }) => sum + heard.length, 0)
    const last = Math.max(...states.flatMap(({ heard }) => heard))
    const took = last - Math.min(...states.map(({ began }) => began))
    return { took: Number.isFinite(took) ? took : null, missing: Math.ceil((size * (size - 1) - ways) / 2) }
  })
}
