import type { Clock } from '../../client/index.ts'

/** A clock that a test moves on by hand. */
export class ManualClock implements Clock {
  #now = 0
  #next = 0
  readonly #waiting = new Map<number, { at: number; call: () => void }>()

  now(): number {
    return this.#now
  }

  after(delay: number, call: () => void): () => void {
    const id = this.#next++
    this.#waiting.set(id, { at: this.#now + Math.max(0, delay), call })
    return () => this.#waiting.delete(id)
  }

  /** Lets this many milliseconds pass, with everything that happens meanwhile. */
  async pass(duration: number): Promise<void> {
    const end = this.#now + duration
    for (;;) {
      await settled()
      const due = [...this.#waiting].filter(([, { at }]) => at <= end).sort(([a, x], [b, y]) => x.at - y.at || a - b)[0]
      if (due === undefined) break
      const [id, { at, call }] = due
      this.#waiting.delete(id)
      this.#now = at
      call()
    }
    this.#now = end
  }
}

/** Lets what is queued as microtasks run, however long the chain. */
async function settled(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve))
}

/** Numbers from 0 to below 1 that are the same for the same seed. */
export function seeded(seed: number): () => number {
  let state = (seed * 2_654_435_761) >>> 0 || 1
  return () => {
    state ^= state << 13 // an xorshift generator
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) / 2 ** 32
  }
}
