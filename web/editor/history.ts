// Undo and redo of one's own edits only, which puts the caret back where it was.
import type { Extension } from '@codemirror/state'
import { EditorView, keymap } from '@codemirror/view'
import * as Y from 'yjs'
import { cursorAt, spanOf, type Cursor } from './cursor.ts'

export interface HistoryState {
  readonly canUndo: boolean
  readonly canRedo: boolean
}

export class History {
  readonly extension: Extension
  readonly #text: Y.Text
  readonly #manager: Y.UndoManager
  #view: EditorView | null = null
  #before: Cursor | null = null // where the selection was when the text was last as it is
  #turning = false // an undo or redo is under way: what was before it counts

  /** `origin` marks the changes that were made here. */
  constructor(text: Y.Text, origin: unknown, changed: (state: HistoryState) => void) {
    this.#text = text
    const manager = (this.#manager = new Y.UndoManager(text, { trackedOrigins: new Set([origin]) }))
    manager.on('stack-item-added', ({ stackItem }) => {
      if (this.#before !== null && !stackItem.meta.has(this)) stackItem.meta.set(this, this.#before)
    })
    manager.on('stack-item-popped', ({ stackItem }) => this.#restore(stackItem.meta.get(this)))
    let shown: HistoryState | null = null
    const tell = (): void => {
      const state = { canUndo: manager.undoStack.length > 0, canRedo: manager.redoStack.length > 0 }
      if (state.canUndo !== shown?.canUndo || state.canRedo !== shown.canRedo) changed((shown = state))
    }
    for (const event of ['stack-item-added', 'stack-item-popped', 'stack-cleared'] as const) manager.on(event, tell)
    const undo = (): boolean => this.undo()
    const redo = (): boolean => this.redo()
    this.extension = [
      keymap.of([
        { key: 'Mod-z', run: undo, preventDefault: true },
        { key: 'Mod-y', mac: 'Mod-Shift-z', run: redo, preventDefault: true },
        { key: 'Mod-Shift-z', run: redo, preventDefault: true },
      ]),
      EditorView.domEventHandlers({
        beforeinput: ({ inputType }) => (inputType === 'historyUndo' ? undo() : inputType === 'historyRedo' && redo()), // menus and gestures
      }),
      EditorView.updateListener.of(({ view, state, selectionSet, docChanged }) => {
        this.#view = view
        if (!this.#turning && (selectionSet || docChanged || this.#before === null)) this.#before = cursorAt(text, state.selection.main)
      }),
    ]
    tell()
  }

  undo(): boolean {
    return this.#turn(() => this.#manager.undo())
  }

  redo(): boolean {
    return this.#turn(() => this.#manager.redo())
  }

  #turn(run: () => void): true {
    this.#turning = true
    try {
      run()
    } finally {
      this.#turning = false
    }
    const { main } = this.#view?.state.selection ?? {}
    if (main !== undefined) this.#before = cursorAt(this.#text, main)
    return true
  }

  #restore(cursor: unknown): void {
    const span = spanOf(this.#text, cursor)
    if (span === null || span === 'unknown' || this.#view === null) return
    this.#view.dispatch({ selection: span, scrollIntoView: true })
  }
}
