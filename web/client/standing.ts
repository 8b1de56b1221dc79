import type { Code } from './codes.ts'
import { SignalError } from './errors.ts'
import type { Note, SignedNote } from './note.ts'
import type { TrustState } from './peer.ts'
import type { Fault, Finding, Party, RoomTrust, Trust } from './trust.ts'

const noOwnKey = 'has a key for this room, and this link has none'
const noOwnUse = 'has a key for this room, which a page without https cannot use'

/** What a standing tells. */
export interface StandingEvents {
  /** The trust is another. */
  changed(): void
  send(note: Promise<Note>): void
  fault(error: SignalError): void
}

/** What is thought of one peer, by what came from there. Each kind of fault is said once. */
export class Standing {
  trust: TrustState = 'unverified'
  dropped = 0

  readonly #room: RoomTrust
  readonly #peer: Party
  readonly #self: () => Party
  readonly #events: StandingEvents
  readonly #trust: Promise<Trust> | null
  readonly #said = new Set<string>()
  #isAdmitted = false
  #isKeptOut = false // the peer believes nothing that is said here
  #unproven = false // something was believed without a proof, and may be in use still

  constructor(room: RoomTrust, peer: Party, self: () => Party, events: StandingEvents) {
    this.#room = room
    this.#peer = peer
    this.#self = self
    this.#events = events
    this.#trust = room.lock && room.lock.then(({ Trust, keyring }) => new Trust(keyring, room))
  }

  /** Whether nothing was ever believed without a proof. */
  get isProven(): boolean {
    return !this.#unproven
  }

  /** The note with its proof, where there is a key. */
  async prove(note: SignedNote): Promise<SignedNote> {
    return (await this.#trust)?.prove(note, this.#self(), this.#peer) ?? note
  }

  /** Whether what the peer said is to be believed; null if not. */
  async check(note: SignedNote): Promise<Finding | null> {
    const found = (await (await this.#trust)?.check(note, this.#peer, this.#self())) ?? 'unverified'
    const finding = found === 'no key' && this.#isAdmitted ? 'unverified' : found
    if (found === 'verified') this.#isAdmitted = false // who signs once signs always: without, it is somebody else's
    if (finding === 'verified' || finding === 'unverified') {
      this.#unproven ||= finding === 'unverified'
      if (!this.#room.hasKey && note.proof !== undefined) this.#refuse(noOwnKey)
      else if (!this.#isKeptOut) this.#set(this.#unproven ? 'unverified' : finding)
      return finding
    }
    this.dropped++
    if ((finding === 'no key' || finding === 'other key') && !this.#said.has('key_differs')) this.#events.send(this.#ownKey())
    await this.#found(finding)
    return null
  }

  /** Believes from now on what is not signed at all, until something is signed; false if that is so already. */
  admit(): boolean {
    const wasAdmitted = this.#isAdmitted
    this.#isAdmitted = true
    return !wasAdmitted
  }

  /** The peer refused something, and says which key it has. */
  async told(key: string): Promise<void> {
    const { lock, hasKey } = this.#room
    if (lock === null) {
      this.#isKeptOut = true
      this.#refuse(hasKey ? noOwnUse : noOwnKey)
    } else if (key !== (await (await lock).keyring.id)) await this.#found('other key')
  }

  /** There is a way to the peer, so it believes what is said here. */
  reached(): void {
    if (!this.#isKeptOut) return
    this.#isKeptOut = false
    if (this.#room.hasKey) this.#set('unverified')
  }

  /** Something came that was not sealed by the peer. */
  forged(): void {
    this.dropped++
    void this.#found('changed')
  }

  /** Something of the peer's was dropped; why, for people. */
  drop(why: string): void {
    this.dropped++
    this.say('malformed', `peer ${this.#peer.peer} sent ${why}: it was dropped`)
  }

  /** Says that the peer's channels have other names than this side's. */
  differ(here: readonly string[], there: readonly string[]): void {
    const parts = [here.length > 0 && `only this side has ${quoted(here)}`, there.length > 0 && `only the peer has ${quoted(there)}`]
    this.say('channels_differ', `the channels of peer ${this.#peer.peer} differ: ${parts.filter(Boolean).join(', ')}`)
  }

  say(code: Code, message: string): void {
    if (this.#said.has(code)) return
    this.#said.add(code)
    this.#events.fault(new SignalError(code, message, 'never'))
  }

  async #ownKey(): Promise<Note> {
    return { kind: 'key', key: await (await this.#room.lock)!.keyring.id }
  }

  async #found(finding: Fault): Promise<void> {
    const { reasons } = (await this.#room.lock)!.Trust
    this.#refuse(reasons[finding], finding === 'changed' || finding === 'repeated', finding === 'no key')
  }

  #refuse(reason: string, forged = false, isUnsigned = false): void {
    const { peer } = this.#peer
    if (this.trust !== 'verified') this.#set(isUnsigned ? 'unsigned' : 'refused')
    this.say(forged ? 'untrusted' : 'key_differs', `${forged ? `what came as peer ${peer}'s` : `peer ${peer}`} ${reason}`)
  }

  #set(trust: TrustState): void {
    if (this.trust === trust) return
    this.trust = trust
    this.#events.changed()
  }
}

/** A few names, for people. */
function quoted(names: readonly string[]): string {
  const shown = names.slice(0, 5).map((name) => `“${name.slice(0, 40)}”`)
  return shown.join(', ') + (names.length > shown.length ? ' and others' : '')
}
