import { retryOf } from './codes.ts'
import { SignalError } from './errors.ts'
import type { Link, LinkEvents } from './link.ts'

/**
 * Opens a WebSocket. The session's secret goes in as a subprotocol, since a browser lets nobody set headers there.
 */
export function openWebSocket(Socket: typeof WebSocket, url: string, secret: string, events: LinkEvents): Link {
  const socket = new Socket(url.replace(/^http/, 'ws'), ['parley.v1', `parley.secret.${secret}`])
  socket.onmessage = ({ data }) => {
    if (typeof data === 'string') events.text(data)
  }
  socket.onclose = ({ code, reason }) => {
    const known = code >= 4000 && code < 4300
    events.closed(new SignalError(known && reason !== '' ? reason : 'network', `the link was closed (${code})`, retryOf(code)))
  }
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
