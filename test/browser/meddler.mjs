// A server between the pages and the real one, that reads and changes what peers tell each other.
import { once } from 'node:events'
import { createServer, request } from 'node:http'
import { createRequire } from 'node:module'

const { WebSocket, WebSocketServer } = createRequire(new URL('../../web/package.json', import.meta.url))('ws')

export class Meddler {
  /** What went by: the text of each frame, both ways. */
  seen = []
  /** Given a signal to a page, returns the signals that the page gets in its place. */
  meddle = (signal) => [signal]

  #http = createServer((...pair) => this.#forward(...pair))
  #sockets = new WebSocketServer({ noServer: true, handleProtocols: () => 'parley.v1' })

  static async start(server) {
    const meddler = new Meddler()
    meddler.server = server
    meddler.#http.on('upgrade', (...upgrade) => meddler.#upgrade(...upgrade))
    await once(meddler.#http.listen(0, '127.0.0.1'), 'listening')
    meddler.origin = `http://127.0.0.1:${meddler.#http.address().port}`
    return meddler
  }

  stop() {
    this.#http.close()
    this.#http.closeAllConnections()
    for (const socket of this.#sockets.clients) socket.terminate()
  }

  #forward(from, reply) {
    const to = request({ host: '127.0.0.1', port: this.server.port, path: from.url, method: from.method, headers: from.headers }, (answer) => {
      reply.writeHead(answer.statusCode, answer.headers)
      answer.pipe(reply)
    })
    to.on('error', () => reply.destroy())
    from.pipe(to)
  }

  #upgrade(from, socket, head) {
    const { host, origin, 'sec-websocket-protocol': protocols } = from.headers
    const to = new WebSocket(`ws://127.0.0.1:${this.server.port}${from.url}`, protocols.split(', '), { headers: { host, origin } })
    to.on('error', () => socket.destroy())
    to.once('open', () =>
      this.#sockets.handleUpgrade(from, socket, head, (page) => {
        let more = 0 // frames that the page got beyond those of the server
        to.on('message', (data) => {
          const frame = JSON.parse(data)
          this.seen.push(String(data))
          if (frame.n === undefined || frame.kind === 'received') return page.send(String(data))
          const frames = frame.kind === 'signal' ? this.meddle(frame) : [frame]
          // A page takes no frame without the one before.
          if (frames.length === 0) frames.push({ kind: 'nothing' })
          for (const [i, each] of frames.entries()) page.send(JSON.stringify({ ...each, n: frame.n + more + i }))
          more += frames.length - 1
        })
        page.on('message', (data) => {
          this.seen.push(String(data))
          if (to.readyState === WebSocket.OPEN) to.send(String(data))
        })
        to.on('close', (code) => page.close(code >= 3000 ? code : 1000))
        page.on('close', () => to.close())
        to.resume()
      }),
    )
    to.once('upgrade', () => to.pause())
  }
}
