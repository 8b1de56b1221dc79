import type { Json } from './json.ts'

/** Who somebody is to the others; in a change, an empty name or a null meta takes it away. */
export interface Who {
  readonly name?: string
  readonly meta?: Json
}

/** How many changes may be taken back: a refusal comes long before so many others were asked for. */
const changeLimit = 64

/** Who somebody is after a change. */
export function changed(who: Who, change: Who): Who {
  const { name = '', meta = null } = { ...who, ...change }
  return { ...(name !== '' && { name }), ...(meta !== null && { meta }) }
}

/** The change that makes the one out of the other; null when they are the same. */
export function changeBetween(before: Who, after: Who): Who | null {
  const { name = '', meta = null } = after
  const change = {
    ...(name !== (before.name ?? '') && { name }),
    ...(JSON.stringify(meta) !== JSON.stringify(before.meta ?? null) && { meta }),
  }
  return Object.keys(change).length === 0 ? null : change
}

/** Who this side is: what its join said, and the changes since, each of which may be refused yet. */
export class OwnWho {
  #base: Who
  #changes: { readonly n: number; readonly change: Who }[] = []

  constructor(who: Who) {
    this.#base = changed({}, who)
  }

  get now(): Who {
    return this.#changes.reduce((who, { change }) => changed(who, change), this.#base)
  }

  /** Takes note of a change that no server was told. */
  set(change: Who): void {
    this.#base = changed(this.now, change)
    this.#changes = []
  }

  /** Takes note of a change that the server was told in uplink frame `n`. */
  asked(n: number, change: Who): void {
    this.#changes.push({ n, change })
    if (this.#changes.length > changeLimit) this.#base = changed(this.#base, this.#changes.shift()?.change ?? {})
  }

  /** Takes a change back whose frame was refused, and returns it; null when it was none. */
  refused(n: number): Who | null {
    const at = this.#changes.findIndex((change) => change.n === n)
    return at < 0 ? null : (this.#changes.splice(at, 1)[0]?.change ?? null)
  }

  /** Takes note of a join: what it said, and the name by the server's word. Returns what was changed since it was sent. */
  joined(said: Who, name: string | undefined): Who | null {
    const since = changeBetween(said, this.now)
    this.#base = changed(said, name === undefined ? {} : { name })
    this.#changes = []
    return since
  }
}
