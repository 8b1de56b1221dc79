// One origin for a page and its server, alike for all: it serves the page and passes everything else on. What WebSockets
// meet there is chosen: nothing in their way, a refusal, or silence.
import { createServer, request } from 'node:http'
import { once } from 'node:events'
import { connect } from 'node:net'

/** What a WebSocket meets. */
export const ways = ['open', 'refused', 'hanging']

/** Serves the pages, a map from path to content, in front of the server at `port`. */
export async function front(port, pages, way) {
  const sockets = new Set()
  const server = createServer((incoming, reply) => {
    const page = pages.get(incoming.url.split('?')[0])
    if (page !== undefined) return reply.writeHead(200, { 'content-type': page.type }).end(page.content)
    const outgoing = request({ host: '127.0.0.1', port, method: incoming.method, path: incoming.url, headers: incoming.headers })
    outgoing.on('response', (answer) => {
      reply.writeHead(answer.statusCode, answer.rawHeaders)
      answer.pipe(reply)
    })
    outgoing.on('error', () => reply.destroy())
    reply.on('close', () => outgoing.destroy())
    incoming.pipe(outgoing)
  })
  server.on('connection', (socket) => {
    socket.setNoDelay(true)
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  server.on('upgrade', (incoming, socket, head) => {
    socket.on('error', () => {})
    if (way === 'refused') return socket.end('HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n')
    if (way === 'hanging') return
    const outgoing = connect(port, '127.0.0.1', () => {
      const { rawHeaders } = incoming
      let text = `${incoming.method} ${incoming.url} HTTP/1.1\r\n`
      for (let i = 0; i < rawHeaders.length; i += 2) text += `${rawHeaders[i]}: ${rawHeaders[i + 1]}\r\n`
      outgoing.write(`${text}\r\n`)
      outgoing.write(head)
      outgoing.pipe(socket).pipe(outgoing)
    })
    outgoing.setNoDelay(true)
    outgoing.on('error', () => socket.destroy())
    socket.on('close', () => outgoing.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    origin: `http://127.0.0.1:${server.address().port}`,
    stop: () => {
      server.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}
