import assert from 'node:assert/strict'
import { test } from 'node:test'
import { backoff, signalingBackoff as bounds } from './backoff.ts'

test('the bound of a wait doubles with each attempt, up to the cap', () => {
  const almostOne = 1 - 2 ** -32
  const longest = [1, 2, 3, 4, 5, 6, 7, 1000].map((attempt) => Math.round(backoff(attempt, almostOne, bounds)))
  assert.deepEqual(longest, [300, 600, 1200, 2400, 4800, 9600, 10_000, 10_000])
})

test('a wait may be anything below its bound', () => {
  for (const random of [0, 0.25, 0.5, 0.75]) assert.equal(backoff(3, random, bounds), random * 1200)
})

test('what the server asked for is waited at least, and not by all clients the same', () => {
  assert.equal(backoff(1, 0, bounds, 7), 7000)
  assert.ok(backoff(1, 0.5, bounds, 7) > 7000)
  assert.ok(backoff(50, 0.999, bounds, 7) < 10_500)
})

test('being asked to wait for nothing is not being asked', () => {
  assert.equal(backoff(1, 0.5, bounds, 0), 150)
})
