// Following somebody: the text scrolls with their caret, until one writes or moves about oneself.
import type { Extension } from '@codemirror/state'
import { EditorView } from '@codemirror/view'

/** What ends following: an own wish, which the keys, the wheel and the pointer tell. */
const ownWill = ['wheel', 'touchmove', 'pointerdown', 'keydown', 'paste', 'drop'] as const
const modifiers = new Set(['Shift', 'Control', 'Alt', 'Meta', 'CapsLock'])

export class Follower {
  readonly extension: Extension
  readonly #headOf: (view: EditorView, client: number) => number | null
  readonly #stopped: () => void
  #client: number | null = null
  #shown: number | null = null

  /** `headOf` finds somebody's caret; `stopped` is told when following ends by itself. */
  constructor(headOf: (view: EditorView, client: number) => number | null, stopped: () => void) {
    this.#headOf = headOf
    this.#stopped = stopped
    this.extension = EditorView.updateListener.of(({ view }) => this.#look(view))
  }

  /** Listens for what ends following. */
  watch(view: EditorView): void {
    const own = (event: Event): void => {
      if (this.#client === null || (event instanceof KeyboardEvent && modifiers.has(event.key))) return
      this.#client = null
      this.#stopped()
    }
    for (const kind of ownWill) view.scrollDOM.addEventListener(kind, own, { capture: true, passive: true })
  }

  /** Follows whoever speaks for this document client, or nobody. */
  follow(view: EditorView, client: number | null): void {
    this.#client = client
    this.#shown = null
    this.#look(view)
  }

  #look(view: EditorView): void {
    if (this.#client === null) return
    const head = this.#headOf(view, this.#client)
    if (head === null || head === this.#shown) return
    this.#shown = head
    // Not in the midst of an update.
    queueMicrotask(() => {
      const at = Math.min(head, view.state.doc.length)
      if (this.#client !== null) view.dispatch({ effects: EditorView.scrollIntoView(at, { y: 'center' }) })
    })
  }
}
