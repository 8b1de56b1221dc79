// What a ladder does when the server asks for another link: it opens one, and leaves the other only then.
import assert from 'node:assert/strict'
import { webcrypto } from 'node:crypto'
import { test } from 'node:test'
import { Endpoints } from './endpoints.ts'
import { environment } from './environment.ts'
import { Ladder } from './ladder.ts'
import type { LinkKind } from './link.ts'
import { Memory } from './memory.ts'
import { Session } from './session.ts'
import { StillClock } from './testing/clock.ts'

/** Lets everything happen that waits for nothing else. */
const settle = () => new Promise<void>((resolve) => setImmediate(resolve))

/** A stream of either kind, as its server has it. */
interface Line {
  readonly sent: { kind: string; n?: number; link?: number }[]
  closed: boolean
  say(frame: object): Promise<void>
  end(code: number, reason?: string): void
}

function setUp(kind: LinkKind) {
  const clock = new StillClock()
  const lines: Line[] = []
  const heard: string[] = []
  const posts: { body: { use?: number; frames?: object[] }; answer(): Promise<void> }[] = []
  class Socket {
    readyState = 1
    closed = false
    readonly sent: Line['sent'] = []
    onmessage: ((event: { data: string }) => void) | null = null
    onclose: ((event: { code: number; reason: string }) => void) | null = null
    constructor() {
      lines.push(this)
    }
    send(text: string): void {
      this.sent.push(JSON.parse(text) as Line['sent'][0])
    }
    close(): void {
      this.closed = true
    }
    end(code: number, reason = ''): void {
      this.onclose?.({ code, reason })
    }
    say(frame: object): Promise<void> {
      this.onmessage?.({ data: JSON.stringify(frame) })
      return settle()
    }
  }
  const ask = (_: unknown, { body, signal }: RequestInit = {}) =>
    new Promise<Response>((resolve) => {
      if (body !== undefined) {
        posts.push({ body: JSON.parse(String(body)) as object, answer: () => (resolve(Response.json({ received: 0 })), settle()) })
        return
      }
      const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>()
      const writer = writable.getWriter()
      const line: Line = {
        sent: [], closed: false, end: () => void writer.close(),
        say: (frame) => (void writer.write(new TextEncoder().encode(`data: ${JSON.stringify(frame)}\n\n`)).catch(() => {}), settle()),
      }
      signal?.addEventListener('abort', () => (line.closed = true))
      lines.push(line)
      resolve(new Response(readable, { headers: { 'Content-Type': 'text/event-stream' } }))
    })
  const env = environment({
    clock, fetch: ask as typeof fetch, WebSocket: Socket as unknown as typeof WebSocket, random: (bytes) => webcrypto.getRandomValues(bytes),
  })
  const session = new Session({
    session: 's', secret: 'x', peer: 'alice', epoch: 5, at: 0, peers: [], iceServers: [], ttl: 0, heartbeat: 25, frameLimit: 65_536,
  }, 0)
  const ladder = new Ladder(session, new Endpoints('http://h', 'r', env), env, [kind], new Memory('http://h', false), {
    opened: (via) => heard.push(via),
    lost: () => heard.push('lost'),
    frame: (frame) => heard.push(`${frame.kind} ${frame.n}`),
    notice: (frame) => heard.push(frame.kind),
    ended: (error) => heard.push(`ended ${error.code}`),
  })
  const hello = (link: number) => ({ kind: 'hello', link, received: 0, at: 0, peers: [] })
  return {
    clock, ladder, lines, posts, heard, hello,
    signal: (n: number) => ({ kind: 'signal', n, from: 'bob', epoch: 1, data: n }),
    /** The newest line opens, and proves itself. */
    async prove(link: number) {
      await settle()
      await lines.at(-1)!.say(hello(link))
      if (kind === 'websocket') return lines.at(-1)!.say({ kind: 'pong' })
      clock.pass(1000)
      await settle()
    },
  }
}

