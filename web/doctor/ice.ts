// What STUN tells, and what it means.
import { duration, fail, pass, skip, warn, type Result } from './row.ts'
import { sleep } from './session.ts'

/** One URL of a STUN or TURN server, as the join told it. */
export interface ServerUrl {
  readonly url: string
  readonly relays: boolean
  readonly over: 'UDP' | 'TCP' | 'TLS' | 'DTLS'
  /** What the row is called. */
  readonly title: string
  readonly server: RTCIceServer
}

const most = 8 // of each kind that are looked at

/** The URLs that the join told, each with its credentials. */
export function urlsOf(servers: readonly RTCIceServer[]): { stuns: ServerUrl[]; turns: ServerUrl[] } {
  const all = servers.flatMap((server) => [server.urls].flat().map((url) => serverUrl(url, server)))
  return { stuns: all.filter(({ relays }) => !relays).slice(0, most), turns: all.filter(({ relays }) => relays).slice(0, most) }
}

function serverUrl(url: string, { username, credential }: RTCIceServer): ServerUrl {
  const [, scheme = '', host = '', query = ''] = /^(stuns?|turns?):([^?]*)\??(.*)$/i.exec(url) ?? []
  const relays = /^turn/i.test(scheme)
  const secure = /s$/i.test(scheme)
  const transport = /transport=(\w+)/i.exec(query)?.[1]?.toLowerCase() ?? (secure ? 'tcp' : 'udp')
  const over = secure ? (transport === 'udp' ? 'DTLS' : 'TLS') : transport === 'udp' ? 'UDP' : 'TCP'
  const port = /:\d+$/.test(host) ? '' : secure ? ':5349' : ':3478'
  return {
    url,
    relays,
    over,
    title: `${relays ? 'TURN' : 'STUN'} over ${over}, ${host.slice(0, 64)}${port}`,
    server: { urls: url, ...(username !== undefined && { username }), ...(credential !== undefined && { credential }) },
  }
}

/** What gathering has found so far. */
export interface Gathered {
  readonly candidates: RTCIceCandidate[]
  readonly errors: RTCPeerConnectionIceErrorEvent[]
}

/** Gathers candidates until there is one that is wanted, or all are there, or the time is over; resolves with why it ended. */
export async function gather(
  config: RTCConfiguration,
  timeout: number,
  wanted: (candidate: RTCIceCandidate) => boolean,
  into: Gathered,
): Promise<'found' | 'complete' | 'late'> {
  const pc = new RTCPeerConnection(config)
  try {
    const ended = new Promise<'found' | 'complete'>((resolve) => {
      pc.onicecandidate = ({ candidate }) => {
        if (candidate === null) return resolve('complete')
        if (candidate.candidate === '') return
        into.candidates.push(candidate)
        if (wanted(candidate)) resolve('found')
      }
      pc.onicecandidateerror = (error) => into.errors.push(error)
    })
    pc.createDataChannel('doctor')
    await pc.setLocalDescription()
    return await Promise.race([ended, sleep(timeout).then(() => 'late' as const)])
  } finally {
    pc.onicecandidate = pc.onicecandidateerror = null
    pc.close()
  }
}

/** What one STUN server, and the device's own candidates, told. */
export interface Sight {
  readonly result: Result
  readonly answered: boolean
  /** How the server sees this device, where a NAT is in between. */
  readonly mapped: readonly RTCIceCandidate[]
  readonly candidates: readonly RTCIceCandidate[]
}

/** Asks one STUN server where it sees this device. */
export async function checkStun(stun: ServerUrl, timeout: number): Promise<Sight> {
  const into: Gathered = { candidates: [], errors: [] }
  const isMapped = (candidate: RTCIceCandidate): boolean => candidate.type === 'srflx'
  const began = performance.now()
  let end: 'found' | 'complete' | 'late'
  try {
    end = await gather({ iceServers: [stun.server] }, timeout, isMapped, into)
  } catch (error) {
    const result = fail(`the browser does not take ${stun.url.slice(0, 64)}: ${String(error)}`, 'correct --turn-url of the server')
    return { result, answered: false, mapped: [], candidates: [] }
  }
  const took = duration(performance.now() - began)
  const mapped = into.candidates.filter(isMapped)
  const sight = { mapped, candidates: into.candidates }
  const seen = mapped[0]
  if (seen !== undefined) return { ...sight, answered: true, result: pass(`this device is seen as ${seen.address ?? 'an address'}, port ${seen.port ?? '?'}, after ${took}`) }
  if (end === 'complete' && into.errors.length === 0 && into.candidates.length > 0) {
    return { ...sight, answered: true, result: pass(`answered after ${took}: this device is seen under its own address`) }
  }
  const cure = 'a firewall drops UDP, or nothing listens there; peers then need the relay over TCP or TLS'
  const error = into.errors[0]
  const cause = end === 'late' || error === undefined ? `no answer within ${duration(timeout)}` : `no answer: ${error.errorText} (${error.errorCode})`
  return { ...sight, answered: false, result: fail(cause, cure) }
}

