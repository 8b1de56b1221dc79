import { fields, type Keyring } from './key.ts'
import { signedFields, type SignedNote } from './note.ts'

/** What a room knows of its key. */
export interface RoomTrust {
  /** Null where there is no key, or no means to use it. */
  readonly keyring: Keyring | null
  /** Whether there is a key, even if it cannot be used. */
  readonly hasKey: boolean
  /** Whether peers without proof are let in. */
  readonly allowUnverified: boolean
  /** A number greater than any before. */
  nextSerial(): number
}

/** One end of what is signed. */
export interface Party {
  readonly peer: string
  readonly instance: string
}

/** What a check found: a valid proof, none where none is needed, or why the note is refused. */
export type Finding = 'verified' | 'unverified' | 'no key' | 'other key' | 'changed' | 'repeated'

/** Signs what goes to one peer, and checks what comes from there. */
export class Trust {
  readonly #room: RoomTrust
  #lastSerial = 0 // of the valid notes

  constructor(room: RoomTrust) {
    this.#room = room
  }

  /** The note with its proof, where there is a key to make it by. */
  async prove<N extends SignedNote>(note: N, from: Party, to: Party): Promise<N> {
    const { keyring } = this.#room
    if (keyring === null) return note
    const serial = this.#room.nextSerial()
    const mac = await keyring.sign(message(note, from, to, serial))
    return { ...note, proof: { key: await keyring.id, serial, mac } }
  }

  async check(note: SignedNote, from: Party, to: Party): Promise<Finding> {
    const { keyring, allowUnverified } = this.#room
    const { proof } = note
    if (keyring === null) return 'unverified'
    if (proof === undefined) return allowUnverified ? 'unverified' : 'no key'
    if (proof.key !== (await keyring.id)) return 'other key'
    const isValid = await keyring.verify(message(note, from, to, proof.serial), proof.mac)
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
