// Networks in which something is blocked: a proxy that does not pass WebSockets on, and a namespace whose UDP is dropped.
import { once } from 'node:events'
import { createServer, request } from 'node:http'
import { createRequire } from 'node:module'
import { executablePath, launchAt } from './browser.mjs'
import { ip, Place } from './place.mjs'
import { certificate } from './relay.mjs'
import { Server } from './server.mjs'

const { WebSocketServer } = createRequire(new URL('../../web/package.json', import.meta.url))('ws')

/** Starts a proxy in front of a server on a port of this host; `how` is what it does to WebSockets: refuse, hang or silence. */
export async function withoutWebSockets(port, how) {
  const silent = new WebSocketServer({ noServer: true, handleProtocols: (protocols) => [...protocols][0] })
  const sockets = new Set()
  const proxy = createServer((from, answer) => {
    const to = request({ host: '127.0.0.1', port, method: from.method, path: from.url, headers: from.headers }, (reply) => {
      answer.writeHead(reply.statusCode, reply.headers)
      answer.flushHeaders()
      reply.pipe(answer)
    })
    to.on('error', () => answer.destroy())
    answer.on('close', () => to.destroy())
    from.pipe(to)
  })
  proxy.on('upgrade', (from, socket, head) => {
    sockets.add(socket)
    socket.on('error', () => {})
    if (how === 'refuse') socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n')
    if (how === 'silence') silent.handleUpgrade(from, socket, head, () => {})
  })
  proxy.listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  const close = async () => {
    for (const socket of sockets) socket.destroy()
    proxy.closeAllConnections()
    proxy.close()
    await once(proxy, 'close')
  }
  return { origin: `http://127.0.0.1:${proxy.address().port}`, close }
}

/**
 * Starts a server over TLS, and a browser in a network of its own that leads to it and whose UDP is dropped on the way, without
 * a word. Null outside of test/isolate.sh, where the routing is not the tests' to change.
 */
export async function withoutUDP() {
  const place = await Place.make()
  if (place === null) return null
  const undo = [() => place.close()]
  const close = async () => {
    for (const step of undo.reverse()) await step()
  }
  try {
    // What comes from there over UDP is routed into a black hole, before it is found to be for this host.
    await ip('rule add pref 10 lookup local')
    await ip('rule del pref 0')
    await ip(`rule add pref 5 iif ${place.router} ipproto udp blackhole`)
    undo.push(async () => {
      await ip('rule add pref 0 lookup local')
      await ip('rule del pref 10')
      await ip('rule del pref 5')
    })
    const files = await certificate(`IP:${place.outer}`)
    undo.push(() => files.remove())
    const server = await Server.start(files, place.outer)
    undo.push(() => server.stop())
    const browser = await launchAt(await place.program(executablePath), '--ignore-certificate-errors')
    undo.push(() => browser.close())
    return { origin: server.origin, browser, close }
  } catch (error) {
    await close()
    throw error
  }
}