/** What a NAT does, as far as it was seen. */
export type Mapping = 'unknown' | 'none' | 'independent' | 'dependent'

/** Looks at what one socket of this device is seen as: by STUN servers, and from a relayed address, which is another port. */
export async function checkNat(
  stuns: readonly ServerUrl[],
  relay: ServerUrl | undefined,
  sights: readonly Sight[],
  timeout: number,
): Promise<{ result: Result; mapping: Mapping }> {
  if (!sights.some(({ answered }) => answered)) return { result: skip('no STUN server answers over UDP, so it cannot be seen'), mapping: 'unknown' }
  if (sights.every(({ mapped }) => mapped.length === 0)) return { result: pass('none: this device is seen under its own address'), mapping: 'none' }
  const ports = await portsSeen(stuns, relay, timeout).catch(() => [])
  const distinct = [...new Set(ports)]
  if (ports.length < 2) {
    return { result: pass('there is a NAT; whether it gives each destination another port could not be seen'), mapping: 'unknown' }
  }
  if (distinct.length === 1) {
    return { result: pass(`endpoint-independent mapping: the same port, ${distinct[0]}, as seen from ${ports.length} ports; others can connect directly`), mapping: 'independent' }
  }
  return {
    mapping: 'dependent',
    result: warn(
      `address- and port-dependent mapping (“symmetric”): ports ${distinct.join(', ')} for one socket`,
      'the NAT gives each destination another port, so that peers behind another such NAT, or a strict firewall, do not find this one',
      'peers connect through the relay then; direct paths to them need another NAT setting (full cone, UPnP) or IPv6',
    ),
  }
}

/** The ports under which one socket is seen: one connection gathers by STUN, and another, which is on the relay alone, sees where its checks come from. */
async function portsSeen(stuns: readonly ServerUrl[], relay: ServerUrl | undefined, timeout: number): Promise<number[]> {
  const near = new RTCPeerConnection({ iceServers: stuns.map(({ server }) => server) })
  const far = relay === undefined ? null : new RTCPeerConnection({ iceServers: [relay.server], iceTransportPolicy: 'relay' })
  const ports: number[] = []
  let socket: number | null = null // of several, that of the first
  try {
    near.onicecandidate = ({ candidate }) => {
      if (candidate?.type !== 'srflx' || candidate.protocol !== 'udp' || candidate.port === null) return
      socket ??= candidate.relatedPort
      if (candidate.relatedPort === socket) ports.push(candidate.port)
      far?.addIceCandidate(candidate).catch(() => {})
    }
    near.createDataChannel('doctor')
    await near.setLocalDescription()
    if (far === null) {
      await sleep(Math.min(timeout, 2000))
      return ports
    }
    far.onicecandidate = ({ candidate }) => candidate !== null && near.addIceCandidate(candidate).catch(() => {})
    await far.setRemoteDescription({ type: 'offer', sdp: withoutCandidates(near.localDescription?.sdp ?? '') })
    await far.setLocalDescription()
    await near.setRemoteDescription({ type: 'answer', sdp: far.localDescription?.sdp ?? '' })
    for (const until = performance.now() + timeout; performance.now() < until; await sleep(50)) {
      const port = await portInUse(far)
      if (port !== null) return [...ports, port]
    }
    return ports
  } finally {
    near.onicecandidate = null
    if (far !== null) far.onicecandidate = null
    near.close()
    far?.close()
  }
}

/** Host candidates must not be told: the relay refuses private addresses as peers, and is not to be asked. */
function withoutCandidates(sdp: string): string {
  return sdp.replace(/^a=candidate:.*\r\n/gm, '')
}

/** The port from which the other side's packets come, once some do. */
async function portInUse(pc: RTCPeerConnection): Promise<number | null> {
  const stats = [...(await pc.getStats()).values()] as Record<string, unknown>[]
  const pair = stats.find(({ type, state, requestsReceived }) => type === 'candidate-pair' && (state === 'succeeded' || Number(requestsReceived) > 0))
  const remote = stats.find(({ id }) => pair !== undefined && id === pair['remoteCandidateId'])
  return typeof remote?.['port'] === 'number' ? remote['port'] : null
}

/** Looks for IPv6 among what was gathered. */
export function checkIpv6(candidates: readonly RTCIceCandidate[]): Result {
  const addresses = candidates.map(({ address }) => (address ?? '').replace(/^\[|\]$/g, ''))
  const global = addresses.find((address) => address.includes(':') && !/^(::1$|fe80|f[cd])/i.test(address))
  if (global !== undefined) return pass(`this device has an IPv6 address, ${global}`)
  if (/^\[/.test(location.hostname)) return pass('the server is reached over IPv6')
  if (addresses.some((address) => address.endsWith('.local'))) return skip('not to be seen: the browser keeps this device’s own addresses to itself')
  return skip('no IPv6 address was seen: IPv4 is used')
}
