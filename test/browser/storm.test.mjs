// Pairs that meet and restart at random moments, many at once in real Chromium.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openPage } from './client-stage.mjs'

/** In a long test a thousand pairs are at it at once. */
const isLong = process.env.PARLEY_LONG === '1'
const [batches, pagesAtOnce, load] = isLong ? [1, 5, { pairs: 200, rounds: 2, patience: 240_000 }] : [2, 1, { pairs: 60, rounds: 4, patience: 60_000 }]

test('of a thousand joins and restarts with random delays none is stuck, and each pair has one connection', { timeout: 300_000 }, async (t) => {
  // The ends of closed connections count against the browser's limit until their page is gone.
  const results = []
  for (let batch = 0; batch < batches; batch++) {
    const pages = await Promise.all(Array.from({ length: pagesAtOnce }, () => openPage({ patience: 280_000 })))
    results.push(...(await Promise.all(pages.map((page) => page.evaluate(joinAndRestart, load)))))
    for (const page of pages) await page.close()
  }
  t.diagnostic(JSON.stringify(results))
  assert.deepEqual(results.flatMap(({ faults }) => faults), [])
})

/** In the page: so many pairs join, and both sides of each restart so many times; returns what went wrong. */
async function joinAndRestart({ pairs: count, rounds, patience }) {
  const began = Date.now()
  const clock = parley.environment().clock
  const faults = []
  let epochs = 1
  /** Two peers that meet each other at different moments, and whose notes take their time and stay in order. */
  const pair = () => {
    const made = []
    class Counted extends RTCPeerConnection {
      constructor(configuration) {
        super(configuration)
        made.push(this)
      }
    }
    const setup = { RTCPeerConnection: Counted, configuration: {}, channels: { text: {} }, maxMessage: 1e6, clock, isPrompt: () => false }
    const ids = ['a', 'b']
    const entries = ids.map((peer) => ({ peer, epoch: epochs++, instance: peer, presence: 'here' }))
    if (Math.random() < 0.5) entries.reverse()
    const sides = [null, null]
    const arrived = []
    const queues = [Promise.resolve(), Promise.resolve()]
    const meet = (side) => {
      const own = entries[side]
      let count = 0
      sides[side] = new parley.RemotePeer(entries[1 - side], {
        clock,
        trust: { keyring: null, hasKey: false, allowUnverified: false, nextSerial: () => ++count },
        relay: null,
        self: () => own,
        epoch: () => own.epoch,
        isLinked: () => true,
        nextCount: () => ++count,
        check() {},
        setup: () => setup,
        changed() {},
        open() {},
        doubted() {},
        message: (peer, channel, data) => arrived.push(parley.text(data)),
        isMeshed: () => false,
        fault: (peer, cause) => faults.push(String(cause)),
        signal: (to, epoch, data) => {
          const copy = structuredClone(data)
          // Signaling tells of a peer before it carries what the peer said.
          queues[side] = queues[side]
            .then(() => parley.sleep(Math.random() * 60))
            .then(() => parley.until('the other side', () => sides[1 - side] !== null))
            .then(() => sides[1 - side].receive(copy))
        },
      })
    }
    for (const side of [0, 1]) setTimeout(() => meet(side), Math.random() * 100)
    return { sides, made, arrived }
  }
  const pairs = Array.from({ length: count }, pair)
  const all = (what, condition) => parley.until(what, () => pairs.every(condition), patience)
  await all('connections', ({ sides }) => sides.every((side) => side?.state === 'connected'))
  const joined = Date.now() - began
  for (let round = 0; round < rounds; round++) {
    for (const { made } of pairs) for (const connection of made) setTimeout(() => connection.restartIce(), Math.random() * 60)
    await parley.sleep(150)
    await all('peace', ({ made }) => made.every(({ signalingState, connectionState }) => signalingState === 'stable' && connectionState === 'connected'))
  }
  for (const { sides } of pairs) for (const side of sides) if (!side.send('text', parley.bytes('here'))) faults.push('it cannot send')
  await all('both messages', ({ arrived }) => arrived.length === 2)
  for (const { made } of pairs) if (made.length !== 2) faults.push(`${made.length} ends of one connection`)
  return { faults, joined, took: Date.now() - began }
}
