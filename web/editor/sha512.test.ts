import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { sha512 } from './sha512.ts'

for (const length of [0, 1, 3, 111, 112, 113, 127, 128, 129, 239, 240, 1_000, 100_003]) {
  test(`a message of ${length} bytes has the digest that others find`, () => {
    const message = Uint8Array.from({ length }, (_, i) => (i * 167 + (i >> 7)) & 255)
    assert.equal(Buffer.from(sha512(message)).toString('hex'), createHash('sha512').update(message).digest('hex'))
  })
}

test('a part of an array is hashed alone', () => {
  const whole = Uint8Array.from({ length: 300 }, (_, i) => i & 255)
  const part = whole.subarray(13, 250)
  assert.equal(Buffer.from(sha512(part)).toString('hex'), createHash('sha512').update(part).digest('hex'))
})
