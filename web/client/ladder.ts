// Four kinds of links, and always the best that works: polls from the first moment, so that the first signals flow at
// once on any network; a WebSocket, and soon server-sent events, tried beside them as probes. One that has proved itself
// is put into use, and takes over where the other leaves off: what goes down by its numbers, what goes up by being sent
// again from what the server has received.
import { signalingBackoff } from './backoff.ts'
import type { Endpoints, FramesReply } from './endpoints.ts'
import { SignalError } from './errors.ts'
import { isNumbered, parseFrame, readFrame, type LinkFrame, type NumberedFrame, type UplinkFrame } from './frames.ts'
import type { LadderEvents } from './ladder-events.ts'
import { openEvents } from './link-events.ts'
import { openWebSocket } from './link-websocket.ts'
import { linkKinds, type LinkKind } from './link.ts'
import type { Memory } from './memory.ts'
import type { Environment } from './options.ts'
import { Polls } from './polls.ts'
import { randomNumber } from './random.ts'
import { endsSession } from './remedy.ts'
import { Rung, streamKinds, type Stream } from './rung.ts'
import { Seat } from './seat.ts'
import type { Session } from './session.ts'
import { Uplink } from './uplink.ts'

/** Milliseconds. */
const pollsAfter = 100 // and four times what the join took, polls begin after a WebSocket, which one that opens a link could supersede
const pollsWithin = 1000 // but no later
const eventsAfter = 700 // events are tried so long after a WebSocket
const betterAfter = 5000 // what did not work here before is tried so long after what did
const proofTime = 8000 // for a link to open and to prove itself
const lifeTime = 1000 // that a stream of events has to live for that
const pongTime = 2000
const strayTime = 100_000 // what was given up may arrive as late, by a network that was gone
const steadyTime = 10_000 // a link that was in use, and spoke, for so long was a good one
const winTime = 10_000 // polls that nothing better followed for so long are worth remembering
const patience = 1000 // of a link that proved itself, with a poll that opens one
const longest = 3_600_000

/**
 * So many polls in a row have to be answered as superseded, and so many links that were in use for a short time, until
 * that is believed; and so many to fail until the link is lost.
 */
const believed = 3
const believedLate = 30 // and so many links where requests may come late: each takes over but once

const unanswered = 'the server did not answer'
const superseded = 'another link of this session took over'

/** The links of one session. It puts the best that works into use, and watches that it does. */
export class Ladder {
  readonly #session: Session
  readonly #endpoints: Endpoints
  readonly #env: Environment
  readonly #kinds: readonly LinkKind[]
  readonly #memory: Memory
  readonly #events: LadderEvents
  readonly #rungs: readonly Rung[]
  readonly #polls: Polls
  readonly #uplink: Uplink
  readonly #seat: Seat
  readonly #began: number
  readonly #pollsAt: number // the first
  #current: Stream | null = null // in use
  #via: LinkKind | null = null // what is in use, polls too
  #error = new SignalError('network', unanswered)
  #denied = 0 // polls that were answered as superseded
  #using: Stream | null = null // events that a POST puts into use
  #gapAt = -1 // what came last when frames were missing
  #due = 0
  #cancel = () => {}
  #over = false

