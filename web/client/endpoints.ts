import { SignalError } from './errors.ts'
import { isCount, isFields, isSeconds, isText } from './frames.ts'
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

/** What a poll, or a POST of frames, is answered. */
export interface FramesReply {
  /** The number of the polling link; 0 is no poll's. */
  readonly link: number
  /** The uplink frames received. */
  readonly received: number
  readonly frames: readonly unknown[]
  /** Until the next poll that may not wait, in seconds. */
  readonly next: number
}

/** A refusal that says how many uplink frames were received before it. */
export class FramesRefused extends SignalError {
  received?: number
}

/** How long one request may take, in milliseconds, beyond what it may wait. */
const patience = 10_000

/** As long for a poll that opens a link: until it is answered no better one can be used. */
const openingPatience = 5000

/** The server's resources of one room. */
export class Endpoints {
  /** The address of the service. */
  readonly base: string
  readonly #sessions: string
  readonly #env: Environment

  constructor(server: string | URL, room: string, env: Environment) {
    const url = new URL(server, globalThis.location?.href)
    this.base = url.origin + url.pathname.replace(/\/*$/, '')
    this.#sessions = `${this.base}/v1/rooms/${encodeURIComponent(room)}/sessions`
    this.#env = env
  }

  async join(body: JoinBody, token: string | undefined): Promise<JoinReply> {
    const reply = parseJoinReply(
      await this.#request('', {
        method: 'POST',
        headers: { ...json, ...(token !== undefined && bearer(token)) },
        body: JSON.stringify(body),
      }),
    )
    if (reply === null) throw unreadable()
    return reply
  }

  /** Asks for fresh ICE servers. */
  async ice({ session, secret }: Access): Promise<IceGrant> {
    const reply = await this.#request(`/${session}/ice`, { headers: bearer(secret) })
    if (!isFields(reply) || !Array.isArray(reply.iceServers)) throw unreadable()
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

  /** The address of a WebSocket that is tried beside the link in use. */
  socket({ session }: Access): string {
    return `${this.#sessions}/${session}/ws?probe=1`
  }

  /** Opens a stream of events that is tried beside the link in use. */
  events({ session, secret }: Access, abort: AbortController): Promise<Response> {
    return this.#ask(`/${session}/events?probe=1`, { headers: bearer(secret) }, abort)
  }

  /** Polls; the address is the same as often as can be, so that the browser asks seldom whether it may go to another site. */
  poll({ session, secret }: Access, link: number, wait: number, after: number, abort: AbortController): Promise<FramesReply> {
    const query = [link > 0 && `link=${link}`, wait > 0 && `wait=${wait / 1000}`].filter(Boolean).join('&')
    const headers = { ...bearer(secret), 'Parley-After': String(after) }
    return this.#frames(`/${session}/frames${query && '?'}${query}`, { headers }, link > 0 ? wait + patience : openingPatience, abort)
  }

  post({ session, secret }: Access, body: string): Promise<FramesReply> {
    return this.#frames(`/${session}/frames`, { method: 'POST', headers: { ...json, ...bearer(secret) }, body })
  }

  async #frames(path: string, init: RequestInit, limit?: number, abort?: AbortController): Promise<FramesReply> {
    const reply = await this.#request(path, init, limit, abort)
    if (!isFields(reply) || !isCount(reply.received)) throw unreadable()
    const { link, received, frames, next } = reply
    return { link: isCount(link) ? link : 0, received, frames: Array.isArray(frames) ? frames : [], next: isSeconds(next) ? next : 1 }
  }

  async #request(path: string, init: RequestInit, limit = patience, abort = new AbortController()): Promise<unknown> {
    const cancel = this.#env.clock.after(limit, () => abort.abort(new SignalError('network', 'no answer came in time')))
    try {
      const response = await this.#ask(path, init, abort)
      return await response.json().catch(() => null)
    } catch (cause) {
      throw SignalError.of(abort.signal.aborted ? abort.signal.reason : cause)
    } finally {
      cancel()
    }
  }

  async #ask(path: string, init: RequestInit, { signal }: AbortController): Promise<Response> {
    const response = await this.#env.fetch(this.#sessions + path, { ...init, cache: 'no-store', signal })
    if (response.ok) return response
    throw refusal(response, await response.json().catch(() => null))
  }
}

const unreadable = () => new SignalError('protocol', 'the answer cannot be read')

const json = { 'Content-Type': 'application/json' }

function bearer(secret: string): { Authorization: string } {
  return { Authorization: `Bearer ${secret}` }
}

/** What a reply other than 2xx says; one that is not the service's own counts as a failure of the network. */
function refusal(response: Response, body: unknown): SignalError {
  const error = isFields(body) && isFields(body.error) ? body.error : {}
  const asked = Number(error.retryAfter ?? response.headers.get('Retry-After') ?? undefined)
  const retryAfter = isSeconds(asked) ? asked : undefined
  const { code, message, received } = error
  if (!isText(code)) {
    const kind = response.status === 413 ? 'body_too_large' : 'network'
    return new SignalError(kind, `the server answered ${response.status}`, 'resume', retryAfter)
  }
  const refused = new FramesRefused(code, isText(message) ? message : code, undefined, retryAfter)
  if (isCount(received)) refused.received = received
  return refused
}
