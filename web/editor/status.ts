// The line that tells how things are: the truth about the room, in one sentence.
import type { Clock, LinkState, SignalError } from '../client/index.ts'
import { byId, setText } from './element.ts'
import type { Kept } from './keeping.ts'
import type { Person, Way } from './person.ts'

/** What the sentence is made of. */
export interface Situation {
  readonly link: LinkState
  /** Why the room cannot be entered or followed; null as long as nothing went wrong since that last worked. */
  readonly trouble: SignalError | null
  readonly people: readonly Pick<Person, 'state' | 'path' | 'refused' | 'admissible'>[]
  /** Whether this page has a key that it cannot use. */
  readonly isBare: boolean
  /** Whether this page only reads. */
  readonly readOnly: boolean
  /** What the browser believes of the network. */
  readonly online: boolean
  /** Whether only relayed paths are allowed, and there is no relay. */
  readonly relayMissing: boolean
  /** Whether the text outlives this page. */
  readonly kept: Kept['state']
}

export interface Status {
  readonly tone: 'good' | 'busy' | 'warn' | 'bad'
  readonly text: string
  /** When something is tried again, on the room's clock; null when nothing is waited for. */
  readonly retryAt: number | null
}

/** What the server answers that does not let the page in, and what that means to a person. */
const refusals: Readonly<Record<string, string>> = {
  unavailable: 'The signaling server answers, but cannot let anybody in just now',
  internal: 'The signaling server has a fault, and cannot let you in just now',
  draining: 'The signaling server is restarting',
  drain: 'The signaling server is restarting',
  not_found: 'There is no signaling server at this address',
  origin_denied: 'The signaling server does not serve pages from this address',
  unauthorized: 'The signaling server does not let you in: it asks for a valid token',
  forbidden: 'The signaling server does not let you into this text',
}

/** The trouble there is once the link is in this state. While another try is under way, it stays what it was. */
export function troubleAfter(before: SignalError | null, link: LinkState): SignalError | null {
  return link.name === 'open' ? null : link.name === 'waiting' ? link.error : before
}

export function describe({ link, trouble, people, isBare, readOnly, online, relayMissing, kept }: Situation): Status {
  const connected = people.filter((person) => person.state === 'connected')
  const refused = people.filter((person) => person.refused).length
  const admissible = people.filter((person) => person.admissible).length
  const rest = people.length - connected.length - refused
  const retryAt = link.name === 'waiting' ? link.retryAt : null

  if (link.name === 'closed') {
    const { error } = link
    const text = error === undefined ? 'You have left this text' : (refusals[error.code] ?? `Not connected: ${error.message}`)
    return { tone: 'bad', text, retryAt }
  }
  if (link.name === 'open') {
    if (connected.length > 0) {
      const more = rest === 0 ? '' : `, connecting to ${rest} more`
      const apart = refused === 0 ? '' : admissible > 0 ? `, not with ${admissible} more who cannot be verified` : isBare ? `, not let in by ${refused} more` : `, no key in common with ${refused} more`
      return { tone: 'good', text: editingWith(connected, readOnly ? 'Connected' : 'Editing') + more + apart, retryAt }
    }
    if (relayMissing) return { tone: 'bad', text: 'Only relayed connections are allowed, and this server has no relay', retryAt }
    if (rest > 0) return { tone: 'busy', text: `Connecting to ${count(rest)}…`, retryAt }
    if (admissible > 0) return { tone: 'warn', text: `${count(admissible)} cannot be verified. Let them in by the list of people, if you know who it is`, retryAt }
    if (refused > 0 && isBare) return { tone: 'warn', text: `Not let in by ${count(refused)}: this page came over plain http, and cannot be verified`, retryAt }
    if (refused > 0) return { tone: 'warn', text: `No key in common with ${count(refused)}. Everybody needs the same link, at the same address`, retryAt }
    return { tone: 'good', text: 'Connected to the signaling server. Nobody else is here yet', retryAt }
  }
  if (connected.length > 0) {
    return { tone: 'warn', text: `Signaling is reconnecting – edits still flow ${readOnly ? 'from' : 'to'} ${count(connected.length)}`, retryAt }
  }
  if (!online) return { tone: 'bad', text: readOnly ? 'Offline. What the others change comes when you are back' : offline(kept), retryAt }
  if (trouble !== null) return { ...inWords(trouble), retryAt }
  return { tone: 'busy', text: link.name === 'waiting' || link.attempt > 1 ? 'Reconnecting to the signaling server…' : 'Connecting to the signaling server…', retryAt }
}

