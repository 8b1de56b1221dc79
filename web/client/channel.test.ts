import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Channel, type DataChannel } from './channel.ts'
import { Reassembly } from './framing.ts'

/** A data channel whose buffer the test fills and empties. */
function setUp(latestOnly = false) {
  const sent: Uint8Array[] = []
  const pipe = {
    readyState: 'open', bufferedAmount: 0, bufferedAmountLowThreshold: 0, binaryType: 'blob', refuses: false,
    onopen: null, onclose: null, onmessage: null, onbufferedamountlow: null as (() => void) | null,
    close() {},
    send(data: Uint8Array) {
      if (pipe.refuses) throw new Error('the buffer is full')
      sent.push(data.slice())
    },
  }
  const channel = new Channel(pipe as unknown as DataChannel, { latestOnly }, 1e6, { open() {}, message() {}, heard() {}, dropped() {}, closed() {} })
  const reassembly = new Reassembly(1e6)
  return {
    channel, pipe,
    drain() {
      Object.assign(pipe, { bufferedAmount: 0, refuses: false })
      pipe.onbufferedamountlow?.()
    },
    messages: () => sent.splice(0).flatMap((chunk) => [...(reassembly.take(chunk) ?? [])].join(',') || []),
  }
}

test('an array may be used again at once, whether its message had to wait or not', () => {
  for (const latestOnly of [false, true]) {
    const { channel, pipe, drain, messages } = setUp(latestOnly)
    const bytes = new Uint8Array([1, 2, 3])
    channel.send(bytes)
    bytes.fill(9)
    assert.deepEqual(messages(), ['1,2,3'])
    pipe.bufferedAmount = 2 * 1024 * 1024
    bytes.set([4, 5, 6])
    channel.send(bytes)
    bytes.fill(9)
    drain()
    assert.deepEqual(messages(), ['4,5,6'])
  }
})

test('messages behind an empty one that the browser refused wait as copies, too', () => {
  const { channel, pipe, drain, messages } = setUp()
  pipe.refuses = true
  const bytes = new Uint8Array([1, 2, 3])
  channel.send(new Uint8Array(0))
  for (const value of [1, 2]) {
    bytes.fill(value)
    channel.send(bytes)
  }
  bytes.fill(9)
  assert.equal(channel.buffered, 6)
  drain()
  assert.deepEqual(messages(), ['1,1,1', '2,2,2'])
  assert.equal(channel.buffered, 0)
})
