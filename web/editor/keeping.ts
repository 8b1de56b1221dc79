// Keeps the text in this browser, with y-indexeddb, and knows whether it is really there: on the disk, as far as a page
// can know. What was written in another tab or visit, the document merges.
import { IndexeddbPersistence, storeState } from 'y-indexeddb'
import type * as Y from 'yjs'
import type { Clock } from '../client/index.ts'
import { noteOpened } from './bookcase.ts'
import type { Shelf } from './shelf.ts'

/** How the text is kept: not known yet, all of it, all but the newest, or not, and why. */
export type Kept = { readonly state: 'opening' | 'saved' | 'saving' } | { readonly state: 'unsaved'; readonly why: string }

export interface KeepingOptions {
  readonly doc: Y.Doc
  /** The name of its database, once it is known. */
  readonly database: Promise<string>
  readonly clock: Clock
  /** Where it is noted which texts there are. */
  readonly shelf: Shelf | null
  readonly changed: (kept: Kept) => void
}

const openWithin = 5_000 // ms
const settleAfter = 150 // ms without a change, after which the disk is asked
const mergeAbove = 20 // entries found at the start that are worth making one
const mergeAfter = 2_000 // ms after the start, when there is nothing better to do
const noStorage = 'this browser lets pages keep nothing'
const removed = 'the browser removed what pages keep'
const full = 'there is no room left on this device'

export class Keeping {
  readonly #options: KeepingOptions
  #kept: Kept = { state: 'opening' }
  #persistence: IndexeddbPersistence | null = null
  #changes = 0
  #stopTimer = (): void => {}

  constructor(options: KeepingOptions) {
    this.#options = options
    this.#stopTimer = options.clock.after(openWithin, () => this.#fail(noStorage))
    void this.#open()
  }

  /** Whether changes of this origin came out of the storage. */
  isOrigin(origin: unknown): boolean {
    return origin !== null && origin === this.#persistence
  }

  get kept(): Kept {
    return this.#kept
  }

  async #open(): Promise<void> {
    const { doc, shelf } = this.#options
    let database: string
    try {
      await probe()
      database = await this.#options.database
    } catch {
      this.#fail(noStorage)
      return
    }
    if (this.#kept.state !== 'opening') return // it took too long
    for (const name of noteOpened(shelf, database, Date.now())) indexedDB.deleteDatabase(name)
    const persistence = new IndexeddbPersistence(database, doc)
    this.#persistence = persistence
    // The storage's own listener would throw into whoever edits once the database is gone: ours comes before it.
    doc.off('update', persistence._storeUpdate)
    doc.on('update', this.#store)
    await persistence.whenSynced
    const { db } = persistence
    if (db === null) return
    for (const event of ['abort', 'error', 'close'] as const) {
      db.addEventListener(event, () => this.#fail(event === 'close' ? removed : full))
    }
    addEventListener('unhandledrejection', this.#rejected)
    this.#change({ state: 'saving' })
    this.#ask()
    this.#options.clock.after(mergeAfter, () => {
      if (this.#persistence !== null && persistence._dbsize > mergeAbove) storeState(persistence, true).catch(() => {})
    })
  }

  /** The storage does not look whether what it writes arrives. */
  readonly #rejected = (event: PromiseRejectionEvent): void => {
    if (!/QuotaExceededError|AbortError/.test(String(event.reason))) return
    event.preventDefault()
    this.#fail(full)
  }

  readonly #store = (update: Uint8Array, origin: unknown): void => {
    const persistence = this.#persistence
    if (persistence === null || origin === persistence) return
    try {
      persistence._storeUpdate(update, origin)
    } catch {
      this.#fail(removed)
      return
    }
    this.#changes++
    if (this.#kept.state === 'opening' || this.#kept.state === 'unsaved') return
    this.#change({ state: 'saving' })
    this.#stopTimer()
    this.#stopTimer = this.#options.clock.after(settleAfter, () => this.#ask())
  }

  /** Transactions of one store take turns: once a later one is through, the earlier ones are on the disk. */
  #ask(): void {
    this.#stopTimer()
    const db = this.#persistence?.db
    if (db == null || this.#kept.state !== 'saving') return
    const asked = this.#changes
    try {
      const transaction = db.transaction('updates', 'readonly')
      transaction.objectStore('updates').count()
      transaction.oncomplete = () => {
        if (this.#kept.state === 'saving' && asked === this.#changes) this.#change({ state: 'saved' })
      }
    } catch {
      this.#fail(removed)
    }
  }

  #fail(why: string): void {
    this.#stopTimer()
    this.#options.doc.off('update', this.#store)
    void this.#persistence?.destroy().catch(() => {})
    this.#persistence = null
    this.#change({ state: 'unsaved', why })
  }

  #change(kept: Kept): void {
    if (this.#kept.state === kept.state) return
    this.#kept = kept
    this.#options.changed(kept)
  }
}

/** Fails where the browser keeps no databases, which it does not always say before one is opened. */
function probe(): Promise<void> {
  return new Promise((resolve, reject) => {
    const opening = indexedDB.open('parley.probe')
    opening.onsuccess = () => {
      opening.result.close()
      resolve()
    }
    opening.onerror = opening.onblocked = () => reject(opening.error)
  })
}
