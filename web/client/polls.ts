import { backoff, signalingBackoff } from './backoff.ts'
import type { Endpoints, FramesReply } from './endpoints.ts'
import { SignalError } from './errors.ts'
import { isCount, isFields } from './frames.ts'
import type { Environment } from './options.ts'
import { randomNumber } from './random.ts'
import { Rhythm } from './rhythm.ts'
import type { Session } from './session.ts'

/** An opening that took longer, in milliseconds, may have been repeated on its way. */
const slowOpening = 1000

/** What polls tell. */
export interface PollEvents {
  answered(reply: FramesReply): void
  /** A poll was refused, or had no answer. */
  failed(error: SignalError): void
  /** A poll that was given up, or repeated by something in the way, may yet arrive and take over. */
  strays(): void
}

/** The polling link: one poll after the other. */
export class Polls {
  /** Of the link; 0 when none is open. */
  number = 0
  readonly rhythm: Rhythm

  readonly #session: Session
  readonly #endpoints: Endpoints
  readonly #env: Environment
  readonly #events: PollEvents
  #abort: AbortController | null = null // of the poll under way

  constructor(session: Session, endpoints: Endpoints, env: Environment, limit: number, events: PollEvents) {
    this.#session = session
    this.#endpoints = endpoints
    this.#env = env
    this.#events = events
    this.rhythm = new Rhythm(limit)
  }

  /** Whether a poll is under way whose link has no number yet. */
  get isOpening(): boolean {
    return this.#abort !== null && this.number === 0
  }

  /** Gives up the poll under way. */
  stop(): void {
    if (this.isOpening) this.#events.strays()
    this.#abort?.abort()
    this.#abort = null
  }

  /** Polls, if it is time; returns when it will be. */
  poll(now: number, isShort: boolean): number {
    const { rhythm, number } = this
    if (this.#abort !== null) return Infinity
    if (now >= rhythm.next) void this.#poll(now, isShort || number === 0 ? 0 : rhythm.wait, isShort, (this.#abort = new AbortController()))
    return rhythm.next > now ? rhythm.next : Infinity
  }

  async #poll(began: number, wait: number, isShort: boolean, abort: AbortController): Promise<void> {
    const { rhythm, number } = this
    const { last, reply: access } = this.#session
    const reply = await this.#endpoints.poll(access, number, wait, last, abort).catch((cause: unknown) => SignalError.of(cause))
    if (this.#abort !== abort) return // it was given up
    this.#abort = null
    const now = this.#env.clock.now()
    if (!(reply instanceof SignalError)) {
      if (number === 0 && now - began > slowOpening) this.#events.strays()
      this.number = reply.link
      this.#session.acked(last)
      this.#session.receive(reply.received)
      const isEmpty = !reply.frames.some((frame) => isFields(frame) && isCount(frame.n) && frame.n > last)
      rhythm.answered(now, wait, isEmpty, now - began, reply.next * 1000, isShort)
      return this.#events.answered(reply)
    }
    const isAnswer = reply.code !== 'network' && reply.code !== 'protocol'
    if (number === 0 && !isAnswer) this.#events.strays()
    const delay = backoff(rhythm.failures + 1, randomNumber(this.#env.random), signalingBackoff, reply.retryAfter)
    rhythm.failed(now, isAnswer ? 0 : wait, delay)
    this.#events.failed(reply)
  }
}
