// What a ladder believes of links and polls that another one superseded.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { answer, settle, setUp } from './testing/ladder.ts'

test('a probe that is older than the poll in use is replaced, and not believed to say anything of the session', async () => {
  const it = setUp()
  it.clock.pass(100)
  await it.newest('GET', '/frames').answer(200, answer(5))
  it.socket.prove(4)
  assert.ok(it.sockets[0]!.closed)
  it.clock.pass(100)
  assert.equal(it.sockets.length, 2)
  it.socket.say({ kind: 'superseded' })
  it.clock.pass(100)
  it.socket.prove(6)
  assert.deepEqual(it.heard, ['long-poll', 'websocket'])
})

test('a probe that a late poll supersedes is not the end while another poll is under way', async () => {
  for (const [happens, expected] of [['answer', ['long-poll']], ['fail', ['ended network resume']]] as const) {
    const it = setUp()
    it.socket.end(1006) // polls begin at once
    it.clock.pass(700)
    const write = await it.newest('GET', '/events').stream()
    it.clock.pass(4300) // the poll is given up …
    await settle()
    it.clock.pass(300) // … and another one sent
    assert.equal(it.count('GET', '/frames'), 2)
    await write('data: {"kind":"hello","link":2,"received":0}\n\n')
    await write('data: {"kind":"superseded"}\n\n') // by the first poll, which arrived after all
    assert.deepEqual(it.heard, [])
    if (happens === 'answer') await it.newest('GET', '/frames').answer(200, answer(4))
    else await it.newest('GET', '/frames').fail()
    assert.deepEqual(it.heard, expected)
  }
})

test('a link in use that is superseded is replaced; after the third in a row that is believed', () => {
  const it = setUp(['websocket'])
  const takeOver = (used: number) => {
    it.clock.pass(100) // until the next one is opened
    it.socket.prove(it.sockets.length)
    it.clock.pass(used)
    it.socket.say({ kind: 'superseded' })
  }
  for (const used of [0, 9_999, 10_000, 9_999]) takeOver(used)
  assert.deepEqual(it.heard, Array(4).fill(['websocket', 'lost']).flat(), 'one that lived for ten seconds begins the count anew')
  takeOver(0)
  assert.deepEqual(it.heard.slice(8), ['websocket', 'ended superseded never'])
})

test('while requests may come late, links that are superseded are replaced without end, also on the next ladder', async () => {
  const it = setUp()
  it.socket.end(1006)
  await it.newest('GET', '/frames').fail() // it may arrive late
  const { session } = it
  assert.ok(session.strays > it.clock.now() + 60_000)
  for (let i = 0; i < 5; i++) {
    it.clock.pass(100)
    it.again()
    it.socket.prove(i + 2)
    it.socket.say({ kind: 'superseded' })
  }
  assert.ok(!it.heard.some((text) => text.startsWith('ended superseded')), `${it.heard}`)
})

test('polls that are superseded thrice in a row believe it; by a probe of their own they are not', async () => {
  const it = setUp(['short-poll'])
  await it.newest('GET', '/frames').answer(200, answer(1))
  const deny = () => it.newest('GET', '/frames').answer(409, { error: { code: 'superseded', message: '' } })
  for (let i = 0; i < 2; i++) {
    it.clock.pass(2000)
    await deny()
    it.clock.pass(2000)
    await it.newest('GET', '/frames').answer(200, answer(1))
  }
  for (let i = 0; i < 3; i++) {
    it.clock.pass(2000)
    await deny()
  }
  assert.deepEqual(it.heard, ['short-poll', 'ended superseded never'])
})

test('two who take over from each other while requests may come late do not go on for ever, on however many ladders', async () => {
  const it = setUp()
  it.socket.end(1006)
  await it.newest('GET', '/frames').fail() // it may arrive late
  let times = 0
  for (; !it.heard.includes('ended superseded never'); times++) {
    assert.ok(times < 30, `${it.heard}`)
    it.session.strays = it.clock.now() + 100_000 // each may come late, too
    it.clock.pass(100)
    it.again()
    it.socket.prove(times + 2)
    it.socket.say({ kind: 'superseded' })
  }
  assert.equal(times, 30)
})
