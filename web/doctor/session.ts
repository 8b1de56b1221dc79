// A stay in the room, for one check alone, spoken by hand: the client is made to get around what is broken, and a doctor has to see it.
import { isFields, isText } from '../client/frames.ts'
import { randomText } from '../client/random.ts'
import { duration } from './row.ts'

const nobody = 'nobody-is-called-this' // what is sent there comes back as refused, on whatever link

/** What is to be checked, and how. */
export interface Options {
  /** Below which the server's v1/ is. */
  readonly server: URL
  readonly room: string
  /** The app's, for a join; empty: none. */
  readonly token: string
  /** How long each check waits for an answer, in milliseconds. */
  readonly timeout: number
  /** How long a long poll is held open, in milliseconds. */
  readonly hold: number
}

/** An answer that is no success; without a code it is not the server's own. */
export class Refused extends Error {
  readonly status: number
  readonly code: string | null

  constructor(status: number, code: string | null, text: string) {
    super(code === null ? `status ${status}, and not by the server itself` : `status ${status}, ${code}: ${text}`)
    this.status = status
    this.code = code
  }
}

/** There was no answer: `late` says that it did not come in time, as against a connection that broke. */
export class Unanswered extends Error {
  readonly late: boolean

  constructor(late: boolean, words: string) {
    super(words)
    this.late = late
  }
}

/** A frame from the server, of which the doctor looks at a few fields. */
export interface Frame {
  readonly kind: string
  readonly n?: number
  readonly of?: number
}

export interface Poll {
  readonly link: number
  readonly frames: readonly Frame[]
}

export interface Reply {
  readonly session: string
  readonly secret: string
  readonly peer: string
  readonly resumed: boolean
  readonly iceServers: readonly RTCIceServer[]
  readonly ttl: number
}

/** Makes a request, whose answer has to be there in time to its end. A rejection is Refused or Unanswered. */
export async function request(url: string, timeout: number, init: RequestInit = {}): Promise<Response> {
  const abort = new AbortController()
  const timer = setTimeout(() => abort.abort(), timeout)
  try {
    const response = await fetch(url, { ...init, cache: 'no-store', signal: abort.signal })
    if (!response.ok) throw refusal(response.status, await response.json().catch(() => null))
    const body = await response.arrayBuffer()
    const { status, headers } = response
    return new Response(body.byteLength === 0 ? null : body, { status, headers })
  } catch (error) {
    if (error instanceof Refused) throw error
    throw abort.signal.aborted ? new Unanswered(true, `no answer within ${duration(timeout)}`) : new Unanswered(false, 'the connection breaks, or is refused')
  } finally {
    clearTimeout(timer)
  }
}

function refusal(status: number, body: unknown): Refused {
  const error = isFields(body) && isFields(body.error) ? body.error : {}
  return new Refused(status, isText(error.code) ? error.code : null, isText(error.message) ? error.message : '')
}

export class Session {
  readonly options: Options
  readonly reply: Reply
  /** The Date of the answer to the join, in milliseconds since 1970, if it could be read. */
  readonly date: number | null
  /** When that came, on this device's clock, and after how long. */
  readonly at: number
  readonly took: number
  /** The last uplink frame. */
  sent = 0

  private constructor(options: Options, reply: Reply, date: number | null, at: number, took: number) {
    this.options = options
    this.reply = reply
    this.date = date
    this.at = at
    this.took = took
  }

  /** Joins once, without trying again. */
  static async join(options: Options, resume?: string): Promise<Session> {
    const random = (bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> => crypto.getRandomValues(bytes)
    const began = performance.now()
    const response = await request(rooms(options), options.timeout, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', ...(options.token !== '' && { Authorization: `Bearer ${options.token}` }) },
      body: JSON.stringify({ attempt: randomText(random, 24), instance: 'doctor', name: 'Doctor', ...(resume !== undefined && { resume }) }),
    })
    const took = performance.now() - began
    const at = Date.now()
    const reply: unknown = await response.json().catch(() => null)
    if (!isFields(reply) || !isText(reply.session) || !isText(reply.secret) || !isText(reply.peer)) throw new Refused(response.status, null, '')
    const date = Date.parse(response.headers.get('Date') ?? '')
    const { session, secret, peer } = reply
    const iceServers = Array.isArray(reply.iceServers) ? (reply.iceServers as RTCIceServer[]) : []
    const known = { session, secret, peer, resumed: reply.resumed === true, iceServers, ttl: typeof reply.ttl === 'number' ? reply.ttl : 0 }
    return new Session(options, known, Number.isNaN(date) ? null : date, at, took)
  }

