// Colours for Markdown and for code within it. The classes are styled in text.css.
//
// What is in view is coloured at once where reading up to it takes no longer than a turn; else when it is reached, a turn
// at a time, so that a long text does not hold up whoever writes in it.
import { Prec, RangeSetBuilder, type Extension } from '@codemirror/state'
import { Decoration, ViewPlugin, type DecorationSet, type EditorView, type ViewUpdate } from '@codemirror/view'
import { languageOf } from './code.ts'
import { markdown } from './markdown.ts'
import { Reader } from './reader.ts'

const classes: Readonly<Record<string, string>> = {
  heading1: 'md-heading md-h1',
  heading2: 'md-heading md-h2',
  heading3: 'md-heading md-h3',
  heading4: 'md-heading',
  heading5: 'md-heading',
  heading6: 'md-heading',
  strong: 'md-strong',
  emphasis: 'md-emphasis',
  strikethrough: 'md-strike',
  quote: 'md-quote',
  link: 'md-link',
  monospace: 'md-code',
  mark: 'md-mark',
  meta: 'code-meta',
  keyword: 'code-keyword',
  string: 'code-string',
  atom: 'code-atom',
  comment: 'code-comment',
  name: 'code-name',
  plain: 'code-plain',
}

/** Milliseconds that may be spent at once, and until there is more time. */
const turn = 20
const pause = 20

const decorations = new Map<string, Decoration>()

function decorationOf(styles: string): Decoration {
  const known = decorations.get(styles)
  if (known !== undefined) return known
  const names = styles.split(' ').map((style) => classes[style])
  const decoration = Decoration.mark({ class: names.join(' ') })
  decorations.set(styles, decoration)
  return decoration
}

class Highlighter {
  decorations: DecorationSet = Decoration.none
  readonly #reader = new Reader(markdown(languageOf))
  #timer = 0 // runs while what is in view is not reached

  constructor(view: EditorView) {
    this.#look(view)
  }

  update({ view, docChanged, changes, startState, viewportChanged }: ViewUpdate): void {
    if (docChanged) {
      this.decorations = this.decorations.map(changes)
      let first = Infinity
      changes.iterChangedRanges((from) => (first = Math.min(first, from)))
      this.#reader.forget(startState.doc.lineAt(first).number)
    }
    if (docChanged || viewportChanged || this.#timer === -1) this.#look(view)
  }

  destroy(): void {
    clearTimeout(this.#timer)
  }

  #look(view: EditorView): void {
    const { doc } = view.state
    const end = performance.now() + turn
    this.destroy()
    this.#timer = 0
    if (!this.#reader.reach(doc, doc.lineAt(view.viewport.to).number, () => performance.now() > end)) {
      this.#timer = window.setTimeout(() => {
        this.#timer = -1
        view.dispatch({})
      }, pause)
      return
    }
    const marks = new RangeSetBuilder<Decoration>()
    for (const { from, to } of view.visibleRanges) {
      this.#reader.parts(doc, from, to, (start, end, styles) => marks.add(start, end, decorationOf(styles)))
    }
    this.decorations = marks.finish()
  }
}

/** Highlights Markdown. */
export const highlighting: Extension = Prec.high(ViewPlugin.fromClass(Highlighter, { decorations: (plugin) => plugin.decorations }))
