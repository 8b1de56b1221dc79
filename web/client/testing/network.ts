import { webcrypto } from 'node:crypto'
import { WebSocket as NodeWebSocket } from 'ws'
import { environment } from '../environment.ts'
import type { Environment } from '../options.ts'

/** A client's way to the server, which can be cut. */
export class Network {
  /** The bodies of all joins sent. */
  readonly joins: Record<string, unknown>[] = []
  /** How many replies get lost on their way back from now on. */
  repliesToLose = 0

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
      WebSocket: Socket as unknown as typeof WebSocket,
      fetch: async (input, init) => {
        if (init?.method === 'POST') this.joins.push(JSON.parse(String(init.body)) as Record<string, unknown>)
        const reply = await fetch(input, init)
        if (this.repliesToLose === 0) return reply
        this.repliesToLose--
        await reply.arrayBuffer()
        throw new TypeError('the reply was lost')
      },
    })
  }

  /** How many links there are. */
  get links(): number {
    return this.#sockets.size
  }

  /** Breaks all links, without a word to either end. */
  cut(): void {
    for (const socket of this.#sockets) socket.terminate()
  }
}
