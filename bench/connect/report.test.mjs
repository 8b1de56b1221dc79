import assert from 'node:assert/strict'
import { test } from 'node:test'
import { median, table } from './report.mjs'

test('a median of an even count is the mean of the two in the middle', () => {
  assert.equal(median([9, 1, 3, 5]), 4)
  assert.equal(median([9, 1, 3]), 3)
})

test('the table says what never came, and how many pairs are missing', () => {
  const results = {
    size: 10,
    pair: { a: [100, 140, 120], b: [null, 200, null] },
    crowd: { a: [{ took: 1500, missing: 0 }], b: [{ took: 900, missing: 2 }, { took: 4000, missing: 0 }] },
    refused: { a: [300, 310], b: [null, null] },
    hanging: {},
  }
  assert.equal(
    table(results, ['a', 'absent', 'b']),
    `| | a | b |
|---|---|---|
| second page opened → its first message at the first page | 120 ms | 200 ms (× 1.67) (never in 2 of 3) |
| 10 pages opened at once → all 45 pairs connected | 1.5 s | 4.0 s (× 2.67) (pairs missing in 1 of 2) |
| the same pair, WebSockets refused | 2 of 2, 305 ms | 0 of 2 |`,
  )
})
