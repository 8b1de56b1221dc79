// Signaling against the real server.
import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { after, afterEach, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Member, storage } from './testing/member.ts'
import { Server } from './testing/server.ts'
import { until } from './testing/waiting.ts'
import type { Who } from './who.ts'
import { WebSocket } from 'ws'

let server: Server
let members: Member[] = []
let rooms = 0
let room = ''

before(async () => {
  server = await Server.build()
})
after(() => server.dispose())
afterEach(() => {
  for (const member of members) member.signaling.leave()
  members = []
})

function newRoom(): void {
  room = `room-${++rooms}`
}

function member(options: { who?: Who; storage?: Storage | null; room?: string } = {}): Member {
  const made = new Member({ url: server.url, room, ...options })
  members.push(made)
  return made
}

async function pair(): Promise<[Member, Member]> {
  newRoom()
  const [a, b] = [await member().join(), await member().join()]
  await until('each knows the other', () => a.knows(b) && b.knows(a))
  return [a, b]
}

test('two who join know each other, and signals go both ways in order', async () => {
  const [a, b] = await pair()
  for (let i = 0; i < 200; i++) {
    a.send(b, { i })
    b.send(a, [i])
  }
  await until('all signals', () => a.received.length === 200 && b.received.length === 200)
  assert.deepEqual(b.data, Array.from({ length: 200 }, (_, i) => ({ i })))
  assert.deepEqual(a.data, Array.from({ length: 200 }, (_, i) => [i]))
  assert.ok(b.received.every(({ from }) => from === a.id))
})

test('who one is, is seen by those who were there and by those who come later', async () => {
  newRoom()
  const a = await member({ who: { name: 'Ada', meta: { colour: 'red' } } }).join()
  const b = await member().join()
  assert.equal(b.roster.get(a.id)?.name, 'Ada')
  assert.deepEqual(b.roster.get(a.id)?.meta, { colour: 'red' })
  assert.ok(a.signaling.change({ name: 'Ada L.' }))
  await until('the change', () => b.log.length > 0)
  assert.deepEqual(b.log, [`changed ${a.id} {"name":"Ada L."}`])
  const c = await member().join()
  assert.equal(c.roster.get(a.id)?.name, 'Ada L.')
  assert.deepEqual(c.roster.get(a.id)?.meta, { colour: 'red' })
})

test('a change made before there is a session, or while the join is on its way, is not lost', async () => {
  newRoom()
  const b = await member().join()
  const a = member({ who: { name: 'one' } })
  a.signaling.start()
  await until('the join is under way', () => a.network.joins.length === 1)
  a.signaling.change({ name: 'two' })
  await until('the last name', () => b.log.some((line) => line.includes('"two"')) || [...b.roster.values()].some(({ name }) => name === 'two'))
})

test('a join whose reply is lost is repeated, and makes one session', async () => {
  newRoom()
  const b = await member().join()
  const a = member()
  a.network.repliesToLose = 2
  await a.join()
  assert.equal(a.network.joins.length, 3)
  assert.deepEqual(a.network.joins[1], a.network.joins[0])
  assert.deepEqual(a.network.joins[2], a.network.joins[0])
  await until('a is known', () => b.knows(a))
  assert.equal(b.roster.size, 1)
})

/** How many WebSockets somebody has used. */
const webSockets = ({ links }: Member) => links.filter((state) => state.name === 'open' && state.via === 'websocket').length

/** Breaks the link of somebody who has one, and spares them the wait before the next. */
async function cut(member: Member): Promise<void> {
  await member.uses('websocket')
  const before = member.links.length
  member.network.cut()
  await until('the end of the link', () => member.links.length > before)
  member.signaling.wake()
}

test('links that break again and again lose, double and reorder nothing', async () => {
  const [a, b] = await pair()
  const count = 600
  for (let i = 0; i < count; i++) {
    a.send(b, i)
    b.send(a, i)
    if (i % 40 === 13) await cut(a)
    if (i % 60 === 31) await cut(b)
    if (i % 5 === 0) await sleep(randomInt(6))
  }
  await until('all signals', () => a.received.length >= count && b.received.length >= count, 30_000)
  const expected = Array.from({ length: count }, (_, i) => i)
  assert.deepEqual(a.data, expected)
  assert.deepEqual(b.data, expected)
  assert.equal(a.replies.length + b.replies.length, 2, 'nobody had to join again')
  assert.equal(webSockets(a), 16, 'as many links as were cut, and one')
})

