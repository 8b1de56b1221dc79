import { backoff, signalingBackoff } from './backoff.ts'
import { Emitter } from './emitter.ts'
import { Endpoints, type JoinBody } from './endpoints.ts'
import { SignalError } from './errors.ts'
import type { NumberedFrame, Refusal, RosterEntry, UplinkFrame } from './frames.ts'
import { IceRenewal } from './ice-renewal.ts'
import { leaveKeepsake, takeKeepsake, type Keepsake } from './keepsake.ts'
import type { Notice } from './ladder-events.ts'
import { Ladder } from './ladder.ts'
import { linkKinds, type LinkKind } from './link.ts'
import { Memory } from './memory.ts'
import { mark } from './mesh.ts'
import type { Environment, JoinOptions } from './options.ts'
import { randomNumber, randomText } from './random.ts'
import { afterEndedLink, afterRefusedJoin, type Remedy } from './remedy.ts'
import type { LinkState } from './room.ts'
import { Session, type JoinReply } from './session.ts'
import { askToken } from './token.ts'
import { changeBetween, changed, OwnWho, type Who } from './who.ts'

/** A link that lived so long, in milliseconds, was a good one: what follows it begins with short waits again. */
const goodLink = 10_000

/** What signaling tells. */
export interface SignalingEvents {
  link: [state: LinkState]
  /** A join succeeded: this side is there under a new epoch. */
  session: [reply: JoinReply]
  /** Everybody else in the room. */
  roster: [entries: readonly RosterEntry[]]
  frame: [frame: Exclude<NumberedFrame, { kind: 'unknown' | 'refused' }>]
  refused: [refusal: Refusal]
  ice: [servers: RTCIceServer[]]
}

/**
 * Keeps this side in the room: joins, holds a link, opens another when it breaks, joins again when the server no longer
 * knows the session. It gives up only on what no repetition helps.
 */
export class Signaling {
  readonly events = new Emitter<SignalingEvents>()
  state: LinkState = { name: 'connecting', attempt: 1 }
  /** Whether the page went away, and was not restored. */
  isHidden = false

  /** Names this page; another one after it was restored. */
  instance: string

  readonly #env: Environment
  readonly #endpoints: Endpoints
  readonly #token: JoinOptions['token']
  readonly #storage: Storage | null
  readonly #storageKey: string
  readonly #kinds: readonly LinkKind[]
  readonly #memory: Memory
  readonly #who: OwnWho
  #wanted: Partial<Keepsake>
  #joining: { body: JoinBody; who: Who } | null = null // kept until it is answered, so that it can be repeated
  #session: Session | null = null
  #forgottenAt = -Infinity // when a session was last found to be over
  #ladder: Ladder | null = null
  #failures = 0
  #cancelWait: (() => void) | null = null
  #ice: IceRenewal | null = null
  #turn = 0 // rises whenever what is under way no longer counts

  constructor(options: Pick<JoinOptions, 'server' | 'room' | 'token' | 'links'>, who: Who, storage: Storage | null, env: Environment) {
    this.#env = env
    this.#endpoints = new Endpoints(options.server, options.room, env)
    this.#token = options.token
    this.#kinds = linkKinds.filter((kind) => (options.links ?? linkKinds).includes(kind) && (kind !== 'websocket' || env.WebSocket !== undefined))
    this.#memory = new Memory(this.#endpoints.base, storage !== null)
    this.#who = new OwnWho(who)
    this.instance = randomText(env.random, 12) + mark
    this.#storage = storage
    this.#storageKey = `parley ${new URL(options.server, globalThis.location?.href).href} ${options.room}`
    this.#wanted = takeKeepsake(storage, this.#storageKey) ?? {}
  }

  /** Who this side is: what the server said or was asked for, and did not refuse. */
  get who(): Who {
    return this.#who.now
  }

  /** Whether a frame that is sent now goes out at once, by a link that needs no further request. */
  get isPrompt(): boolean {
    return this.#ladder?.isPrompt === true
  }

  start(): void {
    this.#step()
  }

