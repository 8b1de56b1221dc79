import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ChannelOptions } from './options.ts'
import { Order } from './order.ts'
import { StillClock } from './testing/clock.ts'

/** Takes these numbers, where a text is a wait; returns those that were delivered. */
function delivered(options: ChannelOptions, numbers: readonly (number | 'wait' | 'leap')[], size = 1): number[] {
  const clock = new StillClock()
  const order = new Order(options, clock)
  const got: number[] = []
  for (const n of numbers) {
    if (n === 'wait') clock.pass(1000)
    else if (n === 'leap') order.leap()
    else if (order.isNew(n)) order.take(n, size, () => got.push(n))
  }
  return got
}

const cases: Record<string, [ChannelOptions, (number | 'wait' | 'leap')[], number[], number?]> = {
  'each is delivered once': [{}, [1, 1, 2, 1, 2, 3], [1, 2, 3]],
  'the first one sets where to begin': [{}, [7, 6, 8], [7, 8]],
  'what is early waits for what is missing': [{}, [1, 3, 4, 3, 2, 5], [1, 2, 3, 4, 5]],
  'what stays missing is skipped after a second, and dropped when it comes': [{}, [1, 3, 'wait', 2, 4], [1, 3, 4]],
  'after each gap is waited anew': [{}, [1, 3, 5, 'wait', 'wait', 6], [1, 3, 5, 6]],
  'no more than 64 wait': [{}, [1, ...Array.from({ length: 65 }, (_, i) => i + 3)], [1, ...Array.from({ length: 65 }, (_, i) => i + 3)]],
  'no more than a mebibyte waits': [{}, [1, 3, 4], [1, 3, 4], 600_000],
  'after a time alone nothing is waited for, and what was had stays so': [{}, [1, 2, 'leap', 2, 9, 8, 10], [1, 2, 9, 10]],
  'without an order all come at once': [{ ordered: false }, [1, 3, 2, 3, 4], [1, 3, 2, 4]],
  'only the latest': [{ latestOnly: true, ordered: false }, [1, 3, 2, 5, 4], [1, 3, 5]],
  'the greatest number is one': [{}, [2 ** 32 - 1, 0], [2 ** 32 - 1]],
}

for (const [says, [options, numbers, expected, size]] of Object.entries(cases)) {
  test(says, () => assert.deepEqual(delivered(options, numbers, size), expected))
}
