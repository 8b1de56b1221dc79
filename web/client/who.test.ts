import assert from 'node:assert/strict'
import { test } from 'node:test'
import { changeBetween, OwnWho } from './who.ts'

test('a change says only what is different, and what was taken away', () => {
  assert.deepEqual(changeBetween({ name: 'Ada', meta: { a: 1 } }, { name: 'Ada', meta: { a: 1 } }), null)
  assert.deepEqual(changeBetween({ name: 'Ada', meta: { a: 1 } }, { name: 'Ada', meta: { a: 2 } }), { meta: { a: 2 } })
  assert.deepEqual(changeBetween({ name: 'Ada', meta: 1 }, {}), { name: '', meta: null })
})

test('a refused change is taken back, those before and after it are not', () => {
  const who = new OwnWho({ name: 'Ada', meta: 1 })
  who.asked(1, { meta: 2 })
  who.asked(2, { name: 'Eve' })
  who.asked(3, { meta: 3 })
  assert.deepEqual(who.now, { name: 'Eve', meta: 3 })
  assert.deepEqual(who.refused(2), { name: 'Eve' })
  assert.deepEqual(who.now, { name: 'Ada', meta: 3 })
  assert.equal(who.refused(2), null)
  who.asked(4, { name: '', meta: null })
  assert.deepEqual(who.now, {})
})

test('the name is what the server says at a join, and what was changed since it was sent is said', () => {
  const who = new OwnWho({ name: 'Ada' })
  assert.equal(who.joined({ name: 'Ada' }, 'Ada Lovelace'), null)
  assert.deepEqual(who.now, { name: 'Ada Lovelace' })
  who.set({ meta: 7 })
  assert.deepEqual(who.joined({ name: 'Ada Lovelace' }, undefined), { meta: 7 })
  assert.deepEqual(who.now, { name: 'Ada Lovelace' })
})

test('of very many changes the last are remembered', () => {
  const who = new OwnWho({})
  for (let n = 1; n <= 1000; n++) who.asked(n, { meta: n })
  assert.deepEqual(who.now, { meta: 1000 })
  assert.equal(who.refused(900), null)
  who.refused(1000)
  assert.deepEqual(who.now, { meta: 999 })
})
