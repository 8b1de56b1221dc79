// What peers say to each other on the `document` channel. A message is a number for its kind, then its parts, in lib0's
// encoding; the first three kinds are those of y-protocols/sync.
//
//   0 step 1   state vector            "this is what I have: tell me the rest"
//   1 step 2   update                  "this is the rest", where nothing is signed
//   2 update   update                  "this just happened here", from peers that number nothing
//   3 digest   digest, state vector    "is this what you have, too?" Equal: no answer. Else: step 2, and step 1 in return.
//   4 edit     origin, number, signature, update                   "this just happened here"
//   5 answer   count, then as often: origin, number, signature, update    "this is the rest", where edits are signed
//
// A state vector tells which insertions somebody has, but not which deletions; the digest covers both. Origin and number
// name an edit for good, so that it can be passed on and known again; see edit.ts for what the signature covers.
import * as decoding from 'lib0/decoding'
import * as encoding from 'lib0/encoding'
import { messageYjsSyncStep1, messageYjsSyncStep2, messageYjsUpdate, writeSyncStep1, writeSyncStep2, writeUpdate } from 'y-protocols/sync'
import * as Y from 'yjs'
import { readEdit, writeEdit, type Edit } from './edit.ts'

/** The name of the shared text within the document. */
export const textName = 'text'

const digestKind = 3
const editKind = 4
const answerKind = 5

export type Message =
  | { readonly kind: 'step1'; readonly vector: Uint8Array }
  | { readonly kind: 'step2'; readonly update: Uint8Array }
  | { readonly kind: 'update'; readonly update: Uint8Array }
  | { readonly kind: 'digest'; readonly digest: Uint8Array; readonly vector: Uint8Array }
  | { readonly kind: 'edit'; readonly edit: Edit }
  | { readonly kind: 'answer'; readonly edits: readonly Edit[] }

/** `doc` is left out by those who want to be told everything. */
export function step1(doc: Y.Doc = new Y.Doc()): Uint8Array {
  return encode((encoder) => writeSyncStep1(encoder, doc))
}

export function step2(doc: Y.Doc, vector: Uint8Array): Uint8Array {
  return encode((encoder) => writeSyncStep2(encoder, doc, vector))
}

export function update(change: Uint8Array): Uint8Array {
  return encode((encoder) => writeUpdate(encoder, change))
}

/** `own` is {@link digestOf} the document. */
export function digest(doc: Y.Doc, own: Uint8Array): Uint8Array {
  return encode((encoder) => {
    encoding.writeVarUint(encoder, digestKind)
    encoding.writeVarUint8Array(encoder, own)
    encoding.writeVarUint8Array(encoder, Y.encodeStateVector(doc))
  })
}

export function edit(made: Edit): Uint8Array {
  return encode((encoder) => {
    encoding.writeVarUint(encoder, editKind)
    writeEdit(encoder, made)
  })
}

export function answer(edits: readonly Edit[]): Uint8Array {
  return encode((encoder) => {
    encoding.writeVarUint(encoder, answerKind)
    encoding.writeVarUint(encoder, edits.length)
    for (const each of edits) writeEdit(encoder, each)
  })
}

/** What was received is not a message. */
export class Malformed extends Error {
  override readonly name = 'Malformed'
}

/** Reads a message and checks all of it, so that what comes out can be applied; throws {@link Malformed}. */
export function read(data: Uint8Array): Message {
  try {
    const decoder = decoding.createDecoder(data)
    const message = readKind(decoder)
    if (decoding.hasContent(decoder)) throw new Error('bytes after the end of the message')
    return message
  } catch (cause) {
    throw new Malformed('not a message of the document channel', { cause })
  }
}

function readKind(decoder: decoding.Decoder): Message {
  const kind = decoding.readVarUint(decoder)
  switch (kind) {
    case messageYjsSyncStep1:
      return { kind: 'step1', vector: checkedVector(decoding.readVarUint8Array(decoder)) }
    case messageYjsSyncStep2:
      return { kind: 'step2', update: checkedUpdate(decoding.readVarUint8Array(decoder)) }
    case messageYjsUpdate:
      return { kind: 'update', update: checkedUpdate(decoding.readVarUint8Array(decoder)) }
    case digestKind: {
      const theirs = decoding.readVarUint8Array(decoder)
      return { kind: 'digest', digest: theirs, vector: checkedVector(decoding.readVarUint8Array(decoder)) }
    }
    case editKind:
      return { kind: 'edit', edit: checkedEdit(decoder) }
    case answerKind: {
      const edits: Edit[] = []
      for (let left = decoding.readVarUint(decoder); left > 0; left--) edits.push(checkedEdit(decoder)) // ends with the bytes
      return { kind: 'answer', edits }
    }
    default:
      throw new Error(`no message of kind ${kind}`)
  }
}

function checkedEdit(decoder: decoding.Decoder): Edit {
  const made = readEdit(decoder)
  checkedUpdate(made.update)
  return made
}

function checkedVector(vector: Uint8Array): Uint8Array {
  Y.decodeStateVector(vector)
  return vector
}

/** Throws unless the update reads to its end and holds nothing but plain text of the one shared text. */
function checkedUpdate(change: Uint8Array): Uint8Array {
  for (const struct of Y.decodeUpdate(change).structs) {
    if (!(struct instanceof Y.Item)) continue
    const { content, parent, parentSub } = struct
    const plain = content instanceof Y.ContentString || content instanceof Y.ContentDeleted
    if (!plain || parentSub !== null) throw new Error('an update of something that is not plain text')
    if (parent !== null && (parent as unknown) !== textName) throw new Error('an update of another document')
  }
  return change
}

/** Eight bytes that two documents share when they hold the same insertions and deletions. */
export function digestOf(doc: Y.Doc): Uint8Array {
  let a = 0x811c9dc5
  let b = 0x9747b28c
  for (const byte of Y.encodeSnapshot(Y.snapshot(doc))) {
    a = Math.imul(a ^ byte, 0x01000193)
    b = Math.imul(b ^ byte, 0x5bd1e995)
    b ^= b >>> 15
  }
  const bytes = new DataView(new ArrayBuffer(8))
  bytes.setInt32(0, a)
  bytes.setInt32(4, b)
  return new Uint8Array(bytes.buffer)
}

function encode(write: (encoder: encoding.Encoder) => void): Uint8Array {
  const encoder = encoding.createEncoder()
  write(encoder)
  return encoding.toUint8Array(encoder)
}
