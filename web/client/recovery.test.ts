import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Recovery } from './recovery.ts'
import { StillClock } from './testing/clock.ts'

/** A recovery on a clock of its own, and what it did when, in milliseconds from the start. */
function setUp({ first = true, reachable = true } = {}) {
  const clock = new StillClock()
  const start = clock.now()
  const done: string[] = []
  const peer = { reachable }
  const note = (what: string) => done.push(`${what} ${clock.now() - start}`)
  const recovery = new Recovery(clock, {
    isFirst: () => first,
    canSignal: () => peer.reachable,
    restart: () => note('restart'),
    renew: () => note('renew'),
  })
  return { clock, done, peer, recovery }
}

test('the one who comes first begins a connection at once, the other asks for one after a while', () => {
  const [a, b] = [setUp(), setUp({ first: false })]
  for (const { recovery, clock } of [a, b]) {
    recovery.update('none')
    clock.pass(5000)
  }
  assert.equal(a.done[0], 'renew 0')
  assert.equal(b.done[0], 'renew 4000')
})

test('a failed connection is restarted at once, by the other side two seconds later', () => {
  const [a, b] = [setUp(), setUp({ first: false })]
  for (const { recovery, clock } of [a, b]) {
    recovery.update('failed')
    clock.pass(2500)
  }
  assert.deepEqual(a.done, ['restart 0'])
  assert.deepEqual(b.done, ['restart 2000'])
})

test('an interruption of a second is borne, a longer one is not', () => {
  const { recovery, clock, done } = setUp()
  recovery.update('disconnected')
  clock.pass(1000)
  recovery.update('connected')
  clock.pass(60_000)
  assert.deepEqual(done, [])
  recovery.update('disconnected')
  clock.pass(1600)
  assert.deepEqual(done, ['restart 62500'])
})

test('three restarts, further and further apart, then another connection', () => {
  const { recovery, clock, done } = setUp()
  recovery.update('failed')
  clock.pass(22_000)
  assert.deepEqual(done, ['restart 0', 'restart 3000', 'restart 9000', 'renew 21000'])
})

test('a state that flickers does not bring attempts closer together', () => {
  const { recovery, clock, done } = setUp()
  for (let i = 0; i < 80; i++) {
    recovery.update(i % 2 ? 'failed' : 'disconnected')
    clock.pass(100)
  }
  assert.deepEqual(done, ['restart 100', 'restart 3100'])
})

test('without signaling nothing is tried, and when it returns, at once', () => {
  const { recovery, clock, done, peer } = setUp({ reachable: false })
  recovery.update('failed')
  clock.pass(100_000)
  assert.deepEqual(done, [])
  peer.reachable = true
  recovery.signalingIsBack()
  assert.deepEqual(done, ['restart 100000'])
})

test('the return of signaling alone does nothing to a connection that is well or has its time', () => {
  const { recovery, clock, done } = setUp()
  recovery.update('disconnected')
  recovery.signalingIsBack()
  assert.deepEqual(done, [])
  recovery.update('connected')
  recovery.signalingIsBack()
  clock.pass(100_000)
  assert.deepEqual(done, [])
})

test('attempts made while signaling was gone for good do not keep the next one waiting once it is back', () => {
  const { recovery, clock, done } = setUp()
  recovery.update('failed')
  clock.pass(25_000) // 0, 3, 9 and 21 s; the next one would come at 45 s
  assert.equal(done.length, 4)
  recovery.signalingIsBack(true)
  clock.pass(0)
  assert.deepEqual(done.slice(4), ['restart 25000'])
})

test('a connection that is being made when signaling is back has six seconds', () => {
  const { recovery, clock, done } = setUp()
  recovery.began()
  recovery.update('connecting')
  clock.pass(1000)
  recovery.signalingIsBack(true)
  clock.pass(5900)
  assert.deepEqual(done, [])
  clock.pass(200)
  assert.deepEqual(done, ['restart 7000'])
})

test('a connection that was begun gets fifteen seconds', () => {
  const { recovery, clock, done } = setUp()
  recovery.update('none')
  clock.pass(0)
  recovery.began()
  recovery.update('connecting')
  clock.pass(14_000)
  assert.deepEqual(done, ['renew 0'])
  clock.pass(2000)
  assert.deepEqual(done, ['renew 0', 'restart 15000'])
})

test('a connection closed by the other side is replaced, not restarted', () => {
  const { recovery, clock, done } = setUp()
  recovery.update('gone')
  clock.pass(1500)
  assert.deepEqual(done, ['renew 1000'])
})

test('a connected one begins with short waits again', () => {
  const { recovery, clock, done } = setUp()
  recovery.update('failed')
  clock.pass(10_000)
  recovery.update('connected')
  recovery.update('failed')
  clock.pass(100)
  assert.deepEqual(done, ['restart 0', 'restart 3000', 'restart 9000', 'restart 10000'])
})

test('a disturbance speeds up one that waits, and leaves one alone that is well', () => {
  const { recovery, clock, done } = setUp()
  recovery.disturbed(0)
  clock.pass(10_000)
  assert.deepEqual(done, [])
  recovery.began()
  recovery.disturbed(1000)
  clock.pass(1000)
  assert.deepEqual(done, ['restart 11000'])
})

test('once stopped, it does nothing more', () => {
  const { recovery, clock, done } = setUp()
  recovery.update('failed')
  recovery.stop()
  clock.pass(100_000)
  assert.deepEqual(done, [])
})
