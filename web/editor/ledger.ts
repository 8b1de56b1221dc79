// The signed edits that a reader has seen. A reader cannot sign, so this is all that it can tell others: what it has
// saved, or pieced together, would prove nothing to them.
import * as Y from 'yjs'
import type { Edit } from './edit.ts'

const small = 2_048 // bytes below which an edit's deletions are told again rather than reasoned about
const crowded = 300 // edits above which a writer is asked for one that says the same

interface Entry {
  readonly edit: Edit
  /** Behind its last insertion, by client. */
  readonly to: ReadonlyMap<number, number>
  readonly deletes: boolean
}

export class Ledger {
  #entries = new Map<string, Entry>() // by origin and number, since peers tell again what they told
  #asked = 0 // how many there were when a writer was last asked

  get size(): number {
    return this.#entries.size
  }

  /** Whether it is time to ask for all of the text in one edit. */
  get isCrowded(): boolean {
    return this.size > crowded && this.size > this.#asked * 1.5
  }

  asked(): void {
    this.#asked = this.size
  }

  /** Takes in an edit whose signature is good, and lets go of those that say nothing beside it. */
  add(edit: Edit): void {
    const name = `${edit.origin} ${edit.number}`
    if (this.#entries.has(name)) return
    const { from, to } = Y.parseUpdateMeta(edit.update)
    const mayBeWhole = this.size > 0 && [...from.values()].every((start) => start === 0) && [...to].length > 0
    if (mayBeWhole && this.#isCovering(to)) this.#forgetCovered(edit)
    this.#entries.set(name, { edit, to, deletes: Y.decodeUpdate(edit.update).ds.clients.size > 0 })
  }

  /** Whether an edit inserts, for most of what is here, as much or more. */
  #isCovering(to: ReadonlyMap<number, number>): boolean {
    const covered = [...this.#entries.values()].filter((entry) => [...entry.to].every(([client, end]) => end <= (to.get(client) ?? 0)))
    return covered.length * 2 > this.size
  }

  #forgetCovered(edit: Edit): void {
    const scratch = new Y.Doc()
    Y.applyUpdate(scratch, edit.update)
    let said = false
    scratch.on('update', () => (said = true))
    for (const [name, entry] of this.#entries) {
      said = false
      Y.applyUpdate(scratch, entry.edit.update)
      if (!said && scratch.store.pendingStructs === null && scratch.store.pendingDs === null) this.#entries.delete(name)
    }
    scratch.destroy()
    this.#asked = 0
  }

  /** The edits that somebody lacks who has this, as far as a state vector tells. */
  missing(vector: Uint8Array): Edit[] {
    const theirs = Y.decodeStateVector(vector)
    const entries = [...this.#entries.values()]
    const inserting = entries.filter(({ to }) => [...to].some(([client, end]) => end > (theirs.get(client) ?? 0)))
    const told = new Set(inserting)
    // Deletions do not show in a state vector. Large edits are told for their sake only if nothing else is missing.
    const rest = entries.filter((entry) => !told.has(entry) && entry.deletes && (inserting.length === 0 || entry.edit.update.length < small))
    return [...inserting, ...rest].map(({ edit }) => edit)
  }
}
