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
    measured: (...sample) => measured.push(sample),
  })
  return { pulse, clock, pipe, sent, measured, hear: (hex: string) => pipe.onmessage?.({ data: Uint8Array.from(Buffer.from(hex, 'hex')).buffer }) }
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
