import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compareGenerations, noGeneration, parseNote, type Generation } from './note.ts'
import { peers } from './testing/vectors.ts'

test('a later epoch is greater, then a later count', () => {
  const inOrder: Generation[] = [noGeneration, [3, 1], [3, 2], [4, 1], [4, 9], [5, 2]]
  for (const [i, a] of inOrder.entries()) {
    for (const [j, b] of inOrder.entries()) assert.equal(Math.sign(compareGenerations(a, b)), Math.sign(i - j))
  }
})

test('notes are read', () => {
  const notes = [
    { kind: 'description', generation: [5, 1], description: { type: 'offer', sdp: 'v=0' }, channels: ['chat', ''] },
    { kind: 'candidates', generation: [5, 1], candidates: [{ candidate: '', sdpMid: '0' }, null] },
    { kind: 'renew', generation: [0, 0] },
  ] as const
  for (const note of notes) assert.deepEqual(parseNote(note), note)
})

test('what is no note is null', () => {
  const description = { type: 'offer', sdp: 'v=0' }
  const channels = ['chat']
  for (const value of [
    null,
    'hello',
    {},
    { kind: 'description', description, channels },
    { kind: 'description', generation: [1], description, channels },
    { kind: 'description', generation: [1, -1], description, channels },
    { kind: 'description', generation: ['1', 1], description, channels },
    { kind: 'description', generation: [1, 1], description: { type: 'rollback' }, channels },
    { kind: 'description', generation: [1, 1], description: { type: 'offer' }, channels },
    { kind: 'description', generation: [1, 1], description },
    { kind: 'description', generation: [1, 1], description, channels: 'chat' },
    { kind: 'description', generation: [1, 1], description, channels: [1] },
    { kind: 'description', generation: [1, 1], description, channels: Array(257).fill('x') },
    { kind: 'candidates', generation: [1, 1], candidates: 'x' },
    { kind: 'candidates', generation: [1, 1], candidates: [1] },
    { kind: 'candidates', generation: [1, 1], candidates: Array(257).fill(null) },
    { kind: 'something else', generation: [1, 1] },
  ]) assert.equal(parseNote(value), null, JSON.stringify(value))
})

test('the notes of the protocol are read as they are', () => {
  for (const note of [...peers.notes.read, ...peers.trust.signed.map(({ note }) => note), ...peers.relay.frames.map(({ note }) => note)]) {
    assert.deepEqual(parseNote(note as never), note)
  }
})

for (const { says, note } of peers.notes.ignored) {
  test(`a note is dropped that has ${says}: ${JSON.stringify(note).slice(0, 60)}`, () => assert.equal(parseNote(note), null))
}
