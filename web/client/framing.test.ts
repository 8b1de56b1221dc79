import assert from 'node:assert/strict'
import { createHash, randomBytes, randomInt } from 'node:crypto'
import { test } from 'node:test'
import { write } from './envelope.ts'
import { chunks, chunkSize, payloadLength, Reassembly } from './framing.ts'
import { peers } from './testing/vectors.ts'

const mebibyte = 1024 * 1024

function bytes(size: number): Uint8Array {
  return new Uint8Array(randomBytes(size))
}

/** Gives the pieces to a receiver and returns the messages that come out. */
function receive(reassembly: Reassembly, pieces: Iterable<Uint8Array>): Uint8Array[] {
  return [...pieces].map((piece) => reassembly.take(piece)).filter((message) => message !== null)
}

/** Puts the pieces into a random order. */
function shuffled<T>(pieces: T[]): T[] {
  for (let i = pieces.length - 1; i > 0; i--) {
    const j = randomInt(i + 1)
    ;[pieces[i], pieces[j]] = [pieces[j]!, pieces[i]!]
  }
  return pieces
}

/** A fragment as one would write it by hand. */
function fragment(id: number, index: number, size: number, payload: Uint8Array): Uint8Array {
  const header = new DataView(new ArrayBuffer(13))
  header.setUint8(0, 1)
  for (const [i, value] of [id, index, size].entries()) header.setUint32(1 + 4 * i, value)
  return Uint8Array.from([...new Uint8Array(header.buffer), ...payload])
}

const sizes = [0, 1, chunkSize - 2, chunkSize - 1, chunkSize, chunkSize + 1, 3 * (chunkSize - 13), mebibyte]
for (let i = 0; i < 20; i++) sizes.push(randomInt(200_000))

for (const size of sizes) {
  test(`a message of ${size} bytes arrives as it was, in pieces of at most ${chunkSize}`, () => {
    const message = bytes(size)
    const pieces = [...chunks(message, 7)]
    assert.ok(pieces.every(({ length }) => length <= chunkSize))
    assert.equal(pieces.reduce((sum, piece) => sum + payloadLength(piece), 0), size)
    const [received, ...more] = receive(new Reassembly(mebibyte), pieces)
    assert.deepEqual(more, [])
    assert.ok(received !== undefined && Buffer.from(received).equals(message))
  })
}

test('pieces of several messages may come mixed and in any order', () => {
  const messages = [100_000, 50_000, 10, 70_000].map(bytes)
  const pieces = shuffled(messages.flatMap((message, id) => [...chunks(message, id)]))
  const received = receive(new Reassembly(mebibyte), pieces)
  const asText = (all: Uint8Array[]) => all.map((message) => Buffer.from(message).toString('hex')).sort()
  assert.deepEqual(asText(received), asText(messages))
})

test('a piece that comes twice is taken once', () => {
  const message = bytes(40_000)
  const pieces = [...chunks(message, 1)]
  const received = receive(new Reassembly(mebibyte), [pieces[0]!, pieces[0]!, pieces[1]!, pieces[0]!, pieces[2]!])
  assert.equal(received.length, 1)
  assert.ok(Buffer.from(received[0]!).equals(message))
})

test('malformed pieces are dropped, and what is well formed still arrives', () => {
  const reassembly = new Reassembly(mebibyte)
  const payload = bytes(100)
  const malformed = [
    new Uint8Array(0),
    Uint8Array.from([4, 1, 2, 3]),
    Uint8Array.from([3]),
    Uint8Array.from([1]),
    fragment(1, 0, 100, payload).subarray(0, 12),
    fragment(1, 0, 100, new Uint8Array(0)),
    fragment(1, 0, 99, payload),
    fragment(1, 0, 101, payload),
    fragment(1, 1, 100, payload),
    fragment(1, 2 ** 32 - 1, 100, payload),
    fragment(1, 0, mebibyte + 1, bytes(chunkSize - 13)),
  ]
  assert.deepEqual(receive(reassembly, malformed), [])
  const message = bytes(50_000)
  const [first, ...others] = chunks(message, 1)
  const contradiction = fragment(1, 1, 40_000, bytes(chunkSize - 13))
  const received = receive(reassembly, [first!, contradiction, ...others])
  assert.equal(received.length, 1)
  assert.ok(Buffer.from(received[0]!).equals(message))
})

test('a whole message over the limit is dropped', () => {
  const [piece] = chunks(bytes(1001), 0)
  assert.equal(new Reassembly(1000).take(piece!), null)
  assert.notEqual(new Reassembly(1001).take(piece!), null)
})