test('a server that was killed and started again is joined again, under the same ids', async () => {
  const [a, b] = await pair()
  const ids = [a.id, b.id]
  await server.stop('SIGKILL')
  await until('both wait', () => a.signaling.state.name !== 'open' && b.signaling.state.name !== 'open')
  await sleep(500)
  await server.start()
  await until('both are back', () => a.replies.length === 2 && b.replies.length === 2 && a.knows(b) && b.knows(a), 30_000)
  assert.deepEqual([a.id, b.id], ids)
  assert.equal(a.network.joins.at(-1)!.instance, a.network.joins[0]!.instance)
  assert.notEqual(a.network.joins.at(-1)!.attempt, a.network.joins[0]!.attempt)
  await until('both have links', () => a.signaling.state.name === 'open' && b.signaling.state.name === 'open')
  a.send(b, 'again')
  b.send(a, 'again')
  await until('signals', () => a.received.length === 1 && b.received.length === 1)
})

test('a server that shuts down and returns is joined again', async () => {
  const [a, b] = await pair()
  await server.stop('SIGTERM')
  await server.start()
  await until('both are back', () => a.replies.length === 2 && b.replies.length === 2 && a.knows(b) && b.knows(a), 30_000)
})

test('a server that is not there yet is waited for', async () => {
  newRoom()
  await server.stop('SIGKILL')
  const a = member()
  a.signaling.start()
  await until('a second attempt', () => a.links.some((state) => state.name === 'connecting' && state.attempt === 2))
  const waiting = a.links.find((state) => state.name === 'waiting')
  assert.equal(waiting?.error.code, 'network')
  await server.start()
  await until('the link', () => a.signaling.state.name === 'open', 20_000)
  assert.equal(new Set(a.network.joins.map(({ attempt }) => attempt)).size, 1)
})

test('a wait ends at once when the network is said to be back', async () => {
  const [a] = await pair()
  await server.stop('SIGKILL')
  await until('a long wait', () => {
    const { state } = a.signaling
    return state.name === 'waiting' && state.retryAt - performance.timeOrigin - performance.now() > 1500
  })
  await server.start()
  a.signaling.wake()
  assert.notEqual(a.signaling.state.name, 'waiting')
  await until('the link', () => a.signaling.state.name === 'open')
})

test('somebody else with the wanted id, and no proof of having been it: another id', async () => {
  newRoom()
  const a = await member().join()
  const kept = storage()
  kept.setItem(`parley ${server.url}/ ${room}`, JSON.stringify({ peer: a.id, resume: 'unknown' }))
  const b = await member({ storage: kept }).join()
  assert.notEqual(b.id, a.id)
  assert.equal(a.signaling.state.name, 'open')
})

test('the page that follows in the same tab takes the id over, a copy of the tab does not', async () => {
  newRoom()
  const witness = await member().join()
  const kept = storage()
  const first = await member({ storage: kept }).join()
  const { peer, secret } = first.replies[0]!
  kept.setItem(`parley ${server.url}/ ${room}`, JSON.stringify({ peer, resume: secret }))

  const second = await member({ storage: kept }).join()
  assert.equal(kept.length, 0, 'what was kept is used up')
  assert.equal(second.id, first.id)
  await until('the first one is told', () => first.signaling.state.name === 'closed')
  assert.equal(first.signaling.state.name === 'closed' && first.signaling.state.error?.code, 'resumed')
  await until('the witness knows the second', () => witness.knows(second))

  const copy = await member({ storage: kept }).join()
  assert.notEqual(copy.id, first.id)
  assert.equal(second.signaling.state.name, 'open')
})

test('a secret that was used up by another resume means joining as somebody new', async () => {
  newRoom()
  const first = await member().join()
  const { peer, secret } = first.replies[0]!
  const keep = () => {
    const kept = storage()
    kept.setItem(`parley ${server.url}/ ${room}`, JSON.stringify({ peer, resume: secret }))
    return kept
  }
  const second = await member({ storage: keep() }).join()
  const third = await member({ storage: keep() }).join()
  assert.equal(second.id, peer)
  assert.notEqual(third.id, peer)
  assert.deepEqual(third.network.joins.map(({ peer, resume }) => [peer, resume]), [[peer, secret], [undefined, undefined]])
})