  constructor(session: Session, endpoints: Endpoints, env: Environment, kinds: readonly LinkKind[], memory: Memory, events: LadderEvents) {
    this.#session = session
    this.#endpoints = endpoints
    this.#env = env
    this.#kinds = kinds
    this.#memory = memory
    this.#events = events
    const now = (this.#began = env.clock.now())
    const { via, limit } = memory
    const best = via !== null && kinds.includes(via) ? linkKinds.indexOf(via) : 0
    this.#rungs = streamKinds
      .filter((kind) => kinds.includes(kind))
      .map((kind, i) => {
        const rank = linkKinds.indexOf(kind)
        return new Rung(kind, now + (rank < best ? betterAfter : rank > best && i > 0 ? eventsAfter : 0))
      })
    this.#seat = new Seat(endpoints.base, kinds.includes('short-poll'), () => this.#step())
    this.#uplink = new Uplink(session, endpoints, env, {
      answered: (frames, used) => {
        if (this.#over) return
        this.#takeAll(frames)
        const stream = this.#using
        if (stream !== null && stream.number === used) this.#enterUse(stream)
        this.#step()
      },
      refused: (error, used) => {
        const isUse = this.#using !== null && this.#using.number === used
        if (error.code !== 'superseded') this.#refused(error)
        else if (isUse) this.#tooLate(this.#using!)
        this.#step()
      },
    })
    this.#polls = new Polls(session, endpoints, env, limit, {
      answered: (reply) => this.#polled(reply),
      failed: (error) => {
        if (error.code === 'superseded') this.#superseded(error)
        else this.#refused(error)
        if (this.#via !== null && this.#polls.rhythm.failures >= believed) this.#lose(signalingBackoff.base)
        this.#step()
      },
      strays: () => this.#mayStray(),
    })
    this.#pollsAt = now + (best === 0 && kinds[0] === 'websocket' ? Math.min(pollsAfter + 4 * session.joinTime, pollsWithin) : 0)
    this.#polls.rhythm.begin(this.#pollsAt, best < 2 && this.#rungs.length > 0)
    this.#step()
  }

  /** Sends an uplink frame, now or when there is a link. False when it is too large for the server. */
  send(frame: UplinkFrame): boolean {
    const isNumbered = this.#session.number(frame)
    this.#step()
    return isNumbered
  }

  /** Whether a frame that is sent now goes out at once, by a link that needs no further request. */
  get isPrompt(): boolean {
    return this.#via === 'websocket' && !this.#uplink.isHeld
  }

  /**
   * Finds out quickly whether the link still works, and whether a better one does now.
   *
   * @param silence for how long, in milliseconds, others are waited for already
   */
  wake(silence = 0): void {
    const now = this.#env.clock.now()
    const current = this.#current
    for (const rung of this.#rungs) if (rung.stream === null) rung.next = Math.min(rung.next, now)
    if (this.#isSocket) this.#ping(current!, silence)
    else if (current !== null) this.#fail(current, new SignalError('silent', unanswered), true)
    // The answer to a poll under way may be lost. One that opens a link stays: another would only be a rival.
    if (!this.#polls.isOpening) this.#polls.stop()
    this.#polls.rhythm.next = now
    this.#uplink.retry()
    this.#step()
  }

  /** Ends all links without telling. */
  close(): void {
    this.#over = true
    this.#cancel()
    this.#polls.stop()
    for (const { stream } of this.#rungs) stream?.link?.close()
    this.#current?.link?.close()
    this.#seat.leave()
  }

  /** Does what is due, and comes back when more will be. */
  #step(): void {
    if (this.#over) return
    const now = this.#env.clock.now()
    this.#due = now + longest
    for (const { stream } of this.#rungs) if (stream !== null && stream !== this.#using) this.#watch(stream, now)
    if (this.#current !== null) this.#watch(this.#current, now) // which another one may be about to replace
    for (const rung of this.#rungs) this.#climb(rung, now)
    if (this.#mayPoll && this.#current === null) this.#by(this.#polls.poll(now, this.#isShort))
    const socket = this.#isSocket ? this.#current!.link : null
    if (socket !== null || this.#kinds.some((kind) => kind !== 'websocket')) {
      this.#by(this.#uplink.write(now, socket, this.#current !== null))
    }
    if (this.#over) return // a listener left
    this.#cancel()
    if (this.#isHopeless(now)) this.#end(this.#error)
    else this.#cancel = this.#env.clock.after(Math.max(this.#due - now, 0), () => this.#step())
  }

  #by(time: number): void {
    this.#due = Math.min(this.#due, time)
  }

  get #isSocket(): boolean {
    return this.#current?.rung.kind === 'websocket'
  }

  get #mayPoll(): boolean {
    return this.#kinds.some((kind) => kind.endsWith('poll'))
  }

  /** Whether nothing is in use, and nothing under way that could be soon. */
  #isHopeless(now: number): boolean {
    if (this.#via !== null || this.#polls.isOpening || this.#rungs.some(({ stream }) => stream !== null)) return false
    return this.#mayPoll ? this.#polls.rhythm.failures > 0 : this.#rungs.every(({ next }) => next > now + eventsAfter)
  }

  #end(error: SignalError): void {
    if (this.#over) return
    this.close()
    this.#events.ended(error)
  }

  /** Opens a link of a better kind than the one in use, when it is time. */
  #climb(rung: Rung, now: number): void {
    if (rung.stream !== null || (this.#isSocket && rung.kind === 'events')) return
    if (now < rung.next) this.#by(rung.next)
    else if (rung.kind === 'websocket' || this.#seat.isTaken) this.#open(rung, now)
    else this.#seat.ask()
  }

  #open(rung: Rung, now: number): void {
    const stream = rung.begin(now)
    const { reply } = this.#session
    const events = {
      text: (text: string) => this.#read(stream, text),
      alive: () => this.#hear(stream),
      closed: (error: SignalError) => {
        this.#closed(stream, error)
        this.#step()
      },
    }
    try {
      stream.link =
        rung.kind === 'events'
          ? openEvents((abort) => this.#endpoints.events(reply, abort), events)
          : openWebSocket(this.#env.WebSocket, this.#endpoints.socket(reply), reply.secret, events)
      this.#watch(stream, now)
    } catch (cause) {
      this.#fail(stream, SignalError.of(cause)) // a browser may refuse even to try
    }
  }

  /** Puts a link into use that proved itself, and gives one up that does not work. */
  #watch(stream: Stream, now: number): void {
    const { proof, leaves, rung } = stream
    if (now >= leaves) return this.#fail(stream, new SignalError('drain', 'the server closes the link'), true)
    if (stream !== this.#current && now >= proof) {
      this.#replace(stream, now)
      if (stream !== this.#current) return
    }
    const inUse = stream === this.#current
    const { pinged } = stream
    const silence = pinged > 0 ? pinged + pongTime : stream.heard + 2000 * this.#session.reply.heartbeat
    const limit = inUse ? silence : stream.opened + proofTime
    if (now < limit) this.#by(Math.min(limit, leaves, inUse ? limit : proof))
    else if (inUse && rung.kind === 'websocket' && pinged === 0) this.#ping(stream)
    else this.#fail(stream, new SignalError('silent', unanswered))
  }

  #ping(stream: Stream, silence = 0): void {
    if (stream.pinged > 0) return
    stream.pinged = this.#env.clock.now() - silence
    stream.link?.send('{"kind":"ping"}')
    this.#by(stream.pinged + pongTime)
  }

  #replace(stream: Stream, now: number): void {
    if (this.#polls.isOpening && now < stream.proof + patience) {
      this.#by(stream.proof + patience) // the poll's link may be the newer one; its answer tells
    } else if (this.#using !== null && this.#uplink.isPosting) {
      // Else that one could supersede this one.
    } else if (stream.number < (this.#current ?? this.#polls).number) {
      this.#tooLate(stream)
    } else if (stream.rung.kind === 'websocket') {
      const { last } = this.#session
      stream.link?.send(`{"kind":"use","link":${stream.number},"after":${last}}`)
      this.#uplink.acked(last)
      this.#enterUse(stream)
    } else {
      this.#using = stream
      this.#uplink.use = stream.number
    }
  }

  #enterUse(stream: Stream): void {
    const old = this.#current
    old?.link?.close()
    this.#current = stream
    stream.used = stream.heard = this.#env.clock.now()
    this.#polls.stop()
    this.#polls.number = 0
    this.#useNone()
    for (const { stream: other } of this.#rungs) {
      if (!this.#isSocket || other === stream || other === null) continue
      if (other === old) other.rung.next = 0 // it worked
      this.#drop(other)
    }
    if (this.#isSocket) this.#seat.leave()
    this.#uplink.restart()
    this.#memory.keep(stream.rung.kind, this.#polls.rhythm.limit)
    if (stream.leaves < Infinity) this.#renew(stream) // it was said before
    this.#tell(stream.rung.kind)
  }

  #useNone(): void {
    this.#using = null
    this.#uplink.use = 0
  }

  /** Lets go of a link without judging it. */
  #drop(stream: Stream): void {
    stream.link?.close()
    if (stream.rung.stream === stream) stream.rung.stream = null
    if (this.#using !== stream) return
    this.#useNone()
    this.#mayStray() // the POST that says so may be under way
  }

  #mayStray(): void {
    this.#session.strays = this.#env.clock.now() + strayTime
  }

  #isGone(stream: Stream): boolean {
    return this.#over || (stream.rung.stream !== stream && stream !== this.#current)
  }

  #random(): number {
    return randomNumber(this.#env.random)
  }

  /** Gives a link up; what it was good for decides when its kind is tried again, unless it was not its fault. */
  #fail(stream: Stream, error: SignalError, isInnocent = false): void {
    if (this.#isGone(stream)) return
    this.#drop(stream)
    const now = this.#env.clock.now()
    stream.rung.failed(now, isInnocent || (stream.used > 0 && (error.code === 'silent' ? stream.heard : now) - stream.used >= steadyTime), this.#random())
    const inUse = stream === this.#current
    if (!isInnocent) this.#error = error
    if (now < this.#pollsAt) this.#polls.rhythm.next = now // nothing is left to wait for
    if (inUse) this.#lose(isInnocent ? 0 : this.#random() * signalingBackoff.base) // others may have lost theirs with it
  }

  /** Goes on by polls, after a delay, without the link that was in use. */
  #lose(delay: number): void {
    const now = this.#env.clock.now()
    for (const rung of this.#rungs) {
      if (rung.kind === 'events' && this.#via === 'websocket') rung.next = Math.max(rung.next, now + eventsAfter)
    }
    this.#current = null
    this.#polls.number = 0
    const { failures } = this.#polls.rhythm
    this.#polls.rhythm.begin(now + delay, this.#rungs.length > 0)
    this.#polls.rhythm.failures = this.#via?.endsWith('poll') ? failures : 0
    this.#uplink.restart()
    this.#via = null
    this.#events.lost()
  }

  #tooLate(stream: Stream): void {
    this.#fail(stream, new SignalError('superseded', superseded), true)
  }

  #tell(via: LinkKind): void {
    if (this.#over || via === this.#via) return
    this.#via = via
    this.#events.opened(via)
  }

  #closed(stream: Stream, error: SignalError): void {
    if (this.#isGone(stream)) return
    const isOld = error.code === 'superseded'
    if (isOld && stream === this.#current && this.#using !== null) stream.link?.close() // that it was replaced is about to be answered
    else if (isOld && this.#isOurs(stream)) this.#tooLate(stream)
    else if (endsSession(error)) this.#end(error)
    else this.#fail(stream, error, stream.leaves < Infinity)
  }

  /** Has another link opened at once, if there is none, beside one that goes on until then. */
  #renew({ rung }: Stream): void {
    if (rung.stream === this.#current) rung.renew(this.#env.clock.now())
  }

  /** Whether it was a link of this side's that took over, as far as can be told. */
  #isOurs(stream: Stream): boolean {
    if (stream !== this.#current) return true
    const now = this.#env.clock.now()
    if (now - stream.used >= steadyTime) this.#session.superseded = 0
    return ++this.#session.superseded < (now < this.#session.strays ? believedLate : believed)
  }

  /** Takes note of a refusal by the server of what is not a stream. */
  #refused(error: SignalError): void {
    this.#error = error
    if (endsSession(error)) this.#end(error)
  }

  #superseded(error: SignalError): void {
    const now = this.#env.clock.now()
    const { rhythm } = this.#polls
    if (this.#using !== null || now < this.#session.strays || this.#via === null) {
      this.#polls.number = 0
      rhythm.next = now + patience // what took over is about to be known here
    } else if (++this.#denied >= believed) {
      this.#end(error)
    }
    // Else it was by a poll that was lost on its way back, or came late, or was repeated by something in between: a newer
    // one of the same link. One more is newer still, and harms no other link.
    rhythm.failures = 0
  }

  #polled(reply: FramesReply): void {
    this.#denied = 0
    this.#takeAll(reply.frames)
    if (this.#over) return
    const { limit } = this.#polls.rhythm
    const via = this.#isShort ? 'short-poll' : 'long-poll'
    this.#tell(via)
    if (this.#env.clock.now() - this.#began > winTime) this.#memory.keep(via, limit)
    this.#step()
  }

  /** Whether polls are not to wait: because it is not allowed, or would keep other pages from the server. */
  get #isShort(): boolean {
    const { isShort, done } = this.#polls.rhythm
    if (done > 1) this.#seat.ask()
    return isShort || !this.#kinds.includes('long-poll') || (done > 3 && !this.#seat.isTaken)
  }

  #hear(stream: Stream): void {
    stream.heard = this.#env.clock.now()
    stream.pinged = 0
  }

  #read(stream: Stream, text: string): void {
    if (this.#isGone(stream)) return
    this.#hear(stream)
    const frame = parseFrame(text)
    if (frame === null) return
    if (!isNumbered(frame)) this.#handle(stream, frame)
    else if (!this.#take(frame, text.length)) this.#missing(stream)
    this.#step()
  }

  /** Handles a numbered frame. False: others are missing before it. */
  #take(frame: NumberedFrame, bytes: number): boolean {
    const verdict = this.#session.take(frame.n, bytes)
    if (verdict === 'next') {
      this.#uplink.owe(this.#env.clock.now(), false)
      this.#events.frame(frame)
    }
    return verdict !== 'gap'
  }

  /** Handles the frames of an answer. */
  #takeAll(values: readonly unknown[]): void {
    for (const value of values) {
      const frame = readFrame(value)
      if (this.#over || frame === null) continue
      if (isNumbered(frame)) {
        if (!this.#take(frame, 0)) return this.#missing(null)
      } else if (frame.kind === 'ice') this.#events.notice(frame)
    }
  }

  /** Asks for missing frames by another link; when they are missing there, too, the server has lost them. */
  #missing(stream: Stream | null): void {
    const { last } = this.#session
    const isAgain = this.#gapAt === last
    this.#gapAt = last
    const error = new SignalError('gap', 'frames of the server are missing', isAgain ? 'rejoin' : 'resume')
    if (isAgain) this.#end(error)
    else if (stream !== null) this.#fail(stream, error, true)
  }

  #handle(stream: Stream, frame: LinkFrame): void {
    const now = this.#env.clock.now()
    const isEvents = stream.rung.kind === 'events'
    switch (frame.kind) {
      case 'hello':
        stream.number = frame.link
        this.#session.receive(frame.received)
        if (isEvents) stream.proof = now + (this.#mayPoll ? lifeTime : 0)
        else stream.link?.send('{"kind":"ping"}') // its answer is the proof
        return
      case 'pong':
        if (stream.number > 0) stream.proof = Math.min(stream.proof, now)
        return
      case 'ping':
        stream.link?.send('{"kind":"pong"}')
        if (stream !== this.#current) return
        this.#uplink.owe(now, true) // the timer may be held back while the page is hidden
        this.#uplink.isDue ||= isEvents
        return
      case 'received':
        this.#session.receive(frame.n)
        if (frame.code === 'gap' && stream === this.#current) this.#uplink.rewind()
        if (frame.retryAfter) this.#uplink.hold(frame.retryAfter)
        return
      case 'drain':
        stream.leaves = now + frame.in * 1000
        return this.#renew(stream)
      case 'superseded':
        return this.#closed(stream, new SignalError('superseded', superseded))
      case 'ended':
        return this.#closed(stream, new SignalError(frame.code, frame.message, undefined, frame.in))
      case 'refused':
        if (frame.code === 'superseded') return this.#tooLate(stream) // the use of it was refused
    }
    this.#events.notice(frame)
  }
}
