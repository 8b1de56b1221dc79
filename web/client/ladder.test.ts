// What a ladder does when, on a clock that stands still; the real server and bad proxies are in links.test.ts.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { linkKinds } from './link.ts'
import { Memory } from './memory.ts'
import { answer, numbers, settle, setUp } from './testing/ladder.ts'

test('a WebSocket is in use when it has answered a ping, and not before', () => {
  const { socket, ladder, heard } = setUp(['websocket'])
  assert.match(socket.url, /^ws:\/\/h\/.*\/ws\?probe=1$/)
  for (let i = 0; i < 4; i++) ladder.send({ kind: 'signal', to: 'bob', epoch: 1, data: i })
  assert.deepEqual(socket.sent, [])
  socket.say({ kind: 'hello', link: 3, received: 2 })
  assert.deepEqual(socket.sent, ['{"kind":"ping"}'])
  socket.say({ kind: 'pong' })
  assert.deepEqual(heard, ['websocket'])
  assert.equal(socket.sent[1], '{"kind":"use","link":3,"after":0}')
  assert.deepEqual(numbers(socket.sent), [3, 4], 'what the server has is not sent again')
})

test('polls begin 0.1 s after the WebSocket, again after 0.3, 0.6 and 1 s, and then wait longer and longer, while it hangs', async () => {
  const it = setUp()
  it.clock.pass(99)
  assert.equal(it.count('GET', '/frames'), 0)
  for (const at of [0, 300, 600, 1000]) {
    it.clock.pass(100 + at - (it.clock.now() - 1_000_000))
    assert.match(it.newest('GET', '/frames').path, at === 0 ? /^\/frames$/ : /^\/frames\?link=1$/)
    await it.newest('GET', '/frames').answer(200, answer(1))
  }
  assert.deepEqual(it.heard, ['long-poll'])
  for (const wait of [2, 5, 10, 25, 25]) {
    assert.equal(it.newest('GET', '/frames').path, `/frames?link=1&wait=${wait}`)
    it.clock.pass(wait * 1000)
    await it.newest('GET', '/frames').answer(200, answer(1))
  }
})

test('polls leave a WebSocket more time where the join took long, but no more than a second', () => {
  for (const [joinTime, pollsAfter] of [[50, 300], [1000, 1000]] as const) {
    const it = setUp(linkKinds, undefined, joinTime)
    it.clock.pass(pollsAfter - 1)
    assert.equal(it.count('GET', '/frames'), 0)
    it.clock.pass(1)
    assert.equal(it.count('GET', '/frames'), 1)
  }
})

test('polls begin at once when the WebSocket is refused, or did not win before', () => {
  const refused = setUp()
  refused.socket.end(1006)
  refused.clock.pass(0)
  const memory = new Memory('http://h', false)
  memory.via = 'long-poll'
  for (const it of [refused, setUp(linkKinds, memory)]) assert.equal(it.count('GET', '/frames'), 1)
})

test('a wait that is cut is halved, once the server answers a poll that does not wait, and remembered', async () => {
  const it = setUp(['long-poll'])
  await it.newest('GET', '/frames').answer(200, answer(1))
  for (const wait of [2, 1, 0.5]) {
    assert.equal(it.newest('GET', '/frames').path, `/frames?link=1&wait=${wait}`)
    it.clock.pass(200)
    await it.newest('GET', '/frames').answer(504, {})
    assert.equal(it.newest('GET', '/frames').path, '/frames?link=1')
    it.clock.pass(3300)
    await it.newest('GET', '/frames').answer(200, answer(1))
    it.clock.pass(0)
  }
  assert.deepEqual(it.heard, ['long-poll', 'short-poll'])
  assert.deepEqual([it.memory.via, it.memory.limit], ['short-poll', 250])
  const polls = it.count('GET', '/frames')
  it.clock.pass(499)
  assert.equal(it.count('GET', '/frames'), polls)
  it.clock.pass(1)
  assert.equal(it.newest('GET', '/frames').path, '/frames?link=1')
})