test('messages that never end are given up, the oldest first', () => {
  const reassembly = new Reassembly(mebibyte)
  const message = bytes(40_000)
  const [first, ...others] = chunks(message, 0)
  reassembly.take(first!)
  for (let id = 1; id <= 32; id++) for (const piece of [...chunks(bytes(40_000), id)].slice(0, 1)) reassembly.take(piece)
  assert.deepEqual(receive(reassembly, others), [], 'the oldest was given up for the newest')
})

test('what incomplete messages hold is bounded by bytes', () => {
  const limit = 100_000
  const reassembly = new Reassembly(limit)
  const [early, late] = [bytes(90_000), bytes(90_000)]
  receive(reassembly, [...chunks(early, 1)].slice(0, -1))
  const received = receive(reassembly, chunks(late, 2))
  assert.equal(received.length, 1, 'the newer one has room, since the older one is given up')
  assert.ok(Buffer.from(received[0]!).equals(late))
  assert.deepEqual(receive(reassembly, [...chunks(early, 1)].slice(-1)), [])
})

for (const { size, id, chunks: expected } of peers.framing.messages) {
  test(`a message of ${size} bytes is cut as the protocol says`, () => {
    const message = Uint8Array.from({ length: size }, (_, i) => (i * 31 + (i >> 8)) & 255)
    const pieces = [...chunks(message, id)]
    const seen = pieces.map((piece) => ({
      length: piece.length,
      head: Buffer.from(piece.subarray(0, 16)).toString('hex'),
      sha256: createHash('sha256').update(piece).digest('hex'),
    }))
    assert.deepEqual(seen, expected)
    assert.deepEqual(receive(new Reassembly(mebibyte), pieces), [message])
  })
}

/** A receiver that keeps what it says of what it dropped. */
function watched(limit: number, lossy = false): [Reassembly, string[]] {
  const said: string[] = []
  return [new Reassembly(limit, (why) => said.push(why), lossy), said]
}

test('what is dropped has a name', () => {
  const [reassembly, said] = watched(1000)
  const pieces = [
    new Uint8Array(),
    Uint8Array.of(7, 1, 2),
    Uint8Array.of(1, 2),
    bytes(1002).fill(0, 0, 1),
    fragment(1, 0, 100 * mebibyte, bytes(chunkSize - 13)),
    fragment(1, 0, 900, bytes(899)),
    fragment(1, 1, 900, bytes(900)),
  ]
  assert.deepEqual(receive(reassembly, pieces), [])
  assert.deepEqual(said, [
    'a malformed message',
    'a malformed message',
    'a malformed message',
    "a message of 1001 bytes, over this side's limit of 1000",
    "a message of 104857600 bytes, over this side's limit of 1000",
    'a malformed fragment',
    'a malformed fragment',
  ])
})

test('endless fragments are named where each should arrive, and not where they may get lost', () => {
  for (const lossy of [false, true]) {
    const [reassembly, said] = watched(10 * mebibyte, lossy)
    for (let id = 0; id < 100; id++) reassembly.take(fragment(id, 0, 20_000, bytes(chunkSize - 13)))
    assert.deepEqual(said, Array(lossy ? 0 : 68).fill('an incomplete message, for newer ones'))
  }
})

test('envelopes are told from messages, whole or in fragments', () => {
  const reassembly = new Reassembly(mebibyte)
  for (const size of [0, 10, 40_000]) {
    for (const isEnvelope of [true, false]) {
      const message = bytes(size)
      const received = receive(reassembly, [...chunks(message, size, isEnvelope)])
      assert.ok(Buffer.from(received[0]!).equals(message))
      assert.equal(reassembly.isEnvelope, isEnvelope)
    }
  }
})

test('the largest message arrives as an envelope, too', () => {
  const room = { sort: 0, run: 0, n: 1, hops: 8 }
  for (const limit of [1000, 40_000]) {
    const payload = bytes(limit)
    const longest = write({ ...room, origin: 'a'.repeat(255), to: 'b'.repeat(255), payload })
    assert.equal(longest.length, limit + 522)
    assert.equal(receive(new Reassembly(limit), chunks(longest, 0, true)).length, 1)
    assert.deepEqual(receive(new Reassembly(limit - 1), chunks(longest, 0, true)), [])
    assert.deepEqual(receive(new Reassembly(limit), chunks(longest, 0)), [])
  }
})