test('a WebSocket that the server is about to close goes on until another one is in use', async () => {
  const it = setUp('websocket')
  await it.prove(1)
  await it.lines[0]!.say({ kind: 'drain', in: 5 })
  assert.equal(it.lines.length, 2, 'the next one is opened at once')
  it.clock.pass(2000)
  await it.lines[0]!.say(it.signal(1))
  it.ladder.send({ kind: 'signal', to: 'bob', epoch: 1, data: 'one' })
  assert.equal(it.lines[0]!.sent.at(-1)!.n, 1, 'what is sent goes by the old one')
  assert.equal(it.lines[0]!.closed, false)
  await it.prove(2)
  assert.equal(it.lines[0]!.closed, true)
  assert.deepEqual(it.lines[1]!.sent.map(({ kind, n, link }) => [kind, n ?? link]), [['ping', undefined], ['use', 2], ['signal', 1]])
  await it.lines[0]!.say(it.signal(2))
  await it.lines[1]!.say(it.signal(2))
  it.clock.pass(53_000)
  assert.equal(it.lines[1]!.closed, true, 'nothing came on it for long')
  assert.deepEqual(it.heard, ['websocket', 'signal 1', 'signal 2', 'lost', 'ended silent'])
})

test('events that the server is about to close go on until others are in use, and are not missed if they end a little before', async () => {
  for (const endsEarly of [false, true]) {
    const it = setUp('events')
    await it.prove(1)
    await it.posts[0]!.answer()
    await it.lines[0]!.say({ kind: 'drain', in: 5 })
    assert.equal(it.lines.length, 2, 'the next ones are opened at once')
    await it.prove(2)
    assert.equal(it.posts[1]!.body.use, 2)
    await it.lines[0]!.say(it.signal(1))
    if (endsEarly) await it.lines[0]!.say({ kind: 'superseded' })
    await it.posts[1]!.answer()
    assert.equal(it.lines[0]!.closed, true)
    await it.lines[1]!.say(it.signal(2))
    assert.deepEqual(it.heard, ['events', 'signal 1', 'signal 2'])
    it.ladder.close()
  }
})

test('a link that nothing could replace in time is lost, and the next one under way', async () => {
  const it = setUp('websocket')
  await it.prove(1)
  await it.lines[0]!.say({ kind: 'drain', in: 5 })
  it.clock.pass(4999)
  assert.deepEqual(it.heard, ['websocket'])
  it.clock.pass(1)
  assert.deepEqual(it.heard, ['websocket', 'lost'])
  assert.equal(it.lines[0]!.closed, true)
  await it.prove(2)
  assert.deepEqual(it.heard, ['websocket', 'lost', 'websocket'])
})

test('a ladder that is closed leaves both links', async () => {
  const it = setUp('websocket')
  await it.prove(1)
  await it.lines[0]!.say({ kind: 'drain', in: 5 })
  it.ladder.close()
  assert.deepEqual(it.lines.map(({ closed }) => closed), [true, true])
})

test('a link that is asked twice is replaced by one', async () => {
  const it = setUp('websocket')
  await it.prove(1)
  await it.lines[0]!.say({ kind: 'drain', in: 5 })
  await it.lines[0]!.say({ kind: 'drain', in: 5 })
  assert.equal(it.lines.length, 2)
  await it.prove(2)
  assert.deepEqual(it.lines.map(({ closed }) => closed), [true, false])
})

test('a link that was asked before it was in use is replaced as soon as it is', async () => {
  for (const kind of ['websocket', 'events'] as const) {
    const it = setUp(kind)
    await settle()
    await it.lines[0]!.say(it.hello(1))
    await it.lines[0]!.say({ kind: 'drain', in: 5 })
    await it.prove(1)
    await it.posts[0]?.answer()
    assert.equal(it.lines.length, 2, kind)
    await it.prove(2)
    await it.posts[1]?.answer()
    assert.deepEqual(it.lines.map(({ closed }) => closed), [true, false])
    assert.deepEqual(it.heard, [kind])
    it.ladder.close()
  }
})

test('a link that the server closes after it asked is followed by another at once, however short it was in use', async () => {
  const it = setUp('websocket')
  await it.prove(1)
  await it.lines[0]!.say({ kind: 'drain', in: 5 })
  it.lines[1]!.end(1006) // nobody is there just now
  it.lines[0]!.end(4200, 'drain')
  it.clock.pass(100)
  await it.prove(2)
  assert.equal(it.lines.length, 3)
  assert.deepEqual(it.heard, ['websocket', 'lost', 'websocket'])
})
