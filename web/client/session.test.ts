import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseJoinReply, Session, type JoinReply } from './session.ts'

const reply: JoinReply = {
  session: 's', secret: 'x', peer: 'alice', epoch: 5, at: 3, peers: [], iceServers: [], ttl: 0, heartbeat: 25, frameLimit: 200,
}

const numbers = (session: Session) => session.after(0).map(({ n }) => n)

test('downlink frames are handled once and in order', () => {
  const session = new Session(reply)
  assert.equal(session.take(1, 10), 'next')
  assert.equal(session.take(1, 10), 'had')
  assert.equal(session.take(3, 10), 'gap')
  assert.equal(session.last, 1, 'a frame behind a gap is not taken')
  assert.equal(session.take(2, 10), 'next')
  assert.equal(session.take(3, 10), 'next')
  assert.equal(session.take(2, 10), 'had')
  assert.equal(session.last, 3)
})

test('64 frames must be acknowledged at once, 63 need not', () => {
  const session = new Session(reply)
  for (let n = 1; n <= 63; n++) session.take(n, 1)
  assert.equal(session.owesAck, true)
  assert.equal(session.ackIsDue, false)
  session.take(64, 1)
  assert.equal(session.ackIsDue, true)
  session.acked(63)
  assert.equal(session.owesAck, true)
  assert.equal(session.ackIsDue, false)
  session.acked(64)
  session.acked(60)
  assert.equal(session.owesAck, false)
})

test('64 KiB must be acknowledged at once', () => {
  const session = new Session(reply)
  for (let n = 1; n <= 4; n++) {
    assert.equal(session.ackIsDue, false)
    session.take(n, 16 * 1024)
  }
  assert.equal(session.ackIsDue, true)
})

test('frames that were had already are not owed again', () => {
  const session = new Session(reply)
  session.take(1, 1)
  session.acked(1)
  session.take(1, 1)
  assert.equal(session.owesAck, false)
})

test('uplink frames are numbered from 1 and kept until received', () => {
  const session = new Session(reply)
  for (const data of ['a', 'b', 'c']) session.number({ kind: 'signal', to: 'bob', epoch: 1, data })
  assert.deepEqual(numbers(session), [1, 2, 3])
  assert.equal(session.after(1)[0]?.text, '{"kind":"signal","to":"bob","epoch":1,"data":"b","n":2}')
  session.receive(2)
  assert.deepEqual(numbers(session), [3])
  session.receive(1)
  assert.deepEqual(numbers(session), [3], 'an older acknowledgement changes nothing')
  session.number({ kind: 'leave' })
  assert.deepEqual(numbers(session), [3, 4])
  assert.deepEqual(session.after(3).map(({ n }) => n), [4])
  session.receive(9)
  assert.deepEqual([session.received, numbers(session)], [4, []])
})

test('a frame over the limit, which counts bytes, takes no number', () => {
  const session = new Session(reply)
  assert.equal(session.number({ kind: 'change', name: '€'.repeat(60) }), false)
  assert.equal(session.number({ kind: 'change', name: 'e'.repeat(60) }), true)
  assert.deepEqual(numbers(session), [1])
})

test('a reply to a join is read', () => {
  const read = parseJoinReply({
    session: 's', secret: 'x', peer: 'alice', epoch: 5, resumed: false, at: 3, peers: [], iceServers: [{ urls: ['stun:127.0.0.1'] }],
    ttl: 60, heartbeat: 10, limits: { frame: 1000 }, node: 'n1',
  })
  assert.deepEqual(read, { ...reply, iceServers: [{ urls: ['stun:127.0.0.1'] }], ttl: 60, heartbeat: 10, frameLimit: 1000 })
})

test('a reply without what matters is none', () => {
  for (const value of [null, 'x', {}, { session: 's', secret: 'x', peer: 'alice', epoch: -5, at: 3 }, { ...reply, session: 7 }]) {
    assert.equal(parseJoinReply(value), null)
  }
})
