// Thirty peers in one room, in real Chromium: each is connected to a few, and everybody gets everything.
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import './many.mjs'
import { until } from './browser.mjs'
import { openPage } from './client-stage.mjs'

const peers = 30
const perPage = 6

test('30 peers in one room: at most 8 connections each, messages everywhere, and still when 6 vanish at once', { timeout: 180_000 }, async (t) => {
  const pages = await Promise.all(Array.from({ length: peers / perPage }, () => openPage({ patience: 90_000 })))
  after(() => Promise.all(pages.map((page) => page.close().catch(() => {}))))
  const began = Date.now()
  await Promise.all(pages.map((page, i) => page.evaluate(joinMany, { count: perPage, first: i * perPage })))
  let connections = []
  await until(async () => {
    await Promise.all(pages.map((page) => page.evaluate(settled, { peers })))
    connections = (await Promise.all(pages.map((page) => page.evaluate(degrees)))).flat()
    assert.ok(connections.every((count) => count >= 3 && count <= 8), `connections: ${connections}`)
  }, 60_000)
  const settledAfter = Date.now() - began

  const took = []
  for (let round = 0; round < 5; round++) took.push(await spread(pages, `round ${round}`, round % pages.length))
  const quiet = await Promise.all(pages.map((page) => page.evaluate(counted)))
  for (const { doubled, disordered } of quiet) assert.deepEqual({ doubled, disordered }, { doubled: 0, disordered: 0 })

  const victim = pages.pop()
  const session = await victim.context().newCDPSession(victim)
  await Promise.race([session.send('Page.crash').catch(() => {}), new Promise((resolve) => setTimeout(resolve, 2000))])
  const atOnce = await spread(pages, 'right after', 0)
  const noticedAfter = await Promise.all(pages.map((page) => page.evaluate(noticed, { peers: 24 })))
  const later = []
  for (let round = 0; round < 5; round++) later.push(await spread(pages, `later ${round}`, round % pages.length))
  t.diagnostic(`settled ${settledAfter} ms; connections ${Math.min(...connections)}–${Math.max(...connections)}; everywhere in ${took.join(', ')} ms; ` +
    `right after 6 vanished ${atOnce} ms, noticed by all in ${Math.max(...noticedAfter)} ms, later ${later.join(', ')} ms`)
  // What the aim is, half a second, holds on a quiet machine; a loaded one gets more.
  assert.ok(Math.min(...took) < 1500, `everywhere in ${took} ms`)
})

/** Says something on one page; returns after how many milliseconds everybody has it. */
async function spread(pages, text, from) {
  const began = Date.now()
  const all = pages.map((page, i) => page.evaluate(heard, { text, but: i === from ? 1 : 0 }))
  await pages[from].evaluate(say, text)
  return Math.max(...(await Promise.all(all))) - began
}

/** In the page: joins so many times. */
async function joinMany({ count, first }) {
  window.members = Array.from({ length: count }, (_, i) => parley.member('crowd', { name: `p${first + i}`, channels: { text: {}, carets: { ordered: false, maxRetransmits: 0, latestOnly: true } } }))
}

/** In the page: waits until everybody is known to be reached, and has few connections. */
function settled({ peers }) {
  const isSettled = ({ room, connections }) =>
    room.meshed &&
    room.peers.size === peers - 1 &&
    [...room.peers.values()].every(({ state }) => state === 'connected') &&
    connections.filter(({ connectionState }) => connectionState === 'connected').length <= 8
  return parley.until('a settled mesh', () => members.every(isSettled), 80_000)
}

function degrees() {
  return members.map(({ connections }) => connections.filter(({ connectionState }) => connectionState === 'connected').length)
}

function say(text) {
  members[0].room.broadcast('text', parley.bytes(text))
}

/** In the page: waits until all but so many have it; returns when. */
async function heard({ text, but }) {
  const has = ({ messages }) => messages.some(({ data }) => parley.text(data) === text)
  await parley.until(`“${text}”`, () => members.filter(has).length >= members.length - but, 30_000)
  return Date.now()
}

function counted() {
  let doubled = 0
  let disordered = 0
  for (const { messages } of members) {
    const texts = messages.map(({ data }) => parley.text(data))
    doubled += texts.length - new Set(texts).size
    if (texts.join() !== [...texts].sort().join()) disordered++
  }
  return { doubled, disordered }
}

/** In the page: waits until those who vanished are not shown as connected; returns after how long. */
async function noticed({ peers }) {
  const began = Date.now()
  const connected = ({ room }) => [...room.peers.values()].filter(({ state }) => state === 'connected').length
  try {
    await parley.until('those who vanished', () => members.every((member) => connected(member) === peers - 1), 40_000)
  } catch (cause) {
    const seen = members.map(({ room }) => `${room.self.name}: ${[...room.peers.values()].map(({ name, state, path, presence }) => `${name} ${state} ${path?.kind} ${presence}`).join(', ')}`)
    throw new Error(`${cause.message}; ${seen.join('; ')}`)
  }
  return Date.now() - began
}
