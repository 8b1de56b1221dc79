// The relay: its credentials, and each of its URLs by a real data channel that may take no other path.
import { Channel, tripCount } from './channel.ts'
import type { ServerUrl } from './ice.ts'
import { duration, fail, pass, rate, skip, span, warn, type Result } from './row.ts'

const badSkew = 300 // seconds
const shortLife = 300 // seconds: clients would ask for new ones all the time

/** When a time-limited user name expires, in seconds since 1970; null if it does not say. */
export function expiryOf(username: string | undefined): number | null {
  const seconds = Number(/^(\d{10,12})(:|$)/.exec(username ?? '')?.[1] ?? NaN)
  return Number.isNaN(seconds) ? null : seconds
}

/** Looks at how long the credentials are good; `now` is the server's clock in seconds. */
export function checkExpiry(turns: readonly ServerUrl[], ttl: number, now: number): Result {
  const [first] = turns
  if (first === undefined) return skip('there is no TURN server, so there are none')
  const until = expiryOf(first.server.username)
  const left = until === null ? null : until - now
  if (left !== null && left <= 0) {
    return fail(`the credentials that the server gives out expired ${span(-left)} ago, by its own clock`, 'the clock of what makes them is wrong, or they come from a cache: answers have Cache-Control: no-store')
  }
  if (left !== null && ttl > 0 && Math.abs(left - ttl) > badSkew) {
    return warn(`good for ${span(ttl)} by the server’s word`, `by the server’s clock they are good for ${span(left)}: two clocks differ`, 'set the clocks of the server and of what makes credentials by NTP')
  }
  if (ttl === 0 && left === null) return pass('they do not expire')
  if (ttl > 0 && ttl < shortLife) {
    return warn(`good for ${span(ttl)}`, 'that is short: a page that was asleep comes back with credentials that have expired', 'have the app make tokens that are good for longer: credentials live no longer than the session’s token')
  }
  return pass(ttl > 0 ? `good for ${span(ttl)}; clients get new ones before` : `good for ${span(left ?? 0)}`)
}

/** Lets throughput be measured of one channel at a time, and when the small packets of all others are through: they share the way, and the relay's limit. */
export class Turns {
  #left: number
  #ready: () => void = () => {}
  readonly #all: Promise<void>
  #last: Promise<unknown>

  constructor(count: number) {
    this.#left = count
    this.#all = new Promise((resolve) => (this.#ready = resolve))
    if (count === 0) this.#ready()
    this.#last = this.#all
  }

  /** Says that one needs no more quiet; returns what says so, once. */
  arriving(): () => void {
    let said = false
    return () => {
      if (said) return
      said = true
      if (--this.#left === 0) this.#ready()
    }
  }

  take<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#last.then(work)
    this.#last = mine.catch(() => {})
    return mine
  }
}

/** Tests one URL; a channel that works is left open, in `kept`. */
export async function checkTurn(turn: ServerUrl, timeout: number, now: () => number, turns: Turns, kept: Map<ServerUrl, Channel>): Promise<Result> {
  const arrived = turns.arriving()
  let channel: Channel
  try {
    channel = new Channel({ iceServers: [turn.server], iceTransportPolicy: 'relay' })
  } catch (error) {
    arrived()
    return fail(`the browser does not take ${turn.url.slice(0, 64)}: ${String(error)}`, 'correct --turn-url of the server')
  }
  try {
    const begun = performance.now()
    // Once both sides have only errors, waiting does not help.
    const refused = (): boolean => !channel.gathered.left && !channel.gathered.right && channel.errors.some(({ errorCode }) => errorCode < 700)
    if (!(await channel.connect(timeout, refused))) {
      const result = whyNoChannel(turn, channel, timeout, now())
      channel.close()
      return result
    }
    const opened = duration(performance.now() - begun)
    kept.set(turn, channel)
    const took = await channel.trips()
    arrived()
    const middle = took[took.length >> 1]
    if (middle === undefined) {
      return fail('a data channel opens through the relay, and nothing arrives on it', 'does something on the way, or the relay (--relay-bits-per-address), cap the bandwidth?')
    }
    const bits = await turns.take(() => channel.throughput())
    const lost = tripCount - took.length
    const found = `channel open after ${opened}, round trip ${duration(middle)}, ${rate(bits)}, ${lost} of ${tripCount} packets lost`
    if (lost > tripCount / 20) return warn(found, 'packets are lost on the way to the relay and back', 'the network is overloaded, or bandwidth is capped (--relay-bits-per-address)')
    return pass(found)
  } finally {
    arrived()
  }
}

