// One run: the checks in their order. Those that do not disturb each other run at the same time.
import { Bench, type Observer } from './bench.ts'
import type { Channel } from './channel.ts'
import { checkIpv6, checkNat, checkStun, urlsOf, type Mapping, type ServerUrl, type Sight } from './ice.ts'
import { checkEvents, checkLongPoll, checkPost, checkShortPoll, checkSocket } from './links.ts'
import { checkExpiry, checkRestart, checkTurn, Turns } from './relay.ts'
import { reportOf, type Report } from './report.ts'
import { checkResume, type LinkKind } from './resume.ts'
import { duration, groups, pass, skip, warn, type Result, type Row, type Verdict } from './row.ts'
import { checkClock, checkPage, checkServer, checkWebRTC, skewOf, whyNoJoin } from './server.ts'
import { Session, type Options } from './session.ts'
import { verdictOf, works } from './verdict.ts'

const unreached = 'the server cannot be reached'
const unjoined = 'the server does not let this page in'
const noWebRTC = 'this browser has no WebRTC'

/** What a run comes to: on this device, and as it can be given away. */
export interface Outcome {
  readonly verdict: Verdict
  readonly report: Report
}

/** Makes all checks; resolves when the last has ended, and never rejects. */
export async function examine(options: Options, observer: Observer): Promise<Outcome> {
  return new Examination(options, observer).run()
}

class Examination {
  readonly #options: Options
  readonly #bench: Bench
  readonly #secrets: string[] = []
  readonly #channels = new Map<ServerUrl, Channel>()
  #first: Session | null = null
  #stun = false
  #mapping: Mapping = 'unknown'
  #turns: readonly ServerUrl[] = []

  constructor(options: Options, observer: Observer) {
    this.#options = options
    this.#bench = new Bench(observer)
    if (options.token !== '') this.#secrets.push(options.token)
  }

