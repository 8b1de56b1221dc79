// The text itself: CodeMirror bound to a yjs text, with the others' carets, and an undo that takes back one's own edits only.
import { Compartment, EditorState, type Extension } from '@codemirror/state'
import { EditorView, highlightSpecialChars, keymap, lineNumbers, placeholder } from '@codemirror/view'
import { ySync, ySyncFacet, YSyncConfig } from 'y-codemirror.next'
import type { Awareness } from 'y-protocols/awareness'
import type * as Y from 'yjs'
import type { Clock } from '../client/index.ts'
import { carets } from './carets.ts'
import { Follower } from './follow.ts'
import { highlighting } from './highlighting.ts'
import { History, type HistoryState } from './history.ts'
import { keys } from './keys.ts'

export interface EditorOptions {
  readonly parent: HTMLElement
  readonly text: Y.Text
  readonly awareness: Awareness
  readonly clock: Clock
  readonly lineNumbers: boolean
  readonly readOnly: boolean
  /** Shown while there is no text. */
  readonly placeholder: HTMLElement
  /** Called with the text's size after each change, whoever made it. */
  readonly resized: (size: { characters: number; lines: number }) => void
  /** Called when what can be undone or redone changed, and at first. */
  readonly historyChanged: (state: HistoryState) => void
  /** Called when following somebody ended because one moved about or wrote oneself. */
  readonly unfollowed: () => void
}

export class Editor {
  readonly #view: EditorView
  readonly #text: Y.Text
  readonly #history: History
  readonly #follower: Follower
  readonly #numbers = new Compartment()

  constructor(options: EditorOptions) {
    const { parent, text, awareness, clock, readOnly, resized } = options
    const binding = new YSyncConfig(text, awareness)
    const others = carets(text, awareness, clock)
    this.#text = text
    this.#history = new History(text, binding, options.historyChanged)
    this.#follower = new Follower(others.headOf, options.unfollowed)
    const extensions: Extension[] = [
      this.#numbers.of(options.lineNumbers ? lineNumbers() : []),
      // Only \n ends a line, as in the shared text: offsets here and there are the same whatever anybody puts in.
      EditorState.lineSeparator.of('\n'),
      EditorState.readOnly.of(readOnly),
      EditorView.clipboardInputFilter.of((pasted) => pasted.replace(/\r\n?/g, '\n')),
      EditorView.lineWrapping,
      highlightSpecialChars(),
      placeholder(options.placeholder),
      this.#history.extension,
      keymap.of([...keys]),
      ySyncFacet.of(binding),
      ySync,
      others.extension,
      this.#follower.extension,
      highlighting,
      EditorView.contentAttributes.of({
        'aria-label': 'Shared text',
        'aria-describedby': 'editor-help',
        autocapitalize: 'sentences',
        spellcheck: 'true',
        // A caret and its keys are there for readers, too, but no keyboard comes up on a phone.
        ...(readOnly ? { 'aria-readonly': 'true', inputmode: 'none' } : {}),
      }),
      EditorView.updateListener.of(({ docChanged, state }) => {
        if (docChanged) resized({ characters: state.doc.length, lines: state.doc.lines })
      }),
      theme,
    ]
    this.#view = new EditorView({ parent, state: EditorState.create({ doc: text.toString(), extensions }) })
    this.#view.scrollDOM.addEventListener('mousedown', this.#beside)
    this.#follower.watch(this.#view)
  }

  get text(): string {
    return this.#text.toString()
  }

  undo(): void {
    this.#history.undo()
    this.focus()
  }

  redo(): void {
    this.#history.redo()
    this.focus()
  }

  /** Scrolls with the caret of whoever speaks for this document client, or of nobody. */
  follow(client: number | null): void {
    this.#follower.follow(this.#view, client)
  }

  focus(): void {
    this.#view.focus()
  }

  showLineNumbers(shown: boolean): void {
    this.#view.dispatch({ effects: this.#numbers.reconfigure(shown ? lineNumbers() : []) })
  }

  /** A press on the margin beside the text puts the caret into its line. */
  readonly #beside = (event: MouseEvent): void => {
    if (event.target !== this.#view.scrollDOM || event.button !== 0) return
    if (event.offsetX >= this.#view.scrollDOM.clientWidth) return // the scroll bar
    event.preventDefault()
    const position = this.#view.posAtCoords({ x: event.clientX, y: event.clientY }, false)
    this.#view.dispatch({ selection: { anchor: position } })
    this.#view.focus()
  }
}

const theme = EditorView.theme({
  '&': { height: '100%', backgroundColor: 'transparent', color: 'var(--ink)' },
  '&.cm-focused': { outline: 'none' },
  '.cm-scroller': {
    overflow: 'auto',
    overscrollBehavior: 'contain',
    fontFamily: 'var(--text-face)',
    fontSize: 'var(--text-size)',
    lineHeight: '1.65',
    paddingInline: 'max(var(--page-margin), calc((100% - var(--measure)) / 2))',
    scrollbarColor: 'var(--edge) transparent',
  },
  '.cm-content': { padding: '2.75rem 0 35vh', caretColor: 'var(--accent)' },
  '.cm-line': { padding: '0' },
  '.cm-gutters': { backgroundColor: 'transparent', color: 'var(--ink-faint)', border: 'none', fontVariantNumeric: 'tabular-nums', fontSize: '.8em', lineHeight: '2.0625' },
  '.cm-lineNumbers .cm-gutterElement': { padding: '0 1.1rem 0 0', minWidth: '2.2rem' },
  '.cm-content ::selection': { backgroundColor: 'var(--selection)' },
  '.cm-placeholder': { color: 'var(--ink-faint)' },
  '.cm-specialChar': { color: 'var(--warn)' },
})
