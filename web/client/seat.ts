/** How many pages may hold a request open at one server, of the six connections that HTTP/1.1 gives all pages of a browser. */
const seats = 3

/** Until one is asked for again, in milliseconds. */
const again = 5000

/**
 * A place for requests that stay open, which the pages of a browser share by Web Locks. Where there are no such locks,
 * or there is no page, everybody has one.
 */
export class Seat {
  /** Whether all are taken by others. */
  isDenied = false

  readonly #server: string
  readonly #isNeeded: boolean
  #askAt = 0
  #leave: (() => void) | null = null
  #turn = 0 // rises when what is asked for is no longer wanted

  constructor(server: string, isNeeded: boolean) {
    this.#server = server
    this.#isNeeded = isNeeded && typeof document !== 'undefined' && navigator.locks !== undefined
  }

  get isTaken(): boolean {
    return !this.#isNeeded || this.#leave !== null
  }

  /** Asks for one, if it is time, and calls `answered`; returns when it will be time again. */
  ask(now: number, answered: () => void): number {
    if (this.isTaken) return Infinity
    if (now < this.#askAt) return this.#askAt
    const turn = ++this.#turn
    void this.#take().then((leave) => {
      if (turn !== this.#turn) return leave?.()
      this.#leave = leave
      this.isDenied = leave === null
      answered()
    })
    return (this.#askAt = now + again)
  }

  leave(): void {
    this.#turn++
    this.#askAt = 0
    this.#leave?.()
    this.#leave = null
  }

  async #take(): Promise<(() => void) | null> {
    for (let i = 0; i < seats; i++) {
      const leave = await new Promise<(() => void) | null>((resolve) => {
        const take = (lock: Lock | null) => (lock === null ? resolve(null) : new Promise<void>((free) => resolve(free)))
        navigator.locks.request(`parley ${this.#server} ${i}`, { ifAvailable: true }, take).catch(() => resolve(() => {}))
      })
      if (leave !== null) return leave
    }
    return null
  }
}
