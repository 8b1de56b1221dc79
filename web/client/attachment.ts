import { retryOf } from './codes.ts'
import { SignalError } from './errors.ts'
import { parseFrame, type LinkFrame, type NumberedFrame, type UplinkFrame } from './frames.ts'
import type { Link, LinkEvents } from './link.ts'
import type { Clock } from './options.ts'
import type { Numbered, Session } from './session.ts'

/** Milliseconds. */
const helloPatience = 10_000
const probePatience = 2_000
const ackDelay = 5_000
const leastHold = 50
const mostHold = 60_000

type Hello = Extract<LinkFrame, { kind: 'hello' }>
export type Notice = Extract<LinkFrame, { kind: 'refused' | 'ice' | 'drain' }>

type TimerName = 'hello' | 'probe' | 'ack' | 'silence' | 'hold'

/** What an attachment tells. */
export interface AttachmentEvents {
  /** The link works. The session has taken note of it already. */
  hello(frame: Hello): void
  /** A numbered frame, each once and in order. */
  frame(frame: NumberedFrame): void
  notice(frame: Notice): void
  /** The link is over; nothing follows. */
  ended(error: SignalError): void
}

/** One link of one session: it numbers, acknowledges, sends again, and watches that the other end is alive. */
export class Attachment {
  readonly #session: Session
  readonly #clock: Clock
  readonly #events: AttachmentEvents
  readonly #link: Link
  readonly #cancels = new Map<TimerName, () => void>()
  #open = false
  #over = false
  #heard: number
  #resentFrom = -1
  #took = false // numbered frames, on this link

  constructor(session: Session, clock: Clock, open: (events: LinkEvents) => Link, events: AttachmentEvents) {
    this.#session = session
    this.#clock = clock
    this.#events = events
    this.#heard = clock.now()
    this.#link = open({
      text: (text) => this.#read(text),
      closed: (code, reason) => this.#closed(code, reason),
    })
    this.#timer('hello', helloPatience, () => this.#end(new SignalError('network', 'the link did not open in time')))
  }

  /** Sends an uplink frame, now or with the next link. False when it is too large for the server. */
  send(frame: UplinkFrame): boolean {
    const numbered = this.#session.number(frame)
    if (numbered !== null && this.#open && !this.isHeld) this.#link.send(numbered.text)
    return numbered !== null
  }

  /** Whether frames wait, because the server said that more of them are over its rate. */
  get isHeld(): boolean {
    return this.#cancels.has('hold')
  }

  /** Finds out quickly whether the link still works. */
  probe(): void {
    if (!this.#open || this.#cancels.has('probe')) return
    this.#link.send('{"kind":"ping"}')
    this.#timer('probe', probePatience, () => this.#end(new SignalError('silent', 'the server did not answer')))
  }

  /** Ends the link without telling. */
  close(): void {
    this.#over = true
    this.#open = false
    for (const cancel of this.#cancels.values()) cancel()
    this.#link.close()
  }

  #end(error: SignalError): void {
    if (this.#over) return
    this.close()
    this.#events.ended(error)
  }

  #closed(code: number, reason: string): void {
    const retry = retryOf(code)
    const known = code >= 4000 && code < 4300
    this.#end(new SignalError(known && reason !== '' ? reason : 'network', `the link was closed (${code})`, retry))
  }

  #read(text: string): void {
    if (this.#over) return
    this.#heard = this.#clock.now()
    this.#cancel('probe')
    const frame = parseFrame(text)
    if (frame === null) return
    if ('n' in frame) this.#take(frame, text.length)
    else this.#handle(frame)
  }

  #take(frame: NumberedFrame, bytes: number): void {
    const verdict = this.#session.take(frame.n, bytes)
    if (verdict === 'gap') {
      // Another link brings what is missing, unless this one already began with too late a frame.
      const retry = this.#took ? 'resume' : 'rejoin'
      return this.#end(new SignalError('gap', 'frames of the server are missing', retry))
    }
    this.#took = true
    if (verdict === 'had') return
    this.#events.frame(frame)
    if (this.#over) return
    if (this.#session.ackIsDue) this.#ack()
    else if (!this.#cancels.has('ack')) this.#timer('ack', ackDelay, () => this.#ack())
  }

  #ack(): void {
    this.#cancel('ack')
    if (!this.#session.owesAck) return
    this.#link.send(`{"kind":"ack","n":${this.#session.last}}`)
    this.#session.acked()
  }

  #handle(frame: LinkFrame): void {
    switch (frame.kind) {
      case 'ping':
        this.#link.send('{"kind":"pong"}')
        return this.#ack() // the timer may be held back while the page is hidden
      case 'pong':
        return
      case 'hello':
        return this.#hello(frame)
      case 'received':
        this.#session.received(frame.upTo)
        if (frame.retryAfter !== undefined) return this.#hold(frame.retryAfter * 1000)
        if (frame.gap && this.#resentFrom !== frame.upTo) {
          this.#resentFrom = frame.upTo // once is enough: the link keeps what it is given in order
          this.#send(this.#session.waiting)
        }
        return
      case 'superseded':
        return this.#end(new SignalError('superseded', 'another link of this session took over'))
      case 'ended':
        return this.#end(new SignalError(frame.code, frame.message, undefined, frame.in))
      default:
        this.#events.notice(frame)
    }
  }

  /** Sends nothing numbered for so many milliseconds, and then everything that the server has not. */
  #hold(delay: number): void {
    this.#timer('hold', Math.min(Math.max(delay, leastHold), mostHold), () => this.#send(this.#session.waiting))
  }

  #hello(frame: Hello): void {
    if (this.#open) return
    this.#open = true
    this.#cancel('hello')
    this.#session.acked() // by the number that the link was opened with
    this.#session.rosterAt = frame.at
    this.#session.received(frame.received)
    this.#send(this.#session.waiting)
    this.#watch()
    this.#events.hello(frame)
  }

  #send(frames: readonly Numbered[]): void {
    for (const { text } of frames) this.#link.send(text)
  }

  /** Probes after two heartbeats of silence. */
  #watch(): void {
    const bound = 2000 * this.#session.reply.heartbeat
    const silent = this.#clock.now() - this.#heard
    if (silent >= bound) this.probe()
    this.#timer('silence', silent >= bound ? bound : bound - silent, () => this.#watch())
  }

  #timer(name: TimerName, delay: number, call: () => void): void {
    this.#cancel(name)
    this.#cancels.set(
      name,
      this.#clock.after(delay, () => {
        this.#cancels.delete(name)
        call()
      }),
    )
  }

  #cancel(name: TimerName): void {
    this.#cancels.get(name)?.()
    this.#cancels.delete(name)
  }
}