  url(part: string): string {
    return `${rooms(this.options)}/${this.reply.session}${part}`
  }

  headers(): { Authorization: string } {
    return { Authorization: `Bearer ${this.reply.secret}` }
  }

  /** Ends the session; if that cannot be said it ends by itself. */
  async leave(): Promise<void> {
    await request(this.url(''), 2000, { method: 'DELETE', headers: this.headers() }).catch(() => {})
  }

  /** The next uplink frame: a signal to nobody, which is answered by a numbered refusal. */
  frame(size: number): { readonly n: number } {
    this.sent++
    return { kind: 'signal', n: this.sent, to: nobody, data: 'x'.repeat(size) } as { readonly n: number }
  }

  /** Sends one frame by POST; resolves with how many the server says to have received. */
  async post(size: number): Promise<number> {
    const frame = this.frame(size)
    const response = await request(this.url('/frames'), this.options.timeout, {
      method: 'POST',
      headers: { ...this.headers(), 'Content-Type': 'application/json' },
      body: JSON.stringify({ first: frame.n, frames: [frame] }),
    })
    const reply: unknown = await response.json().catch(() => null)
    return isFields(reply) && typeof reply.received === 'number' ? reply.received : -1
  }

  /** Polls once; link 0 opens a link; `wait` is in milliseconds. */
  async poll(link: number, after: number, wait: number): Promise<Poll> {
    const query = `?after=${after}${link > 0 ? `&link=${link}` : ''}${wait > 0 ? `&wait=${wait / 1000}` : ''}`
    const response = await request(this.url(`/frames${query}`), this.options.timeout + wait, { headers: this.headers() })
    const reply: unknown = await response.json().catch(() => null)
    if (!isFields(reply) || typeof reply.link !== 'number' || !Array.isArray(reply.frames)) throw new Refused(response.status, null, '')
    return { link: reply.link, frames: reply.frames as Frame[] }
  }
}

function rooms({ server, room }: Options): string {
  return `${server.origin}${server.pathname.replace(/\/*$/, '')}/v1/rooms/${encodeURIComponent(room)}/sessions`
}

/** The number of the frame that refuses uplink frame `of`, or 0. */
export function refusalOf(frames: readonly Frame[], of: number): number {
  return frames.find((frame) => frame.kind === 'refused' && frame.of === of)?.n ?? 0
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

/** Frames that came, and a way to wait for more. */
export class Inbox {
  #frames: { readonly frame: Frame; readonly at: number }[] = []
  #ended = false
  #wake: () => void = () => {}

  put(text: string): void {
    try {
      const frame: unknown = JSON.parse(text)
      if (isFields(frame) && isText(frame.kind)) this.#frames.push({ frame: frame as unknown as Frame, at: performance.now() })
    } catch {
      return // what cannot be read is not what is waited for
    }
    this.#wake()
  }

  end(): void {
    this.#ended = true
    this.#wake()
  }

  /** Resolves with when the next frame came that is wanted, or null if it does not in time; what else comes is passed over. */
  async await(timeout: number, wanted: (frame: Frame) => boolean): Promise<number | null> {
    const until = performance.now() + timeout
    for (;;) {
      for (let next = this.#frames.shift(); next !== undefined; next = this.#frames.shift()) if (wanted(next.frame)) return next.at
      const left = until - performance.now()
      if (this.#ended || left <= 0) return null
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left)
        this.#wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
  }
}
