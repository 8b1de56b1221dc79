// Every kind of link, and every way in which one can fail to work, with the real server and a bad proxy in front of it.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { linkKinds, type LinkKind } from './link.ts'
import { Member } from './testing/member.ts'
import { Middlebox, type Habits } from './testing/middlebox.ts'
import { Server } from './testing/server.ts'
import { until } from './testing/waiting.ts'

let server: Server
let box: Middlebox
let members: Member[] = []
let rooms = 0
let room = ''

before(async () => {
  server = await Server.build()
  box = await Middlebox.start(server.url)
})
after(async () => {
  await box.stop()
  await server.dispose()
})
afterEach(() => {
  for (const member of members) member.signaling.leave()
  members = []
  box.habits = {}
  box.harmed.length = 0
})

function member(links?: readonly LinkKind[], url = box.url): Member {
  const made = new Member({ url, room, ...(links && { links }) })
  members.push(made)
  return made
}

async function pair(...links: LinkKind[]): Promise<[Member, Member]> {
  room = `links-${++rooms}`
  const kinds = links.length > 0 ? links : undefined
  const [a, b] = [await member(kinds).join(), await member(kinds).join()]
  await until('each knows the other', () => a.knows(b) && b.knows(a))
  return [a, b]
}

const upTo = (count: number) => Array.from({ length: count }, (_, i) => i)

/** Has both say so much to each other, and checks that each of it arrives once and in order. */
async function talk(a: Member, b: Member, count: number, meanwhile = async (_: number) => {}, within = 30_000): Promise<void> {
  const [hadByA, hadByB] = [a.received.length, b.received.length]
  for (let i = 0; i < count; i++) {
    a.send(b, i)
    b.send(a, i)
    await meanwhile(i)
  }
  await until('all signals', () => a.received.length >= hadByA + count && b.received.length >= hadByB + count, within)
  assert.deepEqual(a.data.slice(hadByA), upTo(count))
  assert.deepEqual(b.data.slice(hadByB), upTo(count))
}

for (const kind of linkKinds) {
  test(`${kind} alone carries everything, once and in order`, async () => {
    const [a, b] = await pair(kind)
    await a.uses(kind)
    await talk(a, b, 200, (i) => (i % 20 === 0 ? sleep(randomInt(8)) : Promise.resolve()))
    const { requests } = a.network
    const [polls, posts, streams] = ['GET /frames', 'POST /frames', 'GET /events'].map((start) => requests.filter((r) => r.startsWith(start)).length)
    assert.equal(polls! > 0, kind.endsWith('poll'))
    assert.equal(posts! > 0, kind !== 'websocket')
    assert.equal(streams! > 0, kind === 'events')
    assert.ok(posts! < 100, `${posts} posts for 200 frames`)
    assert.equal(requests.some((r) => r.includes('wait=')), kind === 'long-poll')
  })
}

/** Who waited for what is blocked would wait so long, in milliseconds. What remains is much less, but for a loaded machine. */
const proofTime = 8000

interface Case {
  habits: Habits
  /** What is in use in the end. */
  via: LinkKind
  /** A wait of polls is cut, and that is not tried much more often than this. */
  cuts?: number
}

const blocked: Record<string, Case> = {
  'nothing': { habits: {}, via: 'websocket' },
  'WebSocket, by 403': { habits: { webSocket: 403 }, via: 'events' },
  'WebSocket, by 404': { habits: { webSocket: 404 }, via: 'events' },
  'WebSocket, by 426': { habits: { webSocket: 426 }, via: 'events' },
  'WebSocket, which hangs in its handshake': { habits: { webSocket: 'hang' }, via: 'events' },
  'WebSocket, which opens and says nothing': { habits: { webSocket: 'mute' }, via: 'events' },
  'WebSocket, and events by 403': { habits: { webSocket: 403, events: 403 }, via: 'long-poll' },
  'WebSocket, and events that are held back': { habits: { webSocket: 403, events: 'hold' }, via: 'long-poll' },
  'all but requests of 2 s': { habits: { webSocket: 'hang', answerWithin: 2000 }, via: 'long-poll', cuts: 3 },
  'all but requests of 0.3 s': { habits: { webSocket: 403, answerWithin: 300 }, via: 'short-poll', cuts: 5 },
}

