import { SignalError } from './errors.ts'
import type { Link, LinkEvents } from './link.ts'

/** The most characters of a line; what is in the way of a stream may send anything. */
const longestLine = 2 ** 20

/**
 * Opens a stream of server-sent events, as the answer to a request that `ask` makes: browsers' own EventSource could
 * not show the secret. The server writes each frame into one line; the id of the event is in the frame, too.
 */
export function openEvents(ask: (abort: AbortController) => Promise<Response>, events: LinkEvents): Link {
  const abort = new AbortController()
  const read = async () => {
    const response = await ask(abort)
    if (response.body === null || !/^text\/event-stream/i.test(response.headers.get('Content-Type') ?? '')) {
      throw new SignalError('network', 'there is no stream of events')
    }
    const reader = response.body.getReader()
    const decoder = new TextDecoder()
    for (let rest = ''; rest.length < longestLine; ) {
      const { done, value } = await reader.read()
      if (done) break
      const lines = (rest + decoder.decode(value, { stream: true })).split('\n')
      rest = lines.pop()!
      events.alive()
      for (const line of lines) if (line.startsWith('data:') && !abort.signal.aborted) events.text(line.slice(5))
    }
    throw new SignalError('network', 'the stream of events ended')
  }
  read().catch((cause: unknown) => {
    if (abort.signal.aborted) return
    abort.abort()
    events.closed(SignalError.of(cause))
  })
  return { send() {}, close: () => abort.abort() }
}