  async run(): Promise<Outcome> {
    const began = new Date()
    const start = performance.now()
    const server = await this.#bench.check(groups.server, 'server', 'Server', () => checkServer(this.#options.server, this.#options.timeout))
    await this.#bench.check(groups.server, 'join', 'Join', () => (works(server) ? this.#join() : skip(unreached)))
    const skew = this.#first === null ? null : skewOf(this.#first)
    const instead = this.#first !== null ? null : skip(works(server) ? unjoined : unreached)
    await this.#bench.check(groups.server, 'clock', 'Clock', () => instead ?? checkClock(skew))
    await this.#bench.check(groups.browser, 'page', 'What pages get', checkPage)
    const webrtc = await this.#bench.check(groups.browser, 'webrtc', 'WebRTC', checkWebRTC)

    const links = this.#links(instead)
    const paths = this.#paths(instead ?? (works(webrtc) ? null : skip(noWebRTC)), skew ?? 0)
    const last = this.#bench.check(groups.last, 'resume', 'Resume on another link', () => instead ?? this.#resume(), ...links)
    await Promise.all([...links, ...paths, last])

    for (const channel of this.#channels.values()) channel.close()
    await this.#first?.leave()
    const rows = this.#bench.rows
    const verdict = verdictOf({
      rows,
      joined: this.#first !== null,
      stun: this.#stun,
      mapping: this.#mapping,
      offered: new Set(this.#turns.map(({ over }) => over)),
      relays: new Set([...this.#channels.keys()].map(({ over }) => over)),
    })
    return { verdict, report: reportOf(this.#options.server, began, performance.now() - start, verdict, rows, this.#secrets) }
  }

  async #join(): Promise<Result> {
    try {
      this.#first = this.#keep(await Session.join(this.#options))
      return pass(`let in after ${duration(this.#first.took)}`)
    } catch (error) {
      return whyNoJoin(error, this.#options.token)
    }
  }

  /** Keeps what must be in no report. */
  #keep(session: Session): Session {
    const { session: id, secret, iceServers } = session.reply
    this.#secrets.push(id, secret)
    for (const { username, credential } of iceServers) this.#secrets.push(username ?? '', credential ?? '')
    return session
  }

  #links(instead: Result | null): Promise<Row>[] {
    const kinds: readonly [id: string, title: string, check: (session: Session) => Promise<Result>][] = [
      ['websocket', 'WebSocket', checkSocket],
      ['events', 'Server-sent events', checkEvents],
      ['longpoll', 'Long polls', checkLongPoll],
      ['shortpoll', 'Short polls', checkShortPoll],
      ['post', 'POST, the way up', checkPost],
    ]
    return kinds.map(([id, title, check]) =>
      this.#bench.check(groups.links, id, title, async () => {
        if (instead !== null) return instead
        let session: Session
        try {
          session = this.#keep(await Session.join(this.#options))
        } catch (error) {
          return whyNoJoin(error, this.#options.token)
        }
        try {
          return await check(session)
        } finally {
          void session.leave()
        }
      }),
    )
  }

  #paths(instead: Result | null, skew: number): Promise<Row>[] {
    const { timeout } = this.#options
    const { stuns, turns } = urlsOf(this.#first?.reply.iceServers ?? [])
    this.#turns = turns
    const sights: Sight[] = []
    const bench = this.#bench
    const { direct, relay, last } = groups

    const seen = stuns.map((stun) =>
      bench.check(direct, `stun ${stun.url}`, stun.title, async () => {
        if (instead !== null) return instead
        const sight = await checkStun(stun, timeout)
        if (stun.over === 'UDP') this.#stun ||= sight.answered
        sights.push(sight)
        return sight.result
      }),
    )
    if (stuns.length === 0) seen.push(bench.check(direct, 'stun', 'STUN', () => instead ?? skip('the server names no STUN server')))
    const nat = bench.check(direct, 'nat', 'NAT', async () => {
      if (instead !== null) return instead
      const { result, mapping } = await checkNat(stuns, turns.find(({ over }) => over === 'UDP') ?? turns[0], sights, timeout)
      this.#mapping = mapping
      return result
    }, ...seen)
    const ipv6 = bench.check(direct, 'ipv6', 'IPv6', () => instead ?? checkIpv6(sights.flatMap(({ candidates }) => candidates)), ...seen)

    const now = (): number => Date.now() / 1000 + skew
    const ttl = this.#first?.reply.ttl ?? 0
    const expiry = bench.check(relay, 'expiry', 'Credentials', () => instead ?? checkExpiry(turns, ttl, now()))
    const order = new Turns(turns.length)
    const relays = turns.map((turn) =>
      bench.check(relay, `turn ${turn.url}`, turn.title, () => instead ?? checkTurn(turn, timeout + 2000, now, order, this.#channels)),
    )
    if (turns.length === 0) relays.push(bench.check(relay, 'turn', 'TURN', () => instead ?? noTurn()))
    const restart = bench.check(last, 'restart', 'ICE restart', () => {
      const turn = turns.find((turn) => this.#channels.has(turn))
      return instead ?? checkRestart(turn === undefined ? null : this.#channels.get(turn)!, turn?.title ?? '', timeout)
    }, ...relays, nat)
    return [...seen, nat, ipv6, expiry, ...relays, restart]
  }

  #resume(): Result | Promise<Result> {
    const kinds = (['websocket', 'events', 'longpoll', 'shortpoll'] as const).filter((kind) => this.#works(kind))
    return checkResume(this.#options, this.#works('post') ? kinds : [])
  }

  #works(id: LinkKind | 'post'): boolean {
    return works(this.#bench.rows.find((row) => row.id === id))
  }
}

function noTurn(): Result {
  return warn('the server names no TURN server', 'peers for whom there is no direct path have only the server to pass their messages on', 'start the server without --no-relay, or name a relay by --turn-url')
}
