import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Emitter } from './emitter.ts'

test('listeners are called in order until they are taken off', () => {
  const emitter = new Emitter<{ tick: [n: number] }>()
  const calls: string[] = []
  const off = emitter.on('tick', (n) => calls.push(`a${n}`))
  emitter.on('tick', (n) => calls.push(`b${n}`))
  emitter.emit('tick', 1)
  off()
  off()
  emitter.emit('tick', 2)
  assert.deepEqual(calls, ['a1', 'b1', 'b2'])
})

test('one listener added twice is called twice, and taken off once at a time', () => {
  const emitter = new Emitter<{ tick: [] }>()
  let calls = 0
  const listener = () => void calls++
  const off = emitter.on('tick', listener)
  emitter.on('tick', listener)
  emitter.emit('tick')
  off()
  emitter.emit('tick')
  assert.equal(calls, 3)
})

test('a listener that throws is reported, and the others are still called', () => {
  const emitter = new Emitter<{ tick: [] }>()
  const reported: unknown[] = []
  const before = globalThis.reportError
  globalThis.reportError = (cause) => void reported.push(cause)
  const mine = new Error('mine')
  let called = false
  emitter.on('tick', () => {
    throw mine
  })
  emitter.on('tick', () => (called = true))
  try {
    emitter.emit('tick')
  } finally {
    globalThis.reportError = before
  }
  assert.equal(called, true)
  assert.deepEqual(reported, [mine])
})
