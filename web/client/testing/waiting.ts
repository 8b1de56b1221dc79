import { setTimeout as sleep } from 'node:timers/promises'

/** Waits until the condition holds; says what it waited for if it never does. */
export async function until(what: string, condition: () => boolean, milliseconds = 15_000): Promise<void> {
  const end = Date.now() + milliseconds
  while (!condition()) {
    if (Date.now() > end) throw new Error(`waited ${milliseconds} ms in vain: ${what}`)
    await sleep(5)
  }
}
