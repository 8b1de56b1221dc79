// A ladder with a clock that stands still, and links and requests that a test answers by hand.
import { webcrypto } from 'node:crypto'
import { Endpoints } from '../endpoints.ts'
import { environment } from '../environment.ts'
import { Ladder } from '../ladder.ts'
import { linkKinds, type LinkKind } from '../link.ts'
import { Memory } from '../memory.ts'
import { Session } from '../session.ts'
import { StillClock } from './clock.ts'

export interface Request {
  readonly method: string
  readonly path: string
  readonly body: { first?: number; frames?: { n: number }[]; ack?: number; use?: number } | null
  answer(status: number, body: object): Promise<void>
  /** A stream of events, and how to write to it. */
  stream(): Promise<(text: string) => Promise<void>>
  fail(): Promise<void>
}

/** Lets everything happen that waits for nothing else. */
export const settle = () => new Promise<void>((resolve) => setImmediate(resolve))

export function setUp(links: readonly LinkKind[] = linkKinds, memory = new Memory('http://h', false), joinTime = 0) {
  const clock = new StillClock()
  const heard: string[] = []
  const requests: Request[] = []
  const sockets: Socket[] = []
  class Socket {
    readyState = 1
    readonly sent: string[] = []
    closed = false
    onmessage: ((event: { data: string }) => void) | null = null
    onclose: ((event: { code: number; reason: string }) => void) | null = null
    constructor(readonly url: string) {
      sockets.push(this)
    }
    send(text: string): void {
      this.sent.push(text)
    }
    close(): void {
      this.closed = true
    }
    say(frame: object): void {
      this.onmessage?.({ data: JSON.stringify(frame) })
    }
    /** Opens and proves itself; then it is in use. */
    prove(link = 1, received = 0): void {
      this.say({ kind: 'hello', link, received, at: 0, peers: [] })
      this.say({ kind: 'pong' })
      this.sent.length = 0
    }
    end(code: number, reason = ''): void {
      this.onclose?.({ code, reason })
    }
  }
  const ask = (url: unknown, { method = 'GET', body, signal }: RequestInit = {}) =>
    new Promise<Response>((resolve, reject) => {
      const gone = () => reject(new TypeError('failed'))
      signal?.addEventListener('abort', gone)
      requests.push({
        method,
        path: String(url).replace('http://h/v1/rooms/r/sessions/s', ''),
        body: body === undefined ? null : JSON.parse(String(body)),
        answer: (status, answer) => (resolve(Response.json(answer, { status })), settle()),
        async stream() {
          const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>()
          resolve(new Response(readable, { headers: { 'Content-Type': 'text/event-stream' } }))
          const writer = writable.getWriter()
          return (text) => (void writer.write(new TextEncoder().encode(text)), settle())
        },
        fail: () => (gone(), settle()),
      })
    })
  const env = environment({
    clock,
    fetch: ask as typeof fetch,
    WebSocket: Socket as unknown as typeof WebSocket,
    random: (bytes) => webcrypto.getRandomValues(bytes),
  })
  const session = new Session({
    session: 's', secret: 'x', peer: 'alice', epoch: 5, at: 0, peers: [], iceServers: [], ttl: 0, heartbeat: 25, frameLimit: 65_536,
  }, joinTime)
  const make = () =>
    new Ladder(session, new Endpoints('http://h', 'r', env), env, links, memory, {
      opened: (via) => heard.push(via),
      lost: () => heard.push('lost'),
      frame: (frame) => heard.push(`${frame.kind} ${frame.n}`),
      notice: (frame) => heard.push(frame.kind),
      ended: (error) => heard.push(`ended ${error.code} ${error.retry}`),
    })
  let ladder = make()
  return {
    clock, session, ladder,
    /** The next ladder of the same session. */
    again: () => (ladder.close(), (ladder = make())), heard, requests, sockets, memory,
    get socket() {
      return sockets.at(-1)!
    },
    /** The newest request to a path. */
    newest: (method: string, path: string) => requests.filter((one) => one.method === method && one.path.startsWith(path)).at(-1)!,
    count: (method: string, path: string) => requests.filter((one) => one.method === method && one.path.startsWith(path)).length,
    send: (count: number) => {
      for (let i = 0; i < count; i++) ladder.send({ kind: 'signal', to: 'bob', epoch: 1, data: i })
    },
    signal: (n: number) => ({ kind: 'signal', n, from: 'bob', epoch: 1, data: n }),
  }
}

/** The numbers of the frames in what a socket sent. */
export const numbers = (sent: string[]) => sent.flatMap((text) => (/"n":(\d+)}$/.exec(text)?.[1] ?? []) as string[]).map(Number)

export const answer = (link: number, more: object = {}) => ({ link, received: 0, frames: [], next: 0.5, ...more })