test('polls that something in the way answers at once, with nothing or with what was had, are no storm', async () => {
  const it = setUp(['long-poll'])
  const old = [it.signal(1)]
  await it.newest('GET', '/frames').answer(200, answer(1, { frames: old }))
  const before = it.count('GET', '/frames')
  for (let i = 0; i < 1000; i++) {
    await it.newest('GET', '/frames').answer(200, answer(1, i % 2 === 0 ? {} : { frames: old }))
    it.clock.pass(10)
  }
  const count = it.count('GET', '/frames') - before
  assert.ok(count > 10 && count <= 21, `${count} polls in 10 s`)
  assert.deepEqual(it.heard, ['signal 1', 'long-poll'])
})

test('a network that is gone is not taken for one that cuts', async () => {
  const it = setUp(['long-poll'])
  await it.newest('GET', '/frames').answer(200, answer(1))
  for (let i = 0; i < 2; i++) await it.newest('GET', '/frames').fail()
  it.clock.pass(3000)
  await it.newest('GET', '/frames').answer(200, answer(1))
  assert.equal(it.newest('GET', '/frames').path, '/frames?link=1&wait=5')
})

test('frames go up by one POST after the other until a link is in use, and again on that link if they were not received', async () => {
  const it = setUp()
  it.clock.pass(100)
  it.send(1)
  it.send(2)
  assert.equal(it.count('POST', '/frames'), 1)
  await it.newest('POST', '/frames').answer(200, { received: 1 })
  assert.deepEqual(it.newest('POST', '/frames').body?.frames?.map(({ n }) => n), [2, 3])
  await it.newest('GET', '/frames').answer(200, answer(1))
  it.socket.say({ kind: 'hello', link: 2, received: 1 })
  it.socket.say({ kind: 'pong' })
  assert.deepEqual(numbers(it.socket.sent), [2, 3])
  it.send(1)
  assert.deepEqual(numbers(it.socket.sent), [2, 3, 4])
  await it.newest('POST', '/frames').fail()
  it.clock.pass(20_000)
  assert.equal(it.count('POST', '/frames'), 2, 'a WebSocket needs none')
})

test('POSTs are cut where something in the way takes no large ones, and have bounds', async () => {
  const it = setUp(['short-poll'])
  it.send(1)
  it.send(200)
  await it.newest('POST', '/frames').answer(200, { received: 1 })
  assert.equal(it.newest('POST', '/frames').body?.frames?.length, 64)
  await it.newest('POST', '/frames').answer(413, {})
  assert.ok(it.newest('POST', '/frames').body!.frames!.length <= 32)
})

test('what is over the rate, or has no store, is sent again after the wait, on any link', async () => {
  for (const code of ['rate_limited', 'unavailable']) {
    const socket = setUp(['websocket'])
    socket.socket.prove()
    socket.send(3)
    socket.socket.sent.length = 0
    socket.socket.say({ kind: 'received', n: 1, code, message: '', retryAfter: 2 })
    socket.send(1)
    socket.clock.pass(1999)
    assert.deepEqual(socket.socket.sent, [])
    assert.ok(!socket.ladder.isPrompt)
    socket.clock.pass(1)
    assert.deepEqual(numbers(socket.socket.sent), [2, 3, 4])
  }
  const polls = setUp(['short-poll'])
  polls.send(3)
  await polls.newest('POST', '/frames').answer(200, { received: 1 })
  await polls.newest('POST', '/frames').answer(429, { error: { code: 'rate_limited', message: '', received: 2, retryAfter: 3 } })
  const posts = polls.count('POST', '/frames')
  polls.clock.pass(2999)
  const early = polls.requests.filter(({ method, body }) => method === 'POST' && (body?.frames?.length ?? 0) > 0).length
  polls.clock.pass(1)
  await settle()
  assert.ok(polls.count('POST', '/frames') >= posts)
  assert.equal(early, 2)
})

test('events are in use after a POST has said so, a second after their first frame', async () => {
  const it = setUp()
  it.clock.pass(100)
  await it.newest('GET', '/frames').answer(200, answer(1))
  it.socket.end(1006)
  it.clock.pass(599)
  assert.equal(it.count('GET', '/events'), 0)
  it.clock.pass(1)
  const write = await it.newest('GET', '/events').stream()
  await write(': hi\n\ndata: {"kind":"hello","link":2,"received":0}\n\n')
  it.clock.pass(999)
  assert.equal(it.count('POST', '/frames'), 0)
  it.clock.pass(1)
  assert.equal(it.newest('POST', '/frames').body?.use, 2)
  await it.newest('POST', '/frames').answer(200, { received: 0 })
  assert.deepEqual(it.heard, ['long-poll', 'events'])
  await write('id: 1\ndata: {"kind":"signal","n":1,"from":"bob","epoch":1,"da')
  await write('ta":1}\n\ndata: {"kind":"ping"}\n\n')
  assert.deepEqual(it.heard.slice(2), ['signal 1'])
  assert.deepEqual(it.newest('POST', '/frames').body, { ack: 1 }, 'a ping is answered by a POST, which acknowledges')
})

