import { isFields, isSeconds } from './frames.ts'
import { linkKinds, type LinkKind } from './link.ts'

interface Known {
  /** The kind of link that won. */
  readonly via?: LinkKind
  /** The longest wait of a poll, in milliseconds. */
  readonly limit?: number
}

/** What is known of the way to a server from here, kept for the next page where that is allowed. */
export class Memory {
  #known: Known = {}
  readonly #server: string
  readonly #isKept: boolean

  constructor(server: string, isKept: boolean) {
    this.#server = server
    this.#isKept = isKept
    try {
      const value: unknown = isKept ? JSON.parse(localStorage.getItem(this.#key) ?? '') : null
      if (!isFields(value)) return
      const via = linkKinds.find((kind) => kind === value.via)
      this.#known = { ...(via && { via }), ...(isSeconds(value.limit) && { limit: value.limit }) }
    } catch {
      // There is none, or it may not be used.
    }
  }

  get known(): Known {
    return this.#known
  }

  keep(via: LinkKind, limit: number): void {
    if (this.#known.via === via && this.#known.limit === limit) return
    this.#known = { via, limit }
    try {
      if (this.#isKept) localStorage.setItem(this.#key, JSON.stringify(this.#known))
    } catch {
      // Then the next page finds out by itself.
    }
  }

  /** Each kind of network has a memory of its own, as far as the browser tells. */
  get #key(): string {
    const { connection } = navigator as { connection?: { type?: string; effectiveType?: string } }
    return `parley link ${this.#server} ${connection?.type ?? connection?.effectiveType ?? ''}`
  }
}