function offline(kept: Kept['state']): string {
  if (kept === 'unsaved') return 'Offline. Keep this page open: the others get your changes when you are back'
  return 'Offline. Changes are kept here: the others get them when you are back'
}

function inWords({ code, retry, message }: SignalError): Pick<Status, 'tone' | 'text'> {
  if (code === 'network') return { tone: 'warn', text: 'The signaling server cannot be reached' }
  if (code === 'room_full') return { tone: 'warn', text: 'This text has as many people as it may have. You get in when somebody leaves' }
  const refusal = refusals[code]
  if (refusal !== undefined) return { tone: 'warn', text: refusal }
  if (retry === 'never') return { tone: 'warn', text: `Not connected: ${message}` }
  return { tone: 'busy', text: 'Reconnecting to the signaling server…' }
}

const detour = { relay: 'the relay', server: 'the server', mesh: 'others' } as const

function editingWith(connected: Situation['people'], doing: string): string {
  const on = (way: Way | null): number => connected.filter((person) => person.path === way).length
  const everybody = count(connected.length)
  if (on('direct') === connected.length) return `${doing} directly with ${everybody}`
  const detours = (['relay', 'server', 'mesh'] as const).filter((way) => on(way) > 0)
  const [only] = detours
  if (only !== undefined && on(only) === connected.length) return `${doing} with ${everybody} through ${detour[only]}`
  return [`${doing} with ${everybody}`, ...detours.map((way) => `${on(way)} of them through ${detour[way]}`)].join(', ')
}

/** What the page keeps and shares, in a few words. */
export function keptInWords(kept: Kept, people: readonly Pick<Person, 'inSync'>[]): string {
  const inSync = people.filter((person) => person.inSync).length
  const parts = inSync === 0 ? [] : [`In sync with ${inSync}`]
  if (kept.state === 'saved') parts.push('saved here')
  if (kept.state === 'saving') parts.push('saving…')
  if (kept.state === 'unsaved') parts.push('not saved here')
  return parts.join(' · ').replace(/^./, (first) => first.toUpperCase())
}

/** How signaling reaches this page. */
export function linkInWords(link: LinkState): string {
  if (link.name !== 'open') return ''
  const via: string = link.via
  const names: Readonly<Record<string, string>> = { websocket: 'a WebSocket', events: 'server-sent events', 'long-poll': 'long polls', 'short-poll': 'short polls' }
  return `Signaling by ${names[via] ?? via}`
}

function count(peers: number): string {
  return peers === 1 ? '1 peer' : `${peers} peers`
}

/** How long a status has to last before screen readers say it: in a crowd that gathers it changes with everybody. */
const heardAfter = 1_500 // ms

/** Shows the status, and counts down to the next attempt beside it, unheard by screen readers. */
export class StatusLine {
  readonly #line = byId('status', HTMLElement)
  readonly #text = byId('status-text', HTMLElement)
  readonly #countdown = byId('status-countdown', HTMLElement)
  readonly #heard = byId('status-heard', HTMLElement)
  readonly #clock: Clock
  #stopTick: (() => void) | null = null
  #stopHearing = (): void => {}

  constructor(clock: Clock) {
    this.#clock = clock
  }

  show({ tone, text, retryAt }: Status, link: LinkState): void {
    this.#line.dataset['tone'] = tone
    this.#line.dataset['link'] = link.name
    this.#line.title = linkInWords(link)
    if (this.#text.textContent !== text) {
      setText(this.#text, text)
      this.#stopHearing()
      this.#stopHearing = this.#clock.after(heardAfter, () => setText(this.#heard, text))
    }
    this.#stopTick?.()
    this.#stopTick = null
    this.#tick(retryAt)
  }

  #tick(retryAt: number | null): void {
    const left = retryAt === null ? 0 : retryAt - this.#clock.now()
    setText(this.#countdown, left > 0 ? `· next try in ${Math.ceil(left / 1000)} s` : '')
    if (left > 0) this.#stopTick = this.#clock.after(left % 1000 || 1000, () => this.#tick(retryAt))
  }
}
