/** When the first polls begin, in milliseconds: they do not wait, since a better link may come any moment. */
const quick = [0, 300, 600, 1000]

/** How long the later ones wait, one after the other as long as nothing comes, in milliseconds. */
const waits = [2000, 5000, 10_000, 25_000]

/** A wait that is not allowed to be so long is none. */
const leastWait = 500

/** After so many waits of the length allowed, twice of it is tried again. */
const uncutWaits = 20

/** Knows when the next poll is due, and how long it may wait. */
export class Rhythm {
  next = 0
  /** Polls without an answer, one after the other. */
  failures = 0
  /** How many of the quick polls are done. */
  done = 0
  /** The longest wait that nothing in the way has cut. */
  limit: number

  #began = 0
  #level = 0 // of waits
  #cut = 0 // what the limit will be if it was a cut, and not the network that is gone
  #uncut = 0

  /** @param limit what was known of the network before */
  constructor(limit: number) {
    this.limit = Math.min(Math.max(limit, leastWait), waits[3]!)
  }

  /** Begins anew; not quickly where nothing better is to be expected. */
  begin(now: number, quickly: boolean): void {
    this.#began = this.next = now
    this.done = quickly ? 0 : quick.length
    this.#level = this.failures = this.#cut = 0
  }

  /** Whether waiting is not allowed at all. */
  get isShort(): boolean {
    return this.limit < leastWait
  }

  /** How long the next poll may wait, in milliseconds. */
  get wait(): number {
    return this.#cut > 0 || this.isShort || this.done < quick.length ? 0 : Math.min(waits[this.#level]!, this.limit)
  }

  /**
   * Takes note of an answer.
   *
   * @param wait how long the poll might wait
   * @param empty whether nothing new came
   * @param took how long it took
   * @param pause until the next one if polls are not to wait
   * @param isShort whether they are not
   */
  answered(now: number, wait: number, empty: boolean, took: number, pause: number, isShort: boolean): void {
    this.failures = 0
    if (this.#cut > 0) this.limit = this.#cut
    this.#cut = 0
    this.next = now
    if (this.done < quick.length) {
      if (++this.done < quick.length) this.next = this.#began + quick[this.done]!
    } else if (isShort || this.isShort || (empty && took < wait / 2)) {
      this.next += Math.max(pause, 50) // in the last case, something in the way answered for the server
    } else if (wait > 0 && empty) {
      this.#level = Math.min(this.#level + 1, waits.length - 1)
      if (wait === this.limit && ++this.#uncut % uncutWaits === 0) this.limit = Math.min(wait * 2, waits[3]!)
    }
  }

  /**
   * Takes note that a poll had no answer of the server's.
   *
   * @param wait how long the poll might wait
   * @param delay until the next one
   */
  failed(now: number, wait: number, delay: number): void {
    // Something in the way did not let it wait so long, if the server answers one that does not wait.
    this.#cut = this.failures++ === 0 ? wait / 2 : 0
    this.next = now + (this.#cut > 0 ? 0 : delay)
  }
}