test('another page’s links of the same session take over, and are left alone when there were several', async () => {
  const [a] = await pair()
  const { session, secret } = a.replies[0]!
  const url = `${server.url.replace('http', 'ws')}/v1/rooms/${room}/sessions/${session}/ws`
  const rivals: WebSocket[] = []
  while (a.signaling.state.name !== 'closed' && rivals.length < 20) {
    const rival = new WebSocket(url, ['parley.v1', `parley.secret.${secret}`])
    rivals.push(rival)
    // Once, or twice, it may be a request of its own that came late: then it takes over again.
    await until('it is superseded, or a is', () => rival.readyState === 3 || a.signaling.state.name === 'closed')
  }
  assert.ok(rivals.length >= 2, 'the first was believed')
  assert.equal(a.signaling.state.name === 'closed' && a.signaling.state.error?.code, 'superseded')
  await sleep(500)
  assert.equal(rivals.at(-1)?.readyState, 1)
  for (const rival of rivals) rival.close()
})

test('one who leaves is gone at once for the others', async () => {
  const [a, b] = await pair()
  const { id } = a
  a.signaling.leave()
  await until('b is told', () => b.log.length > 0)
  assert.deepEqual(b.log, [`left ${id} leave`])
  assert.equal(a.signaling.state.name, 'closed')
})

test('one who leaves without a link is gone at once, too', async () => {
  const [a, b] = await pair()
  const { id } = a
  a.network.cut()
  await until('the link is down', () => a.signaling.state.name !== 'open')
  a.signaling.leave()
  await until('b is told', () => b.log.includes(`left ${id} leave`))
})

test('what no repetition helps is said, and not repeated', async () => {
  newRoom()
  const a = member({ room: 'a'.repeat(129) })
  a.signaling.start()
  await until('the room is closed', () => a.signaling.state.name === 'closed')
  assert.equal(a.signaling.state.name === 'closed' && a.signaling.state.error?.code, 'bad_room')
  await sleep(1000)
  assert.equal(a.network.joins.length, 1)
})

test('a name that the server does not take is refused with its code, and costs nothing else', async () => {
  const [a, b] = await pair()
  a.signaling.change({ name: 'n'.repeat(65) })
  a.send(b, 'still here')
  await until('the refusal', () => a.log.length > 0)
  assert.deepEqual(a.log, ['refused bad_field'])
  await until('the signal', () => b.received.length === 1)
  b.send(a, 'welcome')
  await until('the answer', () => a.received.length === 1)
  assert.ok(a.links.slice(1).every(({ name }) => name === 'open'), 'the link was never lost')
})

test('a signal for an earlier stay of its recipient is refused', async () => {
  const [a, b] = await pair()
  a.signaling.send({ kind: 'signal', to: b.id, epoch: 1, data: 'late' })
  await until('the refusal', () => a.log.length > 0)
  assert.deepEqual(a.log, ['refused stale_epoch'])
  assert.deepEqual(b.received, [])
})

test('a page restored from the browser cache joins as another page of the same peer', async () => {
  const [a, b] = await pair()
  const { id } = a
  a.signaling.restore()
  await until('b knows the new stay', () => a.replies.length === 2 && b.knows(a))
  assert.equal(a.id, id)
  assert.notEqual(a.network.joins[1]!.instance, a.network.joins[0]!.instance)
})

test('what is over the rate of the server waits, and arrives once and in order', async () => {
  const narrow = await Server.build(['--max-peers', '4', '--max-frame', '4096', '--max-broadcast', '64', '--max-meta', '64', '--rate', '16384', '--rate-burst', '8192'])
  try {
    newRoom()
    const [a, b] = [new Member({ url: narrow.url, room }), new Member({ url: narrow.url, room })]
    members.push(a, b)
    await a.join()
    await b.join()
    await until('each knows the other', () => a.knows(b) && b.knows(a))
    const began = Date.now()
    for (let i = 0; i < 40; i++) a.send(b, { i, fill: 'x'.repeat(1000) })
    await until('all signals', () => b.received.length === 40, 60_000)
    assert.deepEqual(b.data.map((data) => (data as { i: number }).i), Array.from({ length: 40 }, (_, i) => i))
    assert.ok(Date.now() - began > 1000, 'nothing was over the rate')
    assert.deepEqual(a.log, [])
    for (let i = 0; i < 40; i++) a.send(b, { i, fill: 'x'.repeat(1000) })
    const { id } = a
    await until('it has to wait', () => b.received.length > 44, 60_000)
    a.signaling.leave()
    await until('the leave does not', () => b.log.includes(`left ${id} leave`))
  } finally {
    for (const member of members) member.signaling.leave()
    members = []
    await narrow.dispose()
  }
})
