// Pages that go away and come back, against the real server.
import assert from 'node:assert/strict'
import { after, afterEach, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Member, storage } from './testing/member.ts'
import { Server } from './testing/server.ts'
import { until } from './testing/waiting.ts'

let server: Server
let members: Member[] = []
let rooms = 0
let room = ''

before(async () => {
  server = await Server.build()
  // Node has no beacons.
  const sendBeacon = (url: string, body: string) => void fetch(url, { method: 'POST', body }).catch(() => {})
  Object.defineProperty(globalThis, 'navigator', { value: { sendBeacon }, configurable: true })
})
after(() => server.dispose())
afterEach(() => {
  for (const member of members) member.signaling.leave()
  members = []
})

function member(kept: Storage | null = null): Member {
  const made = new Member({ url: server.url, room, storage: kept })
  members.push(made)
  return made
}

test('a page that goes away while it is joining leaves what it was to resume', async () => {
  room = `reload-${++rooms}`
  const witness = await member().join()
  const kept = storage()
  const first = await member(kept).join()
  const { id } = first
  first.signaling.hide()

  // One page goes before it sent a thing, one when its join was answered and nobody heard that.
  const second = member(kept)
  second.signaling.start()
  second.signaling.hide()
  const third = member(kept)
  third.network.repliesToLose = 1
  third.signaling.start()
  await until('the reply is lost', () => third.signaling.state.name === 'waiting')
  third.signaling.hide()

  const fourth = await member(kept).join()
  assert.equal(fourth.id, id)
  await until('the witness knows the fourth', () => witness.knows(fourth))
  assert.deepEqual([...witness.roster.keys()], [id], 'there is no ghost')
  assert.equal(second.network.joins.length <= 1, true)
  assert.equal(kept.length, 0)
})

test('a page that was never in the room leaves nothing', () => {
  room = `reload-${++rooms}`
  const kept = storage()
  const page = member(kept)
  page.signaling.start()
  page.signaling.hide()
  assert.equal(kept.length, 0)
})

test('a page that goes away closes its link, and does nothing until it is back', async () => {
  room = `reload-${++rooms}`
  const witness = await member().join()
  const page = await member(storage()).join()
  const { id } = page
  await until('both know each other', () => page.knows(witness) && witness.knows(page))
  page.signaling.hide()
  await until('the link is closed', () => page.network.links === 0)
  await until('the witness is told', () => witness.log.some((line) => line.includes('leaving')))
  await until('it is gone', () => !witness.roster.has(id), 10_000)
  await sleep(200)
  assert.equal(page.network.links, 0)
  assert.equal(page.network.joins.length, 1)

  page.signaling.restore()
  await until('the link', () => page.replies.length === 2 && page.signaling.state.name === 'open')
  assert.equal(page.id, id)
  await until('each knows the other again', () => page.knows(witness) && witness.knows(page))
})

test('a page that is back at once reconnects, too', async () => {
  room = `reload-${++rooms}`
  const witness = await member().join()
  const page = await member(storage()).join()
  const { id } = page
  for (let i = 0; i < 3; i++) {
    page.signaling.hide()
    if (i > 0) await sleep(30 * i)
    page.signaling.restore()
    await until('the link', () => page.signaling.state.name === 'open' && page.replies.length === i + 2)
    assert.equal(page.id, id)
  }
  await until('the witness knows it', () => witness.knows(page))
  assert.deepEqual([...witness.roster.keys()], [id])
})