test('blocked', { concurrency: true }, async (t) => {
  await Promise.all(Object.entries(blocked).map(([what, { habits, via, cuts = 0 }]) =>
    t.test(what, async (t) => {
      const box = await Middlebox.start(server.url, habits)
      const room = `blocked-${++rooms}`
      const [a, b] = [new Member({ url: box.url, room }), new Member({ url: box.url, room })]
      try {
        await a.join()
        const began = performance.now()
        b.signaling.start()
        await until('each knows the other', () => b.replies.length > 0 && a.knows(b) && b.knows(a))
        b.send(a, 'hello')
        await until('the first signal', () => a.received.length === 1)
        a.send(b, 'welcome')
        await until('the answer', () => b.received.length === 1)
        const took = performance.now() - began
        t.diagnostic(`${what}: ${Math.round(took)} ms from the join to the first answer`)
        assert.ok(took < proofTime, `${took} ms`)
        await until('a cut', () => cuts === 0 || box.harmed.includes('504 frames'), 20_000)
        await Promise.all([a, b].map((one) => one.uses(via, 20_000)))
        await talk(a, b, 50, () => sleep(randomInt(20)))
        for (const one of [a, b]) {
          assert.equal(one.replies.length, 1)
          assert.deepEqual(one.log, [])
          assert.ok(one.links.length <= 8, JSON.stringify(one.links))
        }
        assert.ok(box.harmed.length <= 8 + 2 * cuts, `tried in vain: ${box.harmed.join()}`)
      } finally {
        for (const one of [a, b]) one.signaling.leave()
        await box.stop()
      }
    }),
  ))
})

test('a WebSocket that goes silent is left, and what was lost on it comes by the next link', async () => {
  room = `links-${++rooms}`
  const [a, b] = [member(['websocket', 'long-poll']), member(['websocket', 'long-poll'])]
  for (const one of [a, b]) one.network.change = { heartbeat: 1 }
  await Promise.all([a.join(), b.join()])
  await until('each knows the other', () => a.knows(b) && b.knows(a))
  await a.uses('websocket')
  await b.uses('websocket')
  box.habits = { webSocket: 'silent' }
  await talk(a, b, 20)
  await a.uses('long-poll')
  assert.equal(a.replies.length + b.replies.length, 2)
})

test('a WebSocket that goes silent is left two seconds after the page woke', async () => {
  const [a, b] = await pair()
  await a.uses('websocket')
  await b.uses('websocket')
  box.habits = { webSocket: 'silent' }
  for (const one of [a, b]) one.signaling.wake()
  await talk(a, b, 20) // else it would be left after two heartbeats, 50 s
  assert.ok([a, b].every((one) => one.links.some(({ name }) => name === 'connecting')))
})

test('a better link that works later takes over, without harm to what is on its way', async () => {
  box.habits = { webSocket: 403, events: 403 }
  const [a, b] = await pair()
  await a.uses('long-poll')
  await talk(a, b, 120, async (i) => {
    await sleep(10)
    if (i === 20) box.habits = { webSocket: 403 }
    if (i === 70) box.habits = {}
    if (i === 20 || i === 70) for (const one of [a, b]) one.signaling.wake()
    if (i === 69) await a.uses('events')
  })
  await a.uses('websocket')
  await b.uses('websocket')
  assert.equal(a.replies.length + b.replies.length, 2)
})

