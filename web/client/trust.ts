// The part of the client that a room with a key needs: it is loaded by itself.
import { fields, type Keyring } from './keyring.ts'
import type { SignedNote } from './note.ts'

export { Keyring } from './keyring.ts'

/** What a room knows of its key. */
export interface RoomTrust {
  /** What signs and seals by the key; null where there is none, or no means to use it. */
  readonly lock: Promise<Lock> | null
  /** Whether there is a key, even if it cannot be used. */
  readonly hasKey: boolean
  /** Whether peers without proof are let in. */
  readonly allowUnverified: boolean
  /** A number greater than any before. */
  nextSerial(): number
}

/** A room's key in use. */
export interface Lock {
  readonly keyring: Keyring
  readonly Trust: typeof Trust
}

/** One end of what is signed. */
export interface Party {
  readonly peer: string
  readonly instance: string
}

/** Why something is refused, for people. */
const reasons = {
  'no key': "does not have this room's key, or cannot use it on a page without https",
  'other key': 'has another key for this room',
  changed: "was not signed with this room's key: it was changed on its way",
  repeated: 'was repeated on its way',
} as const

/** Why a note is refused. */
export type Fault = keyof typeof reasons

/** What a check found: a valid proof, none where none is needed, or a fault. */
export type Finding = 'verified' | 'unverified' | Fault

/** Signs what goes to one peer, and checks what comes from there. */
export class Trust {
  /** Why something is refused, for people. */
  static readonly reasons = reasons

  readonly #keyring: Keyring
  readonly #room: Pick<RoomTrust, 'allowUnverified' | 'nextSerial'>
  #lastSerial = 0 // of the valid notes

  constructor(keyring: Keyring, room: Pick<RoomTrust, 'allowUnverified' | 'nextSerial'>) {
    this.#keyring = keyring
    this.#room = room
  }

  /** The note with its proof. */
  async prove<N extends SignedNote>(note: N, from: Party, to: Party): Promise<N> {
    const serial = this.#room.nextSerial()
    const mac = await this.#keyring.sign(message(note, from, to, serial))
    return { ...note, proof: { key: await this.#keyring.id, serial, mac } }
  }

  async check(note: SignedNote, from: Party, to: Party): Promise<Finding> {
    const { proof } = note
    if (proof === undefined) return this.#room.allowUnverified ? 'unverified' : 'no key'
    if (proof.key !== (await this.#keyring.id)) return 'other key'
    const isValid = await this.#keyring.verify(message(note, from, to, proof.serial), proof.mac)
    if (!isValid || from.instance === to.instance) return 'changed' // the server says that this page is somebody else
    if (proof.serial <= this.#lastSerial) return 'repeated'
    this.#lastSerial = proof.serial
    return 'verified'
  }
}

function message(note: SignedNote, from: Party, to: Party, serial: number): Uint8Array<ArrayBuffer> {
  const [kind = '', ...rest] = signedFields(note)
  return fields(from.peer, from.instance, to.peer, to.instance, serial, kind, ...rest)
}

/** What a note's signature covers beside who sends it to whom. */
function signedFields(note: SignedNote): (string | number)[] {
  const { kind } = note
  if (kind === 'relay') return [kind, note.nonce, note.echo ?? '', Number(note.webrtc), ...note.channels]
  if (kind === 'renew') return [kind, ...note.generation]
  const { type, sdp = '' } = note.description
  return [kind, ...note.generation, type, sdp, ...note.channels]
}
