import type { ChannelOptions, Clock } from './options.ts'

/** What is missing is waited for so long, in milliseconds, while so many messages and bytes wait. */
const patience = 1000
const heldLimit = 64
const sizeLimit = 1024 * 1024

interface Held {
  readonly size: number
  readonly deliver: () => void
}

/** The numbers of what one origin sent on one channel, which comes over several ways: each is delivered once, in order. */
export class Order {
  readonly #options: ChannelOptions
  readonly #clock: Clock
  #next = 0 // all before it were had, or are given up
  #leaps = true // the next one that comes is the next one
  #held = new Map<number, Held | null>() // null was delivered already
  #size = 0
  #waits = false

  constructor(options: ChannelOptions, clock: Clock) {
    this.#options = options
    this.#clock = clock
  }

  isNew(n: number): boolean {
    return n >= this.#next && !this.#held.has(n)
  }

  /** Takes note that some may be missing for good: waits for none of those before the next one that comes. */
  leap(): void {
    this.#leaps = true
  }

  /** Takes the message of a number that is new; delivers it now or, where one before it is missing, later. */
  take(n: number, size: number, deliver: () => void): void {
    const { ordered = true, latestOnly } = this.#options
    if ((this.#leaps && this.#held.size === 0) || latestOnly) this.#next = n
    this.#leaps = false
    this.#held.set(n, ordered && !latestOnly ? { size, deliver } : null)
    this.#size += size
    if (!ordered || latestOnly) deliver()
    this.#advance()
    while (this.#held.size > heldLimit || (this.#held.size > 0 && this.#size > sizeLimit)) this.#skip()
    this.#wait()
  }

  #wait(): void {
    if (this.#held.size === 0 || this.#waits) return
    this.#waits = true
    this.#clock.after(patience, () => {
      this.#waits = false
      if (this.#held.size > 0) this.#skip()
      this.#wait()
    })
  }

  #skip(): void {
    this.#next = Math.min(...this.#held.keys())
    this.#advance()
  }

  #advance(): void {
    for (;;) {
      const held = this.#held.get(this.#next)
      if (held === undefined) break
      this.#held.delete(this.#next++)
      if (held !== null) held.deliver()
    }
    this.#size = 0
    for (const held of this.#held.values()) this.#size += held?.size ?? 0
  }
}
