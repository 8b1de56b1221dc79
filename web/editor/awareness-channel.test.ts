import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as encoding from 'lib0/encoding'
import { awarenessChannel } from './awareness-channel.ts'
import { mesh } from './testing/mesh.ts'

test('names arrive, and go the moment a peer leaves or its connection breaks', async (t) => {
  const room = mesh(t)
  const [ada, bob, cyd] = [room.add('ada'), room.add('bob'), room.add('cyd')]
  room.connectAll()
  await room.clock.pass(100)
  assert.deepEqual(ada.seen, ['bob', 'cyd'])
  assert.deepEqual(ada.provider.identityOf('bob'), { name: 'bob', colour: 'teal', chosen: false })

  room.leave(cyd)
  assert.deepEqual(ada.seen, ['bob'])

  const clock = ada.awareness.meta.get(bob.doc.clientID)?.clock ?? -1
  room.turn(ada, bob, 'reconnecting')
  assert.deepEqual([ada.seen, bob.seen], [[], []])
  room.turn(ada, bob, 'connected')
  await room.clock.pass(100)
  assert.deepEqual([ada.seen, bob.seen], [['bob'], ['ada']])
  assert.ok((ada.awareness.meta.get(bob.doc.clientID)?.clock ?? -1) > clock, 'the clock did not rise')

  room.turn(ada, bob, 'closed')
  assert.deepEqual([ada.seen, bob.seen], [[], []])
  room.connect(ada, bob)
  await room.clock.pass(100)
  assert.deepEqual([ada.seen, bob.seen], [['bob'], ['ada']])
})

test('a break that only one side noticed is healed for both', async (t) => {
  const room = mesh(t)
  const [ada, bob] = [room.add('ada'), room.add('bob')]
  room.connectAll()
  await room.clock.pass(2_000)
  const seenByAda = ada.remotes.get('bob')
  assert.ok(seenByAda)
  for (const state of ['reconnecting', 'connected'] as const) {
    seenByAda.state = state
    ada.emit('changed', seenByAda)
  }
  await room.clock.pass(100)
  assert.deepEqual([ada.seen, bob.seen], [['bob'], ['ada']])
})

test('a caret whose last move was lost arrives with the repetition', async (t) => {
  const room = mesh(t)
  const [ada, bob] = [room.add('ada'), room.add('bob')]
  room.connectAll()
  await room.clock.pass(2_000)
  room.loses = () => true
  ada.awareness.setLocalStateField('cursor', 'there')
  await room.clock.pass(50)
  room.loses = () => false
  await room.clock.pass(1_000)
  assert.equal(bob.awareness.getStates().get(ada.doc.clientID)?.['cursor'], 'there')
})

test('nobody can speak for another', async (t) => {
  const room = mesh(t)
  const [ada, bob, cyd] = [room.add('ada'), room.add('bob'), room.add('cyd')]
  room.connectAll()
  await room.clock.pass(2_000)
  for (const victim of [bob, cyd]) {
    const encoder = encoding.createEncoder()
    for (const number of [1, victim.doc.clientID, 99]) encoding.writeVarUint(encoder, number)
    encoding.writeVarString(encoder, '{"user":{"name":"mallory","colour":"rose"}}')
    room.forge(ada, bob, awarenessChannel, encoding.toUint8Array(encoder))
  }
  await room.clock.pass(100)
  assert.deepEqual(bob.seen, ['ada', 'cyd'])
  assert.equal(bob.awareness.getLocalState()?.['user'].name, 'bob')
  assert.equal(bob.provider.dropped('ada'), 2)
})
