import assert from 'node:assert/strict'
import { test } from 'node:test'
import { IceRenewal, type IceGrant } from './ice-renewal.ts'
import { StillClock } from './testing/clock.ts'

/** A renewal on a clock of its own, and when it asked and renewed, in seconds from the start. */
function setUp(answers: (IceGrant | null)[]) {
  const clock = new StillClock()
  const start = clock.now()
  const done: string[] = []
  const note = (what: string) => done.push(`${what} ${(clock.now() - start) / 1000}`)
  const fetch = () => {
    note('ask')
    const grant = answers.shift() ?? null
    return grant === null ? Promise.reject(new Error('no answer')) : Promise.resolve(grant)
  }
  const renewal = new IceRenewal(clock, fetch, (servers) => note(`renew ${String(servers[0]?.urls)}`))
  /** Lets seconds pass one by one, with what was asked being answered. */
  const pass = async (seconds: number) => {
    for (let i = 0; i < seconds; i++) {
      clock.pass(1000)
      await new Promise(setImmediate)
    }
  }
  return { renewal, done, pass }
}

const grant = (urls: string, ttl: number): IceGrant => ({ iceServers: [{ urls }], ttl })

test('servers are asked for when four fifths of their life are over, and again for the next', async () => {
  const { renewal, done, pass } = setUp([grant('stun:b', 50), grant('stun:c', 0)])
  renewal.after(100)
  await pass(1000)
  assert.deepEqual(done, ['ask 80', 'renew stun:b 80', 'ask 120', 'renew stun:c 120'])
})

test('what the server sends in time puts it off', async () => {
  const { renewal, done, pass } = setUp([])
  renewal.after(100)
  for (let i = 0; i < 10; i++) {
    await pass(50)
    renewal.after(100)
  }
  assert.deepEqual(done, [])
})

test('without an answer it asks again soon, and not at all once stopped', async () => {
  const { renewal, done, pass } = setUp([null, null, grant('stun:b', 100)])
  renewal.after(100)
  await pass(100)
  assert.deepEqual(done, ['ask 80', 'ask 90', 'ask 94', 'renew stun:b 94'])
  renewal.stop()
  await pass(1000)
  assert.equal(done.length, 4)
})

test('servers that do not expire are kept', async () => {
  const { renewal, done, pass } = setUp([])
  renewal.after(0)
  await pass(1000)
  assert.deepEqual(done, [])
})
