// The server and its clock, the join, and what the browser gives pages here.
import { duration, fail, pass, skip, span, warn, type Result } from './row.ts'
import { Refused, request, Unanswered, type Session } from './session.ts'

const oddSkew = 30 // seconds; from here on it is worth a word,
const badSkew = 300 // and from here on it breaks things

export async function checkServer(server: URL, timeout: number): Promise<Result> {
  const began = performance.now()
  try {
    const response = await request(new URL('healthz', server).href, timeout)
    const took = duration(performance.now() - began)
    const health = (await response.json().catch(() => null)) as { status?: unknown; version?: unknown } | null
    if (typeof health?.status !== 'string') {
      return warn(`answers after ${took}`, 'something that is not a Parley server answers for its health', 'is a proxy in front that does not pass /healthz on, or a login page of the network?')
    }
    const version = typeof health.version === 'string' ? `, version ${health.version.slice(0, 64)}` : ''
    const ready = await request(new URL('readyz', server).href, timeout).catch((error: unknown) => error)
    const found = `health ${health.status.slice(0, 20)} after ${took}${version}`
    if (ready instanceof Refused && ready.status === 503) return warn(found, 'the server is shutting down or starting: it takes no new peers', 'wait until it is ready (/readyz)')
    return pass(found)
  } catch (error) {
    if (error instanceof Refused && error.status === 404) return pass(`answers after ${duration(performance.now() - began)}, and has no /healthz`)
    if (error instanceof Refused && error.status >= 500) {
      return fail(`what is in front of the server, or the server, answers with status ${error.status}`, 'is the server running behind its proxy, and on the port that the proxy knows?')
    }
    if (error instanceof Refused) {
      return fail(`status ${error.status} instead of the server’s health`, 'something in front of the server, such as a login page or a firewall, answers in its place')
    }
    const late = error instanceof Unanswered && error.late
    return fail(
      late ? `no answer within ${duration(timeout)}, though the server gave this page` : 'the connection is refused or breaks, though the server gave this page',
      'is this device still on the network, and the server still running?',
    )
  }
}

/** Why the server did not let us in. */
export function whyNoJoin(error: unknown, token: string): Result {
  if (!(error instanceof Refused)) return fail(error instanceof Error ? error.message : String(error), 'is the server still running? Does something on the way not pass POST on?')
  switch (error.code) {
    case 'unauthorized':
      return token === ''
        ? fail('the server asks for an app token', 'put one into the options above, and run again; the app that uses this server makes them')
        : fail(`the server does not take the token (${error.message})`, 'is it whole, not expired, and for this server? A clock that is wrong makes it expire, too')
    case 'forbidden':
      return fail('the token does not let anybody into this room', 'put a room that the token is for into the options above')
    case 'origin_denied':
      return fail(`pages from ${location.origin} may not use the server`, `start the server with --public-url ${location.origin}, or --allow-origin; behind a proxy, have that pass the header Host on`)
    case 'rate_limited':
    case 'too_many_sessions':
      return fail(error.message, 'too many clients share this address, or come too fast; wait, or have the operator raise the limit (--trusted-proxy if they are behind one proxy)')
    case 'room_full':
      return fail('the room is full', 'choose another room in the options above')
    case 'draining':
    case 'unavailable':
      return fail('the server takes nobody in just now', 'it is restarting, or its store is away: try again soon')
    case null:
      return fail(`the join is answered with status ${error.status}, and not by a Parley server`, 'does the proxy in front pass /v1/ on, and POST with it?')
  }
  return fail(error.message, 'see the protocol’s table of codes')
}

/** How far the server's clock is ahead of this device's, in seconds; null if it does not say. Its header has whole seconds. */
export function skewOf({ date, at, took }: Session): number | null {
  return date === null ? null : (date + 500 - (at - took / 2)) / 1000
}

export function checkClock(skew: number | null): Result {
  if (skew === null) return skip('the answer has no Date')
  const off = Math.abs(skew)
  const words = `${span(off)} ${skew > 0 ? 'behind' : 'ahead of'} the server’s`
  if (off <= 1.5) return pass('the same as the server’s, to the second')
  if (off < oddSkew) return pass(words)
  const cause = `this device’s clock is ${words}: tokens, credentials of the relay and certificates seem expired, or not yet good`
  const cure = 'have the device set its clock from the network; if it is right, the server’s is wrong'
  return off < badSkew ? warn(words, cause, cure) : fail(cause, cure)
}

/** What pages get here that the client and the editor use. */
export async function checkPage(): Promise<Result> {
  const parts: readonly [name: string, there: boolean, without: string][] = [
    ['crypto.subtle', globalThis.crypto?.subtle !== undefined, 'who the others are cannot be verified'],
    ['Web Locks', 'locks' in navigator && navigator.locks !== undefined, 'several tabs with one text connect each for itself'],
    ['IndexedDB', await storesData(), 'texts are not kept over a reload'],
    ['clipboard', navigator.clipboard !== undefined, 'copying needs Ctrl+C'],
  ]
  const missing = parts.filter(([, there]) => !there)
  const have = parts.filter(([, there]) => there).map(([name]) => name).join(', ')
  const secure = isSecureContext ? 'a secure context' : 'not a secure context'
  if (missing.length === 0) return pass(`${secure}, with ${have}`)
  const found = have === '' ? secure : `${secure}, with ${have}`
  const lacks = missing.map(([name, , without]) => `no ${name}: ${without}`).join('; ')
  if (isSecureContext) return warn(found, lacks, 'is this a private window, or does a setting forbid it?')
  return warn(found, `${lacks} (the page came over plain http)`, 'serve HTTPS: --acme-domain, or --tls-cert and --tls-key')
}

/** Whether something can be stored, for real: in some private windows the interface is there and fails. */
function storesData(): Promise<boolean> {
  return new Promise((resolve) => {
    const name = 'parley.doctor'
    setTimeout(() => resolve(false), 2000)
    try {
      const opening = indexedDB.open(name)
      opening.onerror = () => resolve(false)
      opening.onsuccess = () => {
        opening.result.close()
        indexedDB.deleteDatabase(name)
        resolve(true)
      }
    } catch {
      resolve(false)
    }
  })
}

/** Whether there is WebRTC, and it makes an offer. */
export async function checkWebRTC(): Promise<Result> {
  const cure = 'use a browser with WebRTC, or allow it: an extension, a policy or a setting may turn it off. Messages go through the server until then'
  if (typeof RTCPeerConnection === 'undefined') return fail('this browser has no RTCPeerConnection', cure)
  try {
    const pc = new RTCPeerConnection()
    try {
      pc.createDataChannel('doctor')
      const { sdp } = await pc.createOffer()
      return sdp?.includes('m=application') === true ? pass('RTCPeerConnection with data channels') : fail('its offers have no data channels', cure)
    } finally {
      pc.close()
    }
  } catch (error) {
    return fail(`a connection cannot be made: ${String(error)}`, cure)
  }
}
