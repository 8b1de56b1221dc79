import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { WebSocketServer, type WebSocket } from 'ws'

/** What a join brought. */
export interface ScriptedJoin {
  readonly body: Readonly<Record<string, unknown>>
  readonly token: string | undefined
}

/** Says what a test wants, over real sockets: for what the real service does not do when asked. */
export class ScriptedServer {
  readonly joins: ScriptedJoin[] = []
  /** All links that were opened. */
  readonly links: WebSocket[] = []
  /** The numbered frames that came, over all links. */
  readonly frames: Record<string, unknown>[] = []
  /** What the reply to a join says beside what every one does. */
  reply: Record<string, unknown> = {}
  /** The code by which every join is refused, if it is. */
  refusal: string | null = null

  readonly #http: Server
  readonly #sockets = new WebSocketServer({ noServer: true })

  private constructor() {
    this.#http = createServer((request, response) => {
      response.setHeader('Content-Type', 'application/json')
      const isJoin = request.method === 'POST' && request.url!.endsWith('/sessions')
      // There are no links but WebSockets here.
      response.statusCode = isJoin ? (this.refusal === null ? 201 : 409) : request.method === 'DELETE' ? 204 : 503
      void text(request).then((body) => response.end(isJoin ? JSON.stringify(this.#join(request, body)) : ''))
    })
    this.#http.on('upgrade', (request, socket, head) => {
      this.#sockets.handleUpgrade(request, socket, head, (link) => {
        this.links.push(link)
        link.on('message', (data) => {
          const frame = JSON.parse(String(data)) as Record<string, unknown>
          if (typeof frame.n === 'number' && frame.kind !== 'ack') this.frames.push(frame)
          if (frame.kind === 'ping') link.send('{"kind":"pong"}')
        })
        this.say({ kind: 'hello', link: this.links.length, received: 0, at: 0, peers: [] })
      })
    })
  }

  static async start(): Promise<ScriptedServer> {
    const server = new ScriptedServer()
    server.#http.listen(0, '127.0.0.1')
    await once(server.#http, 'listening')
    return server
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#http.address() as AddressInfo).port}`
  }

  /** Sends a frame over the newest link. */
  say(frame: object): void {
    this.links.at(-1)?.send(JSON.stringify(frame))
  }

  async stop(): Promise<void> {
    for (const link of this.links) link.terminate()
    this.#http.closeAllConnections()
    this.#http.close()
    await once(this.#http, 'close')
  }

  #join(request: IncomingMessage, body: string): object {
    this.joins.push({ body: JSON.parse(body) as Record<string, unknown>, token: request.headers.authorization?.replace('Bearer ', '') })
    if (this.refusal !== null) return { error: { code: this.refusal, message: 'refused' } }
    const n = this.joins.length
    return { session: `session-${n}`, secret: `secret-${n}`, peer: 'ada', epoch: n, at: 0, peers: [], iceServers: [], ttl: 0, heartbeat: 25, ...this.reply }
  }
}

async function text(request: IncomingMessage): Promise<string> {
  let all = ''
  for await (const part of request.setEncoding('utf8')) all += String(part)
  return all
}
