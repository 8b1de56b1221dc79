import { SignalError } from './errors.ts'
import { isFields, isSeconds, isText } from './frames.ts'
import type { IceGrant } from './ice-renewal.ts'
import type { Json } from './json.ts'
import type { Environment } from './options.ts'
import { parseJoinReply, type JoinReply } from './session.ts'

/** The body of a join. */
export interface JoinBody {
  attempt: string
  instance: string
  peer?: string
  name?: string
  meta?: Json
  resume?: string
}

type Access = Pick<JoinReply, 'session' | 'secret'>

/** How long one request may take, in milliseconds. */
const patience = 10_000

/** The server's resources of one room. */
export class Endpoints {
  readonly #sessions: string
  readonly #env: Environment

  constructor(server: string | URL, room: string, env: Environment) {
    const base = new URL(server, typeof location === 'undefined' ? undefined : location.href)
    const prefix = base.pathname.replace(/\/*$/, '')
    this.#sessions = `${base.origin}${prefix}/v1/rooms/${encodeURIComponent(room)}/sessions`
    this.#env = env
  }

  async join(body: JoinBody, token: string | undefined): Promise<JoinReply> {
    const reply = parseJoinReply(
      await this.#request(this.#sessions, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', ...(token !== undefined && bearer(token)) },
        body: JSON.stringify(body),
      }),
    )
    if (reply === null) throw new SignalError('protocol', 'the reply to the join cannot be read')
    return reply
  }

  /** Asks for fresh ICE servers. */
  async ice({ session, secret }: Access): Promise<IceGrant> {
    const reply = await this.#request(`${this.#sessions}/${session}/ice`, { headers: bearer(secret) })
    if (!isFields(reply) || !Array.isArray(reply.iceServers)) throw new SignalError('protocol', 'the ICE servers cannot be read')
    return { iceServers: reply.iceServers as RTCIceServer[], ttl: isSeconds(reply.ttl) ? reply.ttl : 0 }
  }

  /** Leaves now, if the server can be reached. */
  leave({ session, secret }: Access): void {
    this.#env
      .fetch(`${this.#sessions}/${session}`, { method: 'DELETE', headers: bearer(secret), keepalive: true })
      .catch(() => {}) // then the server finds out by itself
  }

  /** Leaves softly while the page goes away: the others are told, and a reload within seconds resumes. */
  leaveSoftly({ session, secret }: Access): void {
    navigator.sendBeacon?.(`${this.#sessions}/${session}/leave`, JSON.stringify({ secret }))
  }

  socket({ session }: Access, after: number): URL {
    return new URL(`${this.#sessions}/${session}/ws?after=${after}`)
  }

  async #request(url: string, init: RequestInit): Promise<unknown> {
    const abort = new AbortController()
    const cancel = this.#env.clock.after(patience, () => abort.abort(new SignalError('network', 'no answer came in time')))
    try {
      const response = await this.#env.fetch(url, { ...init, cache: 'no-store', signal: abort.signal })
      const body: unknown = await response.json().catch(() => null)
      if (response.ok) return body
      throw refusal(response, body)
    } catch (cause) {
      throw SignalError.of(abort.signal.aborted ? abort.signal.reason : cause)
    } finally {
      cancel()
    }
  }
}

function bearer(secret: string): { Authorization: string } {
  return { Authorization: `Bearer ${secret}` }
}

/** What a reply other than 2xx says; one that is not the service's own counts as a failure of the network. */
function refusal(response: Response, body: unknown): SignalError {
  const error = isFields(body) && isFields(body.error) ? body.error : {}
  const asked = Number(response.headers.get('Retry-After') ?? error.retryAfter)
  const retryAfter = isSeconds(asked) ? asked : undefined
  if (!isText(error.code)) return new SignalError('network', `the server answered ${response.status}`, 'resume', retryAfter)
  return new SignalError(error.code, isText(error.message) ? error.message : error.code, undefined, retryAfter)
}