test('a link that does not prove itself in eight seconds is given up, and tried again later and later', () => {
  const { clock, heard, sockets } = setUp(['websocket'])
  clock.pass(7999)
  assert.deepEqual(heard, [])
  clock.pass(1)
  assert.deepEqual(heard, ['ended silent resume'], 'there is no other')
  assert.ok(sockets[0]!.closed)
})

test('frames come once and in order, over whatever link', async () => {
  const it = setUp()
  it.clock.pass(100)
  await it.newest('GET', '/frames').answer(200, answer(1, { frames: [it.signal(1), it.signal(2)] }))
  it.socket.prove(2)
  for (const n of [1, 2, 3]) it.socket.say(it.signal(n))
  assert.deepEqual(it.heard.filter((line) => line.startsWith('signal')), ['signal 1', 'signal 2', 'signal 3'])
})

test('missing frames ask for another link; what is missing there, too, is lost', () => {
  const it = setUp(['websocket'])
  it.socket.prove()
  it.socket.say(it.signal(1))
  it.socket.say(it.signal(3))
  assert.deepEqual(it.heard, ['websocket', 'signal 1', 'lost'])
  it.clock.pass(100)
  assert.equal(it.sockets.length, 2)
  it.socket.prove(2)
  it.socket.say(it.signal(3))
  assert.deepEqual(it.heard.slice(3), ['websocket', 'ended gap rejoin'])
})

test('few frames are acknowledged after five seconds, many at once, and all with a ping', () => {
  const it = setUp(['websocket'])
  const { socket, clock } = it
  socket.prove()
  socket.say(it.signal(1))
  clock.pass(3000)
  socket.say(it.signal(2))
  clock.pass(1999)
  assert.deepEqual(socket.sent, [])
  clock.pass(1)
  assert.deepEqual(socket.sent, ['{"kind":"ack","n":2}'])
  for (let n = 3; n <= 130; n++) socket.say(it.signal(n))
  assert.deepEqual(numbers(socket.sent), [2, 66, 130])
  socket.say(it.signal(131))
  socket.say({ kind: 'ping' })
  assert.deepEqual(socket.sent.slice(-2), ['{"kind":"pong"}', '{"kind":"ack","n":131}'])
  clock.pass(10_000)
  assert.equal(numbers(socket.sent).at(-1), 131)
})

test('at a gap everything after what the server has is sent again', () => {
  const it = setUp(['websocket'])
  it.socket.prove()
  it.send(3)
  it.socket.sent.length = 0
  it.socket.say({ kind: 'received', n: 1, code: 'gap', message: '' })
  assert.deepEqual(numbers(it.socket.sent), [2, 3])
})

test('two heartbeats of silence, or a page that woke, ask for a sign of life, which has two seconds', () => {
  const [silent, woken, well] = [setUp(['websocket']), setUp(['websocket']), setUp(['websocket'])]
  for (const { socket } of [silent, woken, well]) socket.prove()
  silent.clock.pass(49_999)
  assert.deepEqual(silent.socket.sent, [])
  silent.clock.pass(1)
  for (const it of [woken, well]) for (let i = 0; i < 2; i++) it.ladder.wake()
  for (const [i, { socket }] of [silent, woken, well].entries()) assert.deepEqual(socket.sent, ['{"kind":"ping"}'], String(i))
  well.socket.say({ kind: 'pong' })
  for (const { clock } of [silent, woken, well]) clock.pass(2000)
  assert.deepEqual([silent, woken, well].map(({ heard }) => heard.includes('lost')), [true, true, false])
})

test('silence that others noticed counts, and a sign of life has the rest of the two seconds', () => {
  const it = setUp(['websocket'])
  it.socket.prove()
  it.ladder.wake(1000)
  it.clock.pass(999)
  assert.equal(it.heard.includes('lost'), false)
  it.clock.pass(1)
  assert.equal(it.heard.includes('lost'), true)
})

