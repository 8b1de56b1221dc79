/** How many pages may hold a request open at one server, of the six connections that HTTP/1.1 gives all pages of a browser. */
const seats = [0, 1, 2]

/**
 * A place for requests that stay open, which the pages of a browser share by Web Locks. Where there are no such locks,
 * or there is no page, everybody has one.
 */
export class Seat {
  isTaken: boolean
  readonly #name: string
  readonly #taken: () => void
  #leave: (() => void) | null = null

  constructor(server: string, isNeeded: boolean, taken: () => void) {
    this.#name = `parley ${server} `
    this.#taken = taken
    this.isTaken = !isNeeded || typeof document === 'undefined' || navigator.locks === undefined
  }

  /** Asks for one, and waits in line. */
  ask(): void {
    if (this.isTaken || this.#leave !== null) return
    const abort = new AbortController()
    this.#leave = () => abort.abort()
    const take = () =>
      this.isTaken || abort.signal.aborted
        ? undefined
        : new Promise<void>((free) => {
            this.isTaken = true
            this.#leave = free
            abort.abort() // the others
            this.#taken()
          })
    for (const seat of seats) navigator.locks.request(this.#name + seat, { signal: abort.signal }, take).catch(() => {})
  }

  leave(): void {
    if (this.#leave === null) return
    this.isTaken = false
    this.#leave()
    this.#leave = null
  }
}