  /** Sends a frame, now or when there is a link. False when there is no session, or it is too large. */
  send(frame: UplinkFrame): boolean {
    if (this.#ladder !== null) return this.#ladder.send(frame)
    return this.#session?.number(frame) === true
  }

  /** Changes what the others see. False when the server would not take it. */
  change(who: Who): boolean {
    const change = changeBetween(this.who, changed(this.who, who))
    if (change === null) return true
    if (this.#session === null) this.#who.set(change)
    else if (this.send({ kind: 'change', ...change })) this.#who.asked(this.#session.sent, change)
    else return false
    return true
  }

  /** Something suggests that links and waits are out of date: the ladder is told. */
  wake(silence?: number): void {
    this.#ladder?.wake(silence)
    if (this.state.name === 'waiting') this.#step()
  }

  /**
   * Says good-bye while the page goes away, and keeps what a reload needs; from now on nothing happens until the page is
   * restored. A join that is under way may have been heard or not: what it resumes can be resumed once more.
   */
  hide(): void {
    if (this.state.name === 'closed') return
    this.isHidden = true
    this.#wantBack()
    const { peer, resume } = this.#wanted
    if (peer !== undefined && resume !== undefined) leaveKeepsake(this.#storage, this.#storageKey, { peer, resume })
    if (this.#session !== null) this.#endpoints.leaveSoftly(this.#session.reply)
    this.#forget()
  }

  /** Joins again as a new instance after the page was out of use; its connections must be gone already. */
  restore(): void {
    if (this.state.name === 'closed') return
    this.isHidden = false
    takeKeepsake(this.#storage, this.#storageKey) // was for another page
    this.#wantBack()
    this.instance = randomText(this.#env.random, 12) + mark
    this.#failures = 0
    this.#forget()
    this.#step()
  }

  /** Leaves the room for good. */
  leave(): void {
    if (this.state.name === 'closed') return
    if (this.isPrompt) this.send({ kind: 'leave' })
    else if (this.#session !== null) this.#endpoints.leave(this.#session.reply)
    this.#stop()
  }

  #stop(error?: SignalError): void {
    this.#forget()
    this.#set({ name: 'closed', ...(error && { error }) })
  }

  /** Drops the session and all that is under way. */
  #forget(): void {
    this.#turn++
    this.#ladder?.close()
    this.#ladder = this.#session = this.#joining = null
    this.#cancelWait?.()
    this.#cancelWait = null
    this.#ice?.stop()
  }

  #set(state: LinkState): void {
    this.state = state
    this.events.emit('link', state)
  }

  #step(): void {
    this.#cancelWait?.()
    this.#cancelWait = null
    this.#ladder?.close()
    this.#ladder = null
    this.#set({ name: 'connecting', attempt: this.#failures + 1 })
    if (this.state.name === 'closed') return // a listener left
    if (this.#session === null) void this.#join()
    else this.#attach(this.#session)
  }

  async #join(): Promise<void> {
    const turn = ++this.#turn
    const join = (this.#joining ??= {
      who: this.who,
      body: { attempt: randomText(this.#env.random, 16), instance: this.instance, ...this.who, ...this.#wanted },
    })
    try {
      const token = await askToken(this.#token, this.#env.clock)
      if (turn !== this.#turn) return
      const began = this.#env.clock.now()
      const reply = await this.#endpoints.join(join.body, token)
      if (turn !== this.#turn) {
        // Nobody needs the session; except that a page which went away may resume it by what it has kept.
        if (this.state.name === 'closed') this.#endpoints.leave(reply)
        return
      }
      this.#joined(reply, join.who, this.#env.clock.now() - began)
    } catch (cause) {
      if (turn !== this.#turn) return
      const error = SignalError.of(cause)
      this.#recover(afterRefusedJoin(error, join.body.peer !== undefined), error)
    }
  }

  #joined(reply: JoinReply, who: Who, took: number): void {
    this.#joining = null
    this.#session = new Session(reply, took)
    this.#wanted = { peer: reply.peer }
    const since = this.#who.joined(who, reply.name)
    if (since !== null) this.change(since)
    this.#ice = new IceRenewal(
      this.#env.clock,
      () => this.#endpoints.ice(reply),
      (iceServers) => this.events.emit('ice', iceServers),
    )
    this.#ice.after(reply.ttl)
    this.#attach(this.#session) // before anybody takes time for what follows
    this.events.emit('session', reply)
    this.events.emit('ice', reply.iceServers)
    this.events.emit('roster', reply.peers)
  }

  #attach(session: Session): void {
    const { clock } = this.#env
    let openedAt = Infinity
    this.#ladder = new Ladder(session, this.#endpoints, this.#env, this.#kinds, this.#memory, {
      opened: (via) => {
        openedAt = Math.min(openedAt, clock.now())
        this.#set({ name: 'open', via })
      },
      lost: () => this.#set({ name: 'connecting', attempt: 1 }),
      frame: (frame) => this.#frame(frame, session),
      notice: (frame) => this.#notice(frame),
      ended: (error) => {
        this.#ladder = null
        if (clock.now() - openedAt >= goodLink) this.#failures = 0
        this.#recover(afterEndedLink(error), error)
      },
    })
  }

  #frame(frame: NumberedFrame, session: Session): void {
    if (frame.kind === 'unknown') return
    if (frame.kind === 'refused') return this.#refused(frame)
    // What the roster has already is not applied again; but only the frame says why somebody left.
    const had = frame.n <= session.reply.at && (frame.kind === 'joined' || frame.kind === 'changed')
    if (!had) this.events.emit('frame', frame)
  }

  #refused(refusal: Refusal): void {
    const change = refusal.of === undefined ? null : this.#who.refused(refusal.of)
    this.events.emit('refused', refusal)
    // A name that is not this side's to choose must not cost what else was changed.
    if (refusal.code === 'forbidden' && change?.name !== undefined && change.meta !== undefined) this.change({ meta: change.meta })
  }

  #notice(frame: Notice): void {
    if (frame.kind === 'refused') return this.events.emit('refused', frame)
    this.#ice?.after(frame.ttl)
    this.events.emit('ice', frame.iceServers)
  }

  #recover(remedy: Remedy, error: SignalError): void {
    if (remedy === 'stop') return this.#stop(error)
    this.#failures++
    let delay = backoff(this.#failures, randomNumber(this.#env.random), signalingBackoff, error.retryAfter)
    if (remedy === 'rejoin' && this.#session !== null) {
      this.#wantBack()
      // A server that forgot a session is there again, and most likely was restarted: nothing is gained by waiting.
      const now = this.#env.clock.now()
      if (now - this.#forgottenAt >= goodLink && error.retryAfter === undefined) delay = 0
      this.#forgottenAt = now
    } else if (remedy === 'start over') {
      if (this.#wanted.peer !== undefined) delay = 0
      this.#wanted = {}
    }
    if (remedy !== 'again') this.#forget()
    this.#wait(delay, error)
  }

  /** Wants the id of the session at hand again, with the proof of having been it. */
  #wantBack(): void {
    if (this.#session === null) return
    const { peer, secret } = this.#session.reply
    this.#wanted = { peer, resume: secret }
  }

  #wait(delay: number, error: SignalError): void {
    const { clock } = this.#env
    this.#cancelWait?.()
    this.#cancelWait = clock.after(delay, () => this.#step())
    this.#set({ name: 'waiting', attempt: this.#failures, retryAt: clock.now() + delay, error })
  }
}