function whyNoChannel({ over, server }: ServerUrl, { errors, gathered }: Channel, timeout: number, now: number): Result {
  if (gathered.left || gathered.right) {
    return fail('the relay answers, and a data channel through it does not open', 'are the relay’s ports (--relay-ports) closed by a firewall on its own host, or does it deny its own public address as a peer?')
  }
  const error = errors.find(({ errorCode }) => errorCode < 700)
  if (error !== undefined) return whyRefused(error, expiryOf(server.username), now)
  const within = `within ${duration(timeout)}`
  switch (over) {
    case 'UDP':
    case 'DTLS':
      return fail(`no answer over UDP ${within}`, 'a firewall drops UDP to or from the relay, or nothing listens there; clients get through over TCP or TLS if those work')
    case 'TCP':
      return fail(`no answer over TCP ${within}`, 'a firewall blocks this port, a proxy passes on HTTP alone, or nothing listens there (--turn-on-listen, --listen-tcp); clients get through over TLS if that works')
    case 'TLS':
      return fail(`no answer over TLS ${within}`, 'a firewall blocks this port or reads TLS, or the certificate is not for the name in the URL; `signal doctor` tells which, for pages are not told')
  }
}

/** What an answer of the relay means that is an error. */
function whyRefused({ errorCode, errorText }: RTCPeerConnectionIceErrorEvent, until: number | null, now: number): Result {
  const cause = `the relay refuses: ${errorCode}${errorText === '' ? '' : `, ${errorText.slice(0, 80)}`}`
  const when = until === null ? '' : new Date(until * 1000).toISOString().slice(0, 16).replace('T', ' ')
  switch (errorCode) {
    case 401:
      if (until !== null && until <= now) return fail(cause, `the credentials have expired, at ${when}: set the clock of the server that made them, and see that its answers are not cached`)
      if (until !== null) return fail(cause, `the relay does not take the credentials, though they are good until ${when}: its secret differs from the server’s (--turn-secret), or its clock is ahead`)
      return fail(cause, 'the relay does not take the credentials: do server and relay have the same secret (--turn-secret)?')
    case 403:
      return fail(cause, 'the relay forbids this client to allocate: look at its rules')
    case 486:
      return fail(cause, 'this user or this address has as many allocations as it may: close other tabs, or have the operator raise the limit')
    case 508:
      return fail(cause, 'the relay has no more room: are its ports (--relay-ports) used up, or does it shut down?')
    case 300:
      return fail(cause, 'the relay is shutting down and sends clients elsewhere')
  }
  return fail(cause, '`turn check` goes through the relay step by step')
}

/** Has a channel restart ICE, and looks whether it carries on; null: within this page, since no relay works. */
export async function checkRestart(kept: Channel | null, over: string, timeout: number): Promise<Result> {
  const channel = kept ?? new Channel({})
  try {
    if (kept === null && !(await channel.connect(timeout))) {
      return fail('two peers in this page do not connect even directly', 'does the browser keep WebRTC from this device’s own addresses (a policy, an extension), or a firewall on it drop UDP?')
    }
    const begun = performance.now()
    const isNew = await channel.restart()
    const took = await channel.trips()
    if (!isNew) return fail('nothing was restarted', 'this is a fault of the browser or of the doctor: please report it')
    if (took.length === 0) return fail('after a restart nothing arrives on the channel any more', 'see the rows of the relay: does it let one user have two allocations?')
    const after = duration(Math.max(0, performance.now() - begun - tripCount * 10))
    return pass(`done over ${kept === null ? 'a channel within this page' : over}; ${took.length} of ${tripCount} packets came through meanwhile, the last after ${after}`)
  } finally {
    if (kept === null) channel.close()
  }
}
