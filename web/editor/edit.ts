// One change of the text on its way: an update of the document under a name of its own, and, where edits are signed, the
// signature of somebody who may write. Whoever has it can pass it on, and nobody can change it on the way.
import type * as decoding from 'lib0/decoding'
import { readVarUint, readVarUint8Array } from 'lib0/decoding'
import * as encoding from 'lib0/encoding'
import { signatureLength, type Signature } from './signature.ts'

export interface Edit {
  /** The page that made it, by a number drawn at random. */
  readonly origin: number
  /** 1, 2, 3 … for each origin. */
  readonly number: number
  /** Empty where nothing is signed. */
  readonly signature: Uint8Array
  readonly update: Uint8Array
}

export function writeEdit(encoder: encoding.Encoder, { origin, number, signature, update }: Edit): void {
  encoding.writeVarUint(encoder, origin)
  encoding.writeVarUint(encoder, number)
  encoding.writeVarUint8Array(encoder, signature)
  encoding.writeVarUint8Array(encoder, update)
}

export function readEdit(decoder: decoding.Decoder): Edit {
  const origin = readVarUint(decoder)
  const number = readVarUint(decoder)
  const signature = readVarUint8Array(decoder)
  if (signature.length !== 0 && signature.length !== signatureLength) throw new Error(`a signature of ${signature.length} bytes`)
  return { origin, number, signature, update: readVarUint8Array(decoder) }
}

/** Signs edits of one room and checks them: one that was signed for another room is worth nothing here. */
export class Notary {
  readonly #signature: Signature
  readonly #room: string

  constructor(signature: Signature, room: string) {
    this.#signature = signature
    this.#room = room
  }

  get maySign(): boolean {
    return this.#signature.sign !== null
  }

  async sign(edit: Omit<Edit, 'signature'>): Promise<Edit> {
    const { sign } = this.#signature
    if (sign === null) throw new Error('without the key to write nothing can be signed')
    return { ...edit, signature: await sign(this.#statement(edit)) }
  }

  async isGenuine(edit: Edit): Promise<boolean> {
    return edit.signature.length === signatureLength && (await this.#signature.verify(this.#statement(edit), edit.signature.slice()))
  }

  /** The bytes that are signed. */
  #statement({ origin, number, update }: Omit<Edit, 'signature'>): Uint8Array<ArrayBuffer> {
    const encoder = encoding.createEncoder()
    encoding.writeVarString(encoder, 'parley edit 1')
    encoding.writeVarString(encoder, this.#room)
    encoding.writeVarUint(encoder, origin)
    encoding.writeVarUint(encoder, number)
    encoding.writeUint8Array(encoder, update)
    return encoding.toUint8Array(encoder).slice()
  }
}