test('links of all kinds that are cut and blocked at random lose, double and reorder nothing', async (t) => {
  const [a, b] = await pair()
  const moods: Habits[] = [{}, {}, { webSocket: 403 }, { webSocket: 'hang' }, { webSocket: 403, events: 403 }, { webSocket: 'silent' }, { webSocket: 404, events: 'hold' }, { webSocket: 403, answerWithin: 400 }]
  let cuts = 0
  await talk(a, b, 400, async (i) => {
    await sleep(randomInt(12))
    if (i % 25 !== 24) return
    box.habits = moods[randomInt(moods.length)]!
    if (randomInt(2) === 0) return
    cuts++
    box.cut()
    if (randomInt(2) === 0) for (const one of [a, b]) one.signaling.wake()
  }, 60_000)
  box.habits = {}
  for (const one of [a, b]) one.signaling.wake()
  await talk(a, b, 20)
  t.diagnostic(`${cuts} cuts, ${a.links.length + b.links.length} changes of link, ${a.network.requests.length + b.network.requests.length} requests`)
  assert.equal(a.replies.length + b.replies.length, 2, 'nobody had to join again')
  assert.ok(a.links.length + b.links.length < 300)
  assert.ok(a.network.requests.length + b.network.requests.length < 2500)
})

test('another page with the same secret supersedes polls and events, too', async () => {
  for (const kind of ['events', 'long-poll', 'short-poll'] as const) {
    const [a, b] = await pair(kind)
    const { session, secret } = a.replies[0]!
    await a.uses(kind)
    // Once it may be a request of its own that came late: then it takes over again.
    for (let i = 0; i < 100 && a.signaling.state.name !== 'closed'; i++) {
      await until(`${kind}, or its end`, () => a.signaling.state.name === 'open' || a.signaling.state.name === 'closed')
      const reply = await fetch(`${server.url}/v1/rooms/${room}/sessions/${session}/frames`, { headers: { Authorization: `Bearer ${secret}` } })
      assert.equal(reply.status, 200)
      await sleep(100)
    }
    const { state } = a.signaling
    assert.equal(state.name === 'closed' && state.error?.code, 'superseded')
    b.signaling.leave()
  }
})

test('events that a real nginx holds back are left for polls', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'parley-nginx-'))
  const port = await freePort()
  const { host } = new URL(server.url)
  // It does as it likes with X-Accel-Buffering, and passes no Upgrade on.
  const site = `server { listen 127.0.0.1:${port}; location / { proxy_pass http://${host}; proxy_ignore_headers X-Accel-Buffering; } }`
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${folder}/${name};`).join(' ')
  const user = process.getuid?.() === 0 ? 'user root;' : ''
  writeFileSync(join(folder, 'config'), `daemon off; ${user} pid ${folder}/pid; error_log stderr error; events {} http { access_log off; ${paths} ${site} }`)
  const nginx = spawn('nginx', ['-p', folder, '-c', join(folder, 'config'), '-e', 'stderr'], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` },
  })
  try {
    const url = `http://127.0.0.1:${port}`
    let isUp = false
    const knock = setInterval(() => void fetch(`${url}/healthz`).then((reply) => (isUp = reply.ok), () => {}), 50)
    await until('nginx', () => isUp).finally(() => clearInterval(knock))
    room = `links-${++rooms}`
    const [a, b] = [await member(undefined, url).join(), await member(undefined, url).join()]
    await until('each knows the other', () => a.knows(b) && b.knows(a))
    await talk(a, b, 100, () => sleep(30))
    await a.uses('long-poll')
    for (const one of [a, b]) {
      assert.ok(one.network.requests.includes('GET /events?probe=1'))
      assert.ok(one.links.every((state) => state.name !== 'open' || state.via === 'long-poll'))
    }
  } finally {
    for (const one of members) one.signaling.leave()
    members = []
    nginx.kill()
    await once(nginx, 'exit')
    rmSync(folder, { recursive: true, force: true })
  }
})

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address() as AddressInfo
  probe.close()
  await once(probe, 'close')
  return port
}
