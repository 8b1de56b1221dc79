import { backoff, signalingBackoff } from './backoff.ts'
import { FramesRefused, type Endpoints } from './endpoints.ts'
import { SignalError } from './errors.ts'
import type { Link } from './link.ts'
import type { Environment } from './options.ts'
import { randomNumber } from './random.ts'
import type { Numbered, Session } from './session.ts'

/** Milliseconds. */
const ackTime = 5000
const leastHold = 50
const mostHold = 60_000

/** A POST of several frames has no more frames, and bytes. */
const postFrames = 64
const postBytes = 200 * 1024

/** What the uplink tells. */
export interface UplinkEvents {
  /** A POST was answered with frames; and the link of this number is in use by it, if it is not 0. */
  answered(frames: readonly unknown[], used: number): void
  refused(error: SignalError, used: number): void
}

/** What goes up: numbered frames and acknowledgements, on the WebSocket in use or else by one POST after the other. */
export class Uplink {
  /** The number of the link of events that the next POST is to put into use; 0 is none. */
  use = 0
  /** Whether a POST is to be sent even if it is empty. */
  isDue = false
  isPosting = false

  readonly #session: Session
  readonly #endpoints: Endpoints
  readonly #env: Environment
  readonly #events: UplinkEvents
  #sent: number // the last frame put on the link in use
  #heldUntil = 0
  #ackAt = Infinity
  #next = 0
  #failures = 0
  #most = postBytes

  constructor(session: Session, endpoints: Endpoints, env: Environment, events: UplinkEvents) {
    this.#session = session
    this.#endpoints = endpoints
    this.#env = env
    this.#events = events
    this.#sent = session.received
  }

  /** Whether frames wait, because the server said that more of them are over its rate. */
  get isHeld(): boolean {
    return this.#env.clock.now() < this.#heldUntil
  }

  /** Has everything that the server has not received sent again. */
  rewind(): void {
    this.#sent = this.#session.received
  }

  /** Has what failed tried again at once. */
  retry(): void {
    this.#next = this.#failures = 0
  }

  /** Begins anew on another link. */
  restart(): void {
    this.rewind()
    this.retry()
  }

  /** Sends nothing numbered for so many seconds, and then everything that the server has not received. */
  hold(seconds: number): void {
    this.rewind()
    this.#heldUntil = this.#env.clock.now() + Math.min(Math.max(seconds * 1000, leastHold), mostHold)
  }

  /** Takes note that frames are to be acknowledged: now, or in a while. */
  owe(now: number, isUrgent: boolean): void {
    this.#ackAt = Math.min(this.#ackAt, isUrgent ? now : now + ackTime)
  }

  /** Takes note that the server is told of the frames up to `n`. */
  acked(n: number): void {
    this.#session.acked(n)
    if (!this.#session.owesAck) this.#ackAt = Infinity
  }

  /**
   * Sends what waits: on the socket; or by POST, which says what was handled where `acknowledges`. Returns when there
   * will be more to do.
   */
  write(now: number, socket: Link | null, acknowledges: boolean): number {
    const { last, owesAck, ackIsDue } = this.#session
    let frames = this.#session.after(this.#sent)
    let due = Infinity
    if (frames.length > 0 && now < this.#heldUntil) {
      due = this.#heldUntil
      frames = []
    }
    const isAckDue = acknowledges && owesAck && (ackIsDue || now >= this.#ackAt)
    if (socket !== null) {
      for (const { text } of frames) socket.send(text)
      this.#sent = frames.at(-1)?.n ?? this.#sent
      if (isAckDue) {
        socket.send(`{"kind":"ack","n":${last}}`)
        this.acked(last)
      }
    } else if (!this.isPosting && (frames.length > 0 || this.use > 0 || this.isDue || isAckDue)) {
      if (now < this.#next) return Math.min(due, this.#next)
      void this.#post(frames)
    }
    return acknowledges && this.#session.owesAck && !this.isPosting ? Math.min(due, this.#ackAt) : due
  }

  async #post(waiting: readonly Numbered[]): Promise<void> {
    const { use } = this
    const { last, reply: access } = this.#session
    let bytes = 0
    const frames = waiting.slice(0, postFrames).filter((frame, i) => (bytes += frame.bytes) <= this.#most || i === 0)
    const first = frames[0] ? `"first":${frames[0].n},"frames":[${frames.map(({ text }) => text).join()}],` : ''
    this.#sent = frames.at(-1)?.n ?? this.#sent
    this.isPosting = true
    this.isDue = false
    const reply = await this.#endpoints
      .post(access, `{${first}"ack":${last}${use > 0 ? `,"use":${use}` : ''}}`)
      .catch((cause: unknown) => SignalError.of(cause))
    this.isPosting = false
    const isRefused = reply instanceof SignalError
    const isOverRate = isRefused && reply.code === 'rate_limited' && (reply as FramesRefused).received !== undefined
    const { received = 0 } = reply as FramesRefused
    this.#session.receive(received)
    if (!isRefused || isOverRate) {
      this.#failures = 0
      this.acked(last)
    }
    if (!isRefused) {
      if (this.use === use) this.use = 0
      return this.#events.answered(reply.frames, use)
    }
    this.rewind()
    if (isOverRate) this.hold(reply.retryAfter ?? 1)
    else if (reply.code === 'body_too_large' && frames.length > 1) this.#most = Math.min(this.#most, bytes) / 2
    else this.#next = this.#env.clock.now() + backoff(++this.#failures, randomNumber(this.#env.random), signalingBackoff, reply.retryAfter)
    this.isDue ||= !isOverRate
    this.#events.refused(reply, use)
  }
}
