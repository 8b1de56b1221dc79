import assert from 'node:assert/strict'
import { test } from 'node:test'
import { StillClock } from './testing/clock.ts'
import { askToken } from './token.ts'

test('a token is given at once or later, or there is none', async () => {
  const clock = new StillClock()
  assert.equal(await askToken(() => 'a', clock), 'a')
  assert.equal(await askToken(() => Promise.resolve('b'), clock), 'b')
  assert.equal(await askToken(undefined, clock), undefined)
  clock.pass(20_000) // nothing is left that could go off
})

test('a token that never comes is given up after ten seconds, and may be asked for again', async () => {
  const clock = new StillClock()
  const asked = askToken(() => new Promise<string>(() => {}), clock)
  let over = false
  asked.catch(() => {}).finally(() => (over = true))
  clock.pass(9_999)
  await new Promise(setImmediate)
  assert.equal(over, false)
  clock.pass(1)
  await assert.rejects(asked, { code: 'token', retry: 'resume', message: 'the app gave no token within 10 s' })
})

test('an app that fails to give a token is not taken for a server that cannot be reached', async () => {
  const fails = () => Promise.reject(new Error('signed out'))
  await assert.rejects(askToken(fails, new StillClock()), { code: 'token', retry: 'resume', message: /signed out/ })
})
