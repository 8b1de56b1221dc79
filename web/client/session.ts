import type { UplinkFrame } from './frames.ts'
import { roster, isCount, isFields, isSeconds, isText, type RosterEntry } from './frames.ts'

/** What a join's reply says. */
export interface JoinReply {
  readonly session: string
  readonly secret: string
  readonly peer: string
  /** As the others see it, which the app may have decided; absent where the server says nothing. */
  readonly name?: string
  readonly epoch: number
  readonly at: number
  readonly peers: readonly RosterEntry[]
  readonly iceServers: RTCIceServer[]
  /** Seconds that the ICE servers' credentials live; 0 for ever. */
  readonly ttl: number
  /** Seconds between the server's pings. */
  readonly heartbeat: number
  /** The most bytes that one frame may have. */
  readonly frameLimit: number
}

/** Reads a join's reply, or returns null when it is none. */
export function parseJoinReply(value: unknown): JoinReply | null {
  if (!isFields(value)) return null
  const { session, secret, peer, name, epoch, at, iceServers, ttl, heartbeat, limits } = value
  const peers = roster(value.peers)
  if (!isText(session) || !isText(secret) || !isText(peer) || !isCount(epoch) || !isCount(at) || peers === null) return null
  return {
    session,
    secret,
    peer,
    ...(isText(name) && { name }),
    epoch,
    at,
    peers,
    iceServers: Array.isArray(iceServers) ? (iceServers as RTCIceServer[]) : [],
    ttl: isSeconds(ttl) ? ttl : 0,
    heartbeat: isSeconds(heartbeat) && heartbeat > 0 ? heartbeat : 25,
    frameLimit: isFields(limits) && isCount(limits.frame) ? limits.frame : 65_536,
  }
}

/** An uplink frame with its number, as text to send. */
export interface Numbered {
  readonly n: number
  readonly frame: UplinkFrame
  readonly text: string
}

/** Acknowledge after so much, at the latest. */
const ackFrames = 64
const ackBytes = 64 * 1024

/**
 * One session of the server: who this side is there, and the numbers of the frames both ways, across links. It does no
 * I/O; it says what is new, what to acknowledge and what to send again.
 */
export class Session {
  /** The number of the last downlink frame handled. */
  last = 0
  /** The roster is as of this downlink frame: frames up to it are in it already. */
  rosterAt: number

  #sent = 0
  #waiting: Numbered[] = [] // uplink frames not acknowledged, in order
  #unackedFrames = 0
  #unackedBytes = 0

  constructor(readonly reply: JoinReply) {
    this.rosterAt = reply.at
  }

  /** Takes note of a downlink frame, and says whether it is to be handled, was had already, or shows that some are missing. */
  take(n: number, bytes: number): 'next' | 'had' | 'gap' {
    if (n <= this.last) return 'had'
    if (n > this.last + 1) return 'gap'
    this.last = n
    this.#unackedFrames++
    this.#unackedBytes += bytes
    return 'next'
  }

  /** Whether frames were taken that nobody acknowledged. */
  get owesAck(): boolean {
    return this.#unackedFrames > 0
  }

  /** Whether so many are owed that the acknowledgement cannot wait for its timer. */
  get ackIsDue(): boolean {
    return this.#unackedFrames >= ackFrames || this.#unackedBytes >= ackBytes
  }

  /** Takes note that everything up to `last` was acknowledged. */
  acked(): void {
    this.#unackedFrames = 0
    this.#unackedBytes = 0
  }

  /** The number of the last uplink frame. */
  get sent(): number {
    return this.#sent
  }

  /** Numbers an uplink frame and keeps it until the server has it. Null is one too large for the server. */
  number(frame: UplinkFrame): Numbered | null {
    const text = JSON.stringify({ ...frame, n: this.#sent + 1 })
    if (new TextEncoder().encode(text).length > this.reply.frameLimit) return null
    const numbered = { n: ++this.#sent, frame, text }
    this.#waiting.push(numbered)
    return numbered
  }

  /** Forgets the uplink frames that the server has received. */
  received(upTo: number): void {
    this.#waiting = this.#waiting.filter((frame) => frame.n > upTo)
  }

  /** The uplink frames that the server is not known to have, in order. */
  get waiting(): readonly Numbered[] {
    return this.#waiting
  }
}
