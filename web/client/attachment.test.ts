// What a link's timing and numbers lead to, on a clock that stands still; the real server is in signaling.test.ts.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Attachment } from './attachment.ts'
import type { LinkEvents } from './link.ts'
import { Session } from './session.ts'
import { StillClock } from './testing/clock.ts'

function setUp() {
  const clock = new StillClock()
  const session = new Session({
    session: 's', secret: 'x', peer: 'alice', epoch: 5, at: 0, peers: [], iceServers: [], ttl: 0, heartbeat: 25, frameLimit: 65_536,
  })
  const sent: string[] = []
  const heard: string[] = []
  let link: LinkEvents | undefined
  const attachment = new Attachment(
    session,
    clock,
    (events) => {
      link = events
      return { send: (text) => sent.push(text), close: () => sent.push('closed') }
    },
    {
      hello: () => heard.push('hello'),
      frame: (frame) => heard.push(`${frame.kind} ${frame.n}`),
      notice: (frame) => heard.push(frame.kind),
      ended: (error) => heard.push(`ended ${error.code} ${error.retry}`),
    },
  )
  const say = (frame: object) => link!.text(JSON.stringify(frame))
  return {
    clock, session, sent, heard, attachment, say,
    close: (code: number) => link!.closed(code, ''),
    hello: (received = 0, at = 0) => say({ kind: 'hello', link: 1, received, at, peers: [] }),
    signal: (n: number) => say({ kind: 'signal', n, from: 'bob', epoch: 1, data: n }),
  }
}

/** What was sent and has a number, as numbers. */
const numbers = (sent: string[]) => sent.flatMap((text) => (/"n":(\d+)}$/.exec(text)?.[1] ?? []) as string[]).map(Number)

test('a link that does not open in ten seconds is given up', () => {
  const { clock, heard } = setUp()
  clock.pass(9999)
  assert.deepEqual(heard, [])
  clock.pass(1)
  assert.deepEqual(heard, ['ended network resume'])
})

test('frames wait for the hello, and what the server has by then is not sent again', () => {
  const { attachment, session, hello, sent } = setUp()
  for (let i = 0; i < 4; i++) attachment.send({ kind: 'signal', to: 'bob', epoch: 1, data: i })
  assert.deepEqual(sent, [])
  hello(2)
  assert.deepEqual(numbers(sent), [3, 4])
  attachment.send({ kind: 'leave' })
  assert.deepEqual(numbers(sent), [3, 4, 5])
  assert.equal(session.waiting.length, 3)
})

test('at a gap everything after what the server has is sent again, once', () => {
  const { attachment, hello, say, sent } = setUp()
  hello()
  for (let i = 0; i < 3; i++) attachment.send({ kind: 'signal', to: 'bob', epoch: 1, data: i })
  sent.length = 0
  for (let i = 0; i < 3; i++) say({ kind: 'received', n: 1, code: 'gap', message: '' })
  assert.deepEqual(numbers(sent), [2, 3])
})

test('what is over the rate is sent again after the wait, with what was added meanwhile', () => {
  const { attachment, clock, hello, say, sent } = setUp()
  hello()
  for (let i = 0; i < 3; i++) attachment.send({ kind: 'signal', to: 'bob', epoch: 1, data: i })
  sent.length = 0
  say({ kind: 'received', n: 1, code: 'rate_limited', message: '', retryAfter: 2 })
  attachment.send({ kind: 'leave' })
  clock.pass(1999)
  assert.deepEqual(sent, [])
  assert.ok(attachment.isHeld)
  clock.pass(1)
  assert.deepEqual(numbers(sent), [2, 3, 4])
  assert.ok(!attachment.isHeld)
  say({ kind: 'received', n: 3, code: 'rate_limited', message: '', retryAfter: 0 })
  clock.pass(50)
  assert.deepEqual(numbers(sent), [2, 3, 4, 4])
  say({ kind: 'received', n: 4 })
  attachment.send({ kind: 'leave' })
  assert.deepEqual(numbers(sent), [2, 3, 4, 4, 5])
})

test('a wait for the rate has a bound, and ends with the link', () => {
  const [a, b] = [setUp(), setUp()]
  for (const { attachment, hello, say } of [a, b]) {
    hello()
    attachment.send({ kind: 'leave' })
    say({ kind: 'received', n: 0, code: 'rate_limited', message: '', retryAfter: 1e6 })
  }
  b.attachment.close()
  a.sent.length = b.sent.length = 0
  for (const { clock, say } of [a, b]) {
    clock.pass(30_000)
    say({ kind: 'pong' })
    clock.pass(30_000)
  }
  assert.ok(numbers(a.sent).includes(1))
  assert.deepEqual(b.sent, [])
})

