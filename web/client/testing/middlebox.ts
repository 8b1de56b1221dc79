import { once } from 'node:events'
import { createServer, request as ask, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'

/** What a middlebox does to those who pass. */
export interface Habits {
  /**
   * What becomes of WebSockets: refused with a status, never answered (`hang`), opened with nothing behind it (`mute`),
   * or going silent once something was said (`silent`).
   */
  webSocket?: number | 'hang' | 'mute' | 'silent'
  /** What becomes of streams of events: refused with a status, or held back until they end. */
  events?: number | 'hold'
  /** After so many milliseconds a request without an answer has a 504. */
  answerWithin?: number
}

/** A proxy in front of a server, as bad as those that people have to live with. */
export class Middlebox {
  habits: Habits = {}
  /** Requests that were not let through, by what became of them. */
  readonly harmed: string[] = []
  /** How many requests are under way, by the end of their path. */
  readonly underWay = new Map<string, number>()

  readonly #to: URL
  readonly #http: Server
  readonly #sockets = new Set<Socket>()

  private constructor(to: string) {
    this.#to = new URL(to)
    this.#http = createServer((request, response) => this.#pass(request, response))
    this.#http.on('upgrade', (request, socket, head) => this.#upgrade(request, socket as Socket, head))
    this.#http.on('connection', (socket) => this.#keep(socket))
  }

  static async start(to: string, habits: Habits = {}): Promise<Middlebox> {
    const box = new Middlebox(to)
    box.habits = habits
    box.#http.listen(0, '127.0.0.1')
    await once(box.#http, 'listening')
    return box
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#http.address() as AddressInfo).port}`
  }

  /** Breaks everything that passes just now. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  async stop(): Promise<void> {
    const closed = once(this.#http, 'close')
    this.#http.close()
    this.cut()
    await closed
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => this.#sockets.delete(socket))
  }

  #pass(request: IncomingMessage, response: ServerResponse): void {
    const { events, answerWithin } = this.habits
    const path = request.url!.split('?')[0]!
    const isEvents = path.endsWith('/events')
    const refuse = (status: number) => {
      this.harmed.push(`${status} ${path.split('/').at(-1)}`)
      response.writeHead(status, { 'Content-Type': 'text/html' }).end('<h1>no</h1>')
    }
    if (isEvents && typeof events === 'number') return refuse(events)
    const kind = `${request.method} ${path.split('/').at(-1)}`
    this.underWay.set(kind, (this.underWay.get(kind) ?? 0) + 1)
    response.on('close', () => this.underWay.set(kind, this.underWay.get(kind)! - 1))
    const { hostname, port } = this.#to
    const on = ask({ hostname, port, method: request.method, path: request.url, headers: { ...request.headers, connection: 'close' } })
    const timer = answerWithin && setTimeout(() => {
      on.destroy()
      if (!response.headersSent) refuse(504)
    }, answerWithin)
    request.pipe(on)
    on.on('error', () => response.destroy())
    on.on('response', (answer) => {
      if (isEvents && events === 'hold') {
        this.harmed.push('held events')
        answer.resume() // what it would have said is lost in a buffer
        return void response.writeHead(answer.statusCode!, answer.headers)
      }
      if (!isEvents) clearTimeout(timer || undefined)
      response.writeHead(answer.statusCode!, answer.headers)
      answer.pipe(response)
      answer.on('error', () => response.destroy())
    })
    response.on('close', () => {
      clearTimeout(timer || undefined)
      on.destroy()
    })
  }

  #upgrade(request: IncomingMessage, socket: Socket, head: Buffer): void {
    const { webSocket } = this.habits
    this.#keep(socket)
    if (webSocket !== undefined) this.harmed.push(`${webSocket} ws`)
    if (webSocket === 'hang') return
    if (typeof webSocket === 'number') return void socket.end(`HTTP/1.1 ${webSocket} No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`)
    const on = connect(Number(this.#to.port), this.#to.hostname, () => {
      const headers = request.rawHeaders.map((text, i) => (i % 2 === 0 ? `${text}: ` : `${text}\r\n`)).join('')
      on.write(`GET ${request.url} HTTP/1.1\r\n${headers}\r\n`)
      on.write(head)
      socket.on('data', (data) => {
        if (this.habits.webSocket !== 'silent') on.write(data)
      })
    })
    this.#keep(on)
    let isOpen = false
    on.on('data', (data: Buffer) => {
      if (webSocket === 'mute') {
        if (isOpen) return
        data = data.subarray(0, data.indexOf('\r\n\r\n') + 4)
      }
      isOpen = true
      if (this.habits.webSocket !== 'silent') socket.write(data)
    })
    socket.on('close', () => on.destroy())
    on.on('close', () => socket.destroy())
  }
}