test('events that are held back later are left for polls, and not tried again at once', async () => {
  const it = setUp(['events', 'long-poll'])
  await it.newest('GET', '/frames').answer(200, answer(1))
  const write = await it.newest('GET', '/events').stream()
  await write('data: {"kind":"hello","link":2,"received":0}\n\n')
  it.clock.pass(1000)
  await it.newest('POST', '/frames').answer(200, { received: 0 })
  assert.deepEqual(it.heard, ['long-poll', 'events'])
  it.clock.pass(50_000)
  assert.deepEqual(it.heard, ['long-poll', 'events', 'lost'])
  it.clock.pass(14_000)
  assert.equal(it.count('GET', '/events'), 1)
  it.clock.pass(16_000)
  assert.equal(it.count('GET', '/events'), 2)
})

test('polls that the server cannot answer are not in use for long', async () => {
  const it = setUp(['long-poll'])
  await it.newest('GET', '/frames').answer(200, answer(1))
  for (let i = 0; i < 3; i++) {
    await it.newest('GET', '/frames').answer(503, { error: { code: 'unavailable', message: '' } })
    it.clock.pass(1000)
  }
  assert.deepEqual(it.heard, ['long-poll', 'lost', 'ended unavailable resume'])
})

test('how a link ends says what helps', () => {
  const cases: [end: (it: ReturnType<typeof setUp>) => void, heard: string[]][] = [
    [({ socket }) => socket.say({ kind: 'ended', code: 'slow', message: '' }), ['ended slow rejoin']],
    [({ socket }) => socket.say({ kind: 'ended', code: 'no_session', message: '' }), ['ended no_session rejoin']],
    [({ socket }) => socket.say({ kind: 'superseded' }), ['lost']],
    [({ socket }) => socket.end(4104), ['ended network rejoin']],
    [({ socket }) => socket.end(4003, 'wrong_secret'), ['ended wrong_secret never']],
    [({ socket }) => socket.end(4001, 'superseded'), ['lost']],
    [({ socket }) => socket.end(1006), ['lost', 'ended network resume']],
    [({ socket }) => socket.end(4202, 'silent'), ['lost', 'ended silent resume']],
    [({ clock, socket }) => (clock.pass(10_000), socket.end(1006)), ['lost']],
    [({ socket }) => socket.say({ kind: 'drain', in: 0 }), ['lost']],
  ]
  for (const [end, expected] of cases) {
    const it = setUp(['websocket'])
    it.socket.prove()
    end(it)
    assert.deepEqual(it.heard.slice(1), expected)
  }
})

test('what won is tried first the next time, and what is better five seconds later', async () => {
  const first = setUp()
  first.socket.end(1006)
  await first.newest('GET', '/frames').answer(200, answer(1))
  first.clock.pass(700)
  const write = await first.newest('GET', '/events').stream()
  await write('data: {"kind":"hello","link":2,"received":0}\n\n')
  first.clock.pass(1000)
  await first.newest('POST', '/frames').answer(200, { received: 0 })
  assert.equal(first.memory.via, 'events')

  const second = setUp(linkKinds, first.memory)
  assert.equal(second.count('GET', '/events'), 1)
  assert.equal(second.sockets.length, 0)
  second.clock.pass(5000)
  assert.equal(second.sockets.length, 1)
})

test('when no link works, that is said, and nothing more is done', async () => {
  const it = setUp()
  it.socket.end(1006)
  await it.newest('GET', '/frames').fail()
  assert.deepEqual(it.heard, ['ended network resume'])
  const { length } = it.requests
  it.clock.pass(100_000)
  assert.equal(it.requests.length, length)
})

test('a ladder that is closed does nothing more, whatever still comes', async () => {
  const it = setUp()
  it.clock.pass(100)
  it.send(1)
  const poll = it.newest('GET', '/frames')
  const post = it.newest('POST', '/frames')
  it.ladder.close()
  await poll.answer(200, answer(1, { frames: [it.signal(1)] }))
  await post.answer(200, { received: 1 })
  it.socket.prove()
  it.clock.pass(100_000)
  assert.deepEqual(it.heard, [])
  assert.ok(it.socket.closed)
})
