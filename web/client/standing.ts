import type { Code } from './codes.ts'
import { SignalError } from './errors.ts'
import type { Note, SignedNote } from './note.ts'
import type { TrustState } from './peer.ts'
import { Trust, type Finding, type Party, type RoomTrust } from './trust.ts'

/** Why something was refused, for people. */
const reasons = {
  'no key': "does not have this room's key, or cannot use it on a page without https",
  'other key': 'has another key for this room',
  changed: "was not signed with this room's key: it was changed on its way",
  repeated: 'was repeated on its way',
  'no own key': 'has a key for this room, and this link has none',
  'no own use': 'has a key for this room, which a page without https cannot use',
} as const

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
  readonly #trust: Trust
  readonly #said = new Set<string>()
  #unproven = false // something was believed without a proof, and may be in use still

  constructor(room: RoomTrust, peer: Party, self: () => Party, events: StandingEvents) {
    this.#room = room
    this.#peer = peer
    this.#self = self
    this.#events = events
    this.#trust = new Trust(room)
  }

  /** The note with its proof, where there is a key. */
  prove(note: SignedNote): Promise<SignedNote> {
    return this.#trust.prove(note, this.#self(), this.#peer)
  }

  /** Whether what the peer said is to be believed; null if not. */
  async check(note: SignedNote): Promise<Finding | null> {
    const finding = await this.#trust.check(note, this.#peer, this.#self())
    const { keyring, hasKey } = this.#room
    if (finding === 'verified' || finding === 'unverified') {
      this.#unproven ||= finding === 'unverified'
      if (!hasKey && note.proof !== undefined) this.#refuse('no own key')
      else this.#set(this.#unproven ? 'unverified' : finding)
      return finding
    }
    this.dropped++
    const unkeyed = finding === 'no key' || finding === 'other key'
    if (unkeyed && keyring !== null && !this.#said.has('key_differs')) this.#events.send(keyring.id.then((key) => ({ kind: 'key', key })))
    this.#refuse(finding)
    return null
  }

  /** The peer refused something, and says which key it has. */
  async told(key: string): Promise<void> {
    const { keyring, hasKey } = this.#room
    if (keyring === null) this.#refuse(hasKey ? 'no own use' : 'no own key')
    else if (key !== (await keyring.id)) this.#refuse('other key')
  }

  /** Something came that was not sealed by the peer. */
  forged(): void {
    this.dropped++
    this.#refuse('changed')
  }

  /** Something of the peer's was dropped; why, for people. */
  drop(why: string): void {
    this.dropped++
    this.say('malformed', `peer ${this.#peer.peer} sent ${why}: it was dropped`)
  }

  say(code: Code, message: string): void {
    if (this.#said.has(code)) return
    this.#said.add(code)
    this.#events.fault(new SignalError(code, message, 'never'))
  }

  #refuse(reason: keyof typeof reasons): void {
    const forged = reason === 'changed' || reason === 'repeated'
    const { peer } = this.#peer
    if (this.trust !== 'verified') this.#set('refused')
    this.say(forged ? 'untrusted' : 'key_differs', `${forged ? `what came as peer ${peer}'s` : `peer ${peer}`} ${reasons[reason]}`)
  }

  #set(trust: TrustState): void {
    if (this.trust === trust) return
    this.trust = trust
    this.#events.changed()
  }
}
