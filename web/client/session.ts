import type { UplinkFrame } from './frames.ts'
import { isCount, isFields, isSeconds, isText, pick, roster, type RosterEntry } from './frames.ts'

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
  const { iceServers, ttl, heartbeat, limits } = value
  const peers = roster(value.peers)
  const found = pick(value, { session: isText, secret: isText, peer: isText, epoch: isCount, at: isCount }, { name: isText })
  if (found === null || peers === null) return null
  return {
    ...(found as unknown as Pick<JoinReply, 'session' | 'secret' | 'peer' | 'name' | 'epoch' | 'at'>),
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
  readonly text: string
  readonly bytes: number
}

/** Acknowledge after so much, at the latest. */
const ackFrames = 64
const ackBytes = 64 * 1024

/**
 * One session of the server: who this side is there, and the numbers of the frames both ways, across links. It does no
 * I/O; it says what is new, what to acknowledge and what to send.
 */
export class Session {
  /** The number of the last downlink frame handled. */
  last = 0
  /** Until then, a link that was given up may arrive at the server, and take over. */
  strays = 0
  /** How many links were superseded that were in use for a short time, one after the other. */
  superseded = 0

  #numbered = 0
  #waiting: Numbered[] = [] // uplink frames not received, in order
  #received = 0
  #acked = 0
  #unackedBytes = 0

  /** @param joinTime how long the reply took, in milliseconds */
  constructor(
    readonly reply: JoinReply,
    readonly joinTime = 0,
  ) {}

  /** Takes note of a downlink frame, and says whether it is to be handled, was had already, or shows that some are missing. */
  take(n: number, bytes: number): 'next' | 'had' | 'gap' {
    if (n <= this.last) return 'had'
    if (n > this.last + 1) return 'gap'
    this.last = n
    this.#unackedBytes += bytes
    return 'next'
  }

  /** Whether frames were taken that nobody acknowledged. */
  get owesAck(): boolean {
    return this.last > this.#acked
  }

  /** Whether so many are owed that the acknowledgement cannot wait for its timer. */
  get ackIsDue(): boolean {
    return this.last - this.#acked >= ackFrames || (this.owesAck && this.#unackedBytes >= ackBytes)
  }

  /** Takes note that the server was told of the frames up to `n`. */
  acked(n: number): void {
    this.#acked = Math.max(this.#acked, n)
    this.#unackedBytes = 0
  }

  /** The number of the last uplink frame. */
  get sent(): number {
    return this.#numbered
  }

  /** Numbers an uplink frame and keeps it until the server has it. False when it is too large for the server. */
  number(frame: UplinkFrame): boolean {
    const text = JSON.stringify({ ...frame, n: this.#numbered + 1 })
    const bytes = new TextEncoder().encode(text).length
    if (bytes > this.reply.frameLimit) return false
    this.#waiting.push({ n: ++this.#numbered, text, bytes })
    return true
  }

  /** The uplink frames that the server is known to have received. */
  get received(): number {
    return this.#received
  }

  /** Forgets the uplink frames that the server has received. */
  receive(upTo: number): void {
    const count = Math.min(upTo, this.#numbered) - this.#received
    if (count <= 0) return
    this.#waiting.splice(0, count)
    this.#received += count
  }

  /** The uplink frames after number `n` that the server is not known to have, in order. */
  after(n: number): readonly Numbered[] {
    return this.#waiting.slice(Math.max(0, n - this.#received))
  }
}
