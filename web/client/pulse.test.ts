import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { DataChannel } from './channel.ts'
import { Pulse } from './pulse.ts'
import { StillClock } from './testing/clock.ts'
import { peers } from './testing/vectors.ts'

/** A pulse over a channel whose messages the test sees and makes. */
function setUp() {
  const sent: string[] = []
  const measured: [rtt: number, relayed: boolean][] = []
  let doubts = 0
  const clock = new StillClock()
  const pipe = {
    readyState: 'open',
    onopen: null as (() => void) | null,
    onmessage: null as ((event: { data: unknown }) => void) | null,
    close() {},
    send: (data: Uint8Array) => void sent.push(Buffer.from(data).toString('hex')),
  }
  const nothing = () => {}
  const pulse = new Pulse(pipe as unknown as DataChannel, clock, {
    open: nothing, changed: nothing, tick: nothing, closed: nothing,
    doubted: () => doubts++,
    measured: (...sample) => measured.push(sample),
  })
  return { doubts: () => doubts, pulse, clock, pipe, sent, measured, hear: (hex: string) => pipe.onmessage?.({ data: Uint8Array.from(Buffer.from(hex, 'hex')).buffer }) }
}

test('a ping is answered with its own time, and with where this end is', () => {
  for (const ping of peers.pulse.filter(({ kind }) => kind === 'ping')) {
    for (const relayed of [false, true]) {
      const { pulse, sent, hear } = setUp()
      pulse.relayed = relayed
      hear(ping.hex)
      assert.deepEqual(sent, [`01${relayed ? '01' : '00'}${ping.hex.slice(4)}`])
    }
  }
})

test('a pong tells the round trip, unless it is of no ping', () => {
  const { clock, pipe, sent, measured, hear } = setUp()
  pipe.onopen?.()
  clock.pass(25)
  hear(sent[0]!.replace(/^0000/, '0101'))
  for (const { kind, hex } of peers.pulse) if (kind === 'pong') hear(hex)
  hear('01')
  hear(`07${sent[0]!.slice(2)}`)
  assert.deepEqual(measured, [[25, true]])
})

test('a ping that has no answer in a second, or in four round trips, is a cause for doubt, once until something is heard', () => {
  for (const [trip, patience] of [[0, 1000], [200, 1000], [600, 2400]] as const) {
    const { pulse, clock, sent, hear, doubts } = setUp()
    pulse.ask()
    clock.pass(trip)
    hear(sent[0]!.replace(/^0000/, '0100'))
    pulse.ask()
    clock.pass(patience - 1)
    assert.equal(doubts(), 0)
    clock.pass(1)
    assert.equal(doubts(), 1)
    pulse.ask()
    clock.pass(10_000)
    assert.equal(doubts(), 1)
    pulse.heard()
    pulse.ask()
    clock.pass(patience)
    assert.equal(doubts(), 2)
  }
})

test('whoever asks for a sign of life can be told in place of others that there is none, now or later', () => {
  const { pulse, clock, doubts } = setUp()
  let told = 0
  pulse.ask(() => told++)
  pulse.ask()
  clock.pass(1000)
  assert.deepEqual([told, doubts()], [1, 0])
  pulse.ask(() => told++)
  assert.equal(told, 2)
  pulse.heard()
  pulse.ask(() => told++)
  pulse.heard()
  clock.pass(10_000)
  assert.deepEqual([told, doubts()], [2, 0])
})

test('while messages are sent, the peer is asked twice a second', () => {
  const { pulse, clock, sent } = setUp()
  for (let i = 0; i < 100; i++) {
    pulse.sent()
    pulse.heard()
    clock.pass(20)
  }
  assert.equal(sent.length, 4)
})
