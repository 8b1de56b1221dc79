import type { Link, LinkEvents } from './link.ts'

/**
 * Opens a WebSocket link. The session's secret goes in as a subprotocol, since a browser lets nobody set headers there.
 */
export function openWebSocket(Socket: typeof WebSocket, url: URL, secret: string, events: LinkEvents): Link {
  const address = new URL(url)
  address.protocol = url.protocol.replace('http', 'ws')
  const socket = new Socket(address.href, ['parley.v1', `parley.secret.${secret}`])
  socket.onmessage = ({ data }) => {
    if (typeof data === 'string') events.text(data)
  }
  socket.onclose = ({ code, reason }) => events.closed(code, reason)
  socket.onerror = () => {} // a close follows, and says more
  return {
    send(text) {
      if (socket.readyState === 1) socket.send(text)
    },
    close() {
      socket.onmessage = socket.onclose = null
      socket.close(1000)
    },
  }
}
