import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { codes, retryOf } from './codes.ts'
import { SignalError } from './errors.ts'
import { vectors } from './testing/vectors.ts'

interface Row {
  code: string
  close: number
  retry: string
}

const table = join(vectors, 'codes.json')

test('the codes are those of the protocol', { skip: !existsSync(table) && 'no vectors' }, () => {
  const rows = JSON.parse(readFileSync(table, 'utf8')) as Row[]
  assert.deepEqual(codes, Object.fromEntries(rows.map(({ code, close }) => [code, close])))
  for (const { code, retry } of rows) assert.equal(new SignalError(code, '').retry, retry, code)
})

test('the hundreds of a close code say what to do', () => {
  assert.equal(retryOf(4003), 'never')
  assert.equal(retryOf(4199), 'rejoin')
  assert.equal(retryOf(4200), 'resume')
})

test('a close code from elsewhere means that the connection broke', () => {
  for (const code of [1000, 1001, 1006, 1011, 1012, 4900]) assert.equal(retryOf(code), 'resume')
})

test('a code that only a newer server knows can be told what to do by its own close code', () => {
  assert.equal(new SignalError('new_thing', '', 'never').retry, 'never')
  assert.equal(new SignalError('new_thing', '').retry, 'resume')
})
