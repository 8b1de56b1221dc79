import { webcrypto } from 'node:crypto'
import { WebSocket as NodeWebSocket } from 'ws'
import { environment } from '../environment.ts'
import type { Environment } from '../options.ts'

/** A client's way to the server, which can be cut. */
export class Network {
  /** The bodies of all joins sent. */
  readonly joins: Record<string, unknown>[] = []
  /** All requests, by method and what follows the session's address. */
  readonly requests: string[] = []
  /** How many replies to joins get lost on their way back from now on. */
  repliesToLose = 0

  /** What replies to joins say in place of what the server does. */
  change: Record<string, unknown> | null = null

  readonly #sockets = new Set<NodeWebSocket>()

  /** What a room is given. */
  get environment(): Environment {
    const sockets = this.#sockets
    class Socket extends NodeWebSocket {
      constructor(url: string, protocols: string[]) {
        super(url, protocols)
        sockets.add(this)
        this.once('close', () => sockets.delete(this))
      }
    }
    return environment({
      random: (bytes) => webcrypto.getRandomValues(bytes), // which node 18 does not have at hand
      subtle: webcrypto.subtle as SubtleCrypto,
      WebSocket: Socket as unknown as typeof WebSocket,
      fetch: async (input, init) => {
        const isJoin = init?.method === 'POST' && String(input).endsWith('/sessions')
        if (isJoin) this.joins.push(JSON.parse(String(init.body)) as Record<string, unknown>)
        this.requests.push(`${init?.method ?? 'GET'} ${String(input).replace(/^.*\/sessions(\/[^/]*)?/, '')}`)
        const reply = await fetch(input, init)
        if (isJoin && this.repliesToLose === 0 && this.change !== null) {
          return Response.json({ ...((await reply.json()) as object), ...this.change }, { status: reply.status })
        }
        if (this.repliesToLose === 0 || !isJoin) return reply
        this.repliesToLose--
        await reply.arrayBuffer()
        throw new TypeError('the reply was lost')
      },
    })
  }

  /** How many WebSockets there are. */
  get links(): number {
    return this.#sockets.size
  }

  /** Breaks all WebSockets, without a word to either end. */
  cut(): void {
    for (const socket of this.#sockets) socket.terminate()
  }
}
