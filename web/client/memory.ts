import { linkKinds, type LinkKind } from './link.ts'

/** What is known of the way to a server from here, kept for the next page where that is allowed. */
export class Memory {
  /** The kind of link that won; null when nothing is known. */
  via: LinkKind | null = null
  /** The longest wait of a poll, in milliseconds. */
  limit = Infinity

  readonly #server: string
  readonly #isKept: boolean

  constructor(server: string, isKept: boolean) {
    this.#server = server
    this.#isKept = isKept
    try {
      const [via, limit] = (isKept && localStorage.getItem(this.#key)?.split(' ')) || []
      this.via = linkKinds.find((kind) => kind === via) ?? null
      this.limit = Number(limit) || Infinity
    } catch {
      // There is none, or it may not be used.
    }
  }

  keep(via: LinkKind, limit: number): void {
    if (this.via === via && this.limit === limit) return
    this.via = via
    this.limit = limit
    try {
      if (this.#isKept) localStorage.setItem(this.#key, `${via} ${limit}`)
    } catch {
      // Then the next page finds out by itself.
    }
  }

  /** Each kind of network has a memory of its own, as far as the browser tells. */
  get #key(): string {
    const { connection } = navigator as { connection?: { type?: string; effectiveType?: string } }
    return `parley link ${this.#server} ${connection?.type ?? connection?.effectiveType}`
  }
}