test('a ping has everything acknowledged at once, since timers may be held back', () => {
  const { clock, hello, say, signal, sent } = setUp()
  hello()
  signal(1)
  say({ kind: 'ping' })
  assert.deepEqual(sent, ['{"kind":"pong"}', '{"kind":"ack","n":1}'])
  say({ kind: 'ping' })
  clock.pass(20_000)
  assert.equal(sent.length, 3)
})

test('a few frames are acknowledged after five seconds, all at once', () => {
  const { clock, hello, signal, sent } = setUp()
  hello()
  signal(1)
  clock.pass(3000)
  signal(2)
  clock.pass(1999)
  assert.deepEqual(sent, [])
  clock.pass(1)
  assert.deepEqual(sent, ['{"kind":"ack","n":2}'])
  clock.pass(20_000)
  assert.equal(sent.length, 1)
})

test('many frames are acknowledged at once', () => {
  const { clock, hello, signal, sent } = setUp()
  hello()
  for (let n = 1; n <= 130; n++) signal(n)
  assert.deepEqual(numbers(sent), [64, 128])
  clock.pass(5000)
  assert.deepEqual(numbers(sent), [64, 128, 130])
})

test('frames had before are dropped, and not taken for a gap', () => {
  const { hello, signal, heard } = setUp()
  hello()
  for (const n of [1, 2, 1, 2, 3]) signal(n)
  assert.deepEqual(heard, ['hello', 'signal 1', 'signal 2', 'signal 3'])
})

test('a gap asks for another link; one at the very beginning cannot be filled by that', () => {
  const [a, b] = [setUp(), setUp()]
  for (const { hello } of [a, b]) hello()
  a.signal(1)
  a.signal(3)
  assert.deepEqual(a.heard, ['hello', 'signal 1', 'ended gap resume'])
  b.signal(2)
  assert.deepEqual(b.heard, ['hello', 'ended gap rejoin'])
})

test('a ping is answered', () => {
  const { hello, say, sent } = setUp()
  hello()
  say({ kind: 'ping' })
  assert.deepEqual(sent, ['{"kind":"pong"}'])
})

test('a link that is asked for a sign of life has two seconds for any answer', () => {
  const [a, b] = [setUp(), setUp()]
  for (const { hello, attachment, clock } of [a, b]) {
    hello()
    attachment.probe()
    attachment.probe()
    clock.pass(1999)
  }
  assert.deepEqual(a.sent, ['{"kind":"ping"}'])
  a.signal(1)
  for (const { clock } of [a, b]) clock.pass(1)
  assert.deepEqual(a.heard, ['hello', 'signal 1'])
  assert.deepEqual(b.heard, ['hello', 'ended silent resume'])
})

test('two heartbeats of silence ask for a sign of life, and then end the link', () => {
  const { clock, hello, say, sent, heard } = setUp()
  hello()
  clock.pass(30_000)
  say({ kind: 'received', n: 0 })
  clock.pass(49_999)
  assert.deepEqual(sent, [])
  clock.pass(1)
  assert.deepEqual(sent, ['{"kind":"ping"}'])
  clock.pass(2000)
  assert.deepEqual(heard, ['hello', 'ended silent resume'])
})

test('how a link ends says what helps, and nothing follows', () => {
  const cases: [end: (it: ReturnType<typeof setUp>) => void, heard: string][] = [
    [({ say }) => say({ kind: 'ended', code: 'slow', message: '' }), 'ended slow rejoin'],
    [({ say }) => say({ kind: 'ended', code: 'no_session', message: '' }), 'ended no_session rejoin'],
    [({ say }) => say({ kind: 'superseded' }), 'ended superseded never'],
    [({ close }) => close(1006), 'ended network resume'],
    [({ close }) => close(4202), 'ended network resume'],
    [({ close }) => close(4104), 'ended network rejoin'],
    [({ close }) => close(4003), 'ended network never'],
  ]
  for (const [end, expected] of cases) {
    const it = setUp()
    it.hello()
    end(it)
    it.signal(1)
    it.clock.pass(100_000)
    assert.deepEqual(it.heard, ['hello', expected])
  }
})

test('a link closed from this side tells nothing more', () => {
  const { attachment, clock, hello, signal, heard } = setUp()
  hello()
  attachment.close()
  signal(1)
  clock.pass(100_000)
  assert.deepEqual(heard, ['hello'])
})
