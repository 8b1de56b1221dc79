// The others' carets and selections in the text, each with its owner's colour, and a name that shows while they type
// and under the pointer; and one's own caret told to them.
import { Annotation, type Extension, type Range } from '@codemirror/state'
import { Decoration, EditorView, ViewPlugin, WidgetType, type DecorationSet, type PluginValue, type ViewUpdate } from '@codemirror/view'
import type { Awareness } from 'y-protocols/awareness'
import type * as Y from 'yjs'
import type { Clock } from '../client/index.ts'
import { cursorAt, spanOf, type Span } from './cursor.ts'
import { readIdentity, type Identity } from './identity.ts'

const livelyFor = 2_000 // ms for which a name stays after its caret moved
const labelWidth = { letter: 8, most: 200 } // px, about
const refresh = Annotation.define<true>()

class CaretWidget extends WidgetType {
  constructor(
    readonly client: number,
    readonly owner: Identity,
    readonly lively: boolean,
  ) {
    super()
  }

  override eq(other: CaretWidget): boolean {
    const { name, colour } = other.owner
    return this.client === other.client && this.lively === other.lively && this.owner.name === name && this.owner.colour === colour
  }

  override toDOM(): HTMLElement {
    const caret = document.createElement('span')
    caret.setAttribute('aria-hidden', 'true')
    this.updateDOM(caret)
    return caret
  }

  override updateDOM(caret: HTMLElement): boolean {
    const flipped = caret.classList.contains('flipped')
    caret.className = `caret of-${this.owner.colour}`
    caret.classList.toggle('lively', this.lively)
    caret.classList.toggle('flipped', flipped)
    caret.dataset['name'] = this.owner.name
    return true
  }

  override ignoreEvent(): boolean {
    return false
  }
}

/** Somebody else's caret, as last heard of. */
interface Caret {
  owner: Identity
  cursor: string
  span: Span
  movedAt: number
}

class Carets implements PluginValue {
  decorations: DecorationSet = Decoration.none
  readonly #others = new Map<number, Caret>()
  #calm: (() => void) | null = null

  constructor(
    readonly view: EditorView,
    readonly text: Y.Text,
    readonly awareness: Awareness,
    readonly clock: Clock,
  ) {
    awareness.on('change', this.#heard)
    this.#read()
    this.#draw()
  }

  update(update: ViewUpdate): void {
    if (update.docChanged) {
      for (const caret of this.#others.values()) {
        const { anchor, head } = caret.span
        caret.span = { anchor: update.changes.mapPos(anchor, -1), head: update.changes.mapPos(head, -1) }
      }
    }
    const heard = update.transactions.some((transaction) => transaction.annotation(refresh) === true)
    if (update.docChanged || heard) {
      this.#read()
      this.#draw()
    }
    if (update.selectionSet || update.focusChanged || update.docChanged) this.#tell(update)
    if (this.#others.size > 0) this.#flip()
  }

  /** Where somebody's caret is, by their document client; null when they have none. */
  headOf(client: number): number | null {
    return this.#others.get(client)?.span.head ?? null
  }

  destroy(): void {
    this.awareness.off('change', this.#heard)
    this.#calm?.()
  }

  readonly #heard = ({ added, updated, removed }: Record<'added' | 'updated' | 'removed', number[]>): void => {
    const others = [...added, ...updated, ...removed].filter((client) => client !== this.awareness.clientID)
    if (others.length > 0) this.view.dispatch({ annotations: refresh.of(true) })
  }

  /** Tells the others where our caret is, from the first time the text has the focus. */
  #tell({ state, view }: ViewUpdate): void {
    const own = this.awareness.getLocalState()
    if (own === null || (!view.hasFocus && own['cursor'] === undefined)) return
    const cursor = cursorAt(this.text, state.selection.main)
    if (JSON.stringify(cursor) !== JSON.stringify(own['cursor'])) this.awareness.setLocalStateField('cursor', cursor)
  }

  #read(): void {
    const states = this.awareness.getStates()
    for (const client of this.#others.keys()) if (!states.has(client)) this.#others.delete(client)
    for (const [client, state] of states) {
      if (client === this.awareness.clientID) continue
      const before = this.#others.get(client)
      const span = spanOf(this.text, state['cursor'])
      const owner = readIdentity(state['user'])
      if (span === null || owner === null) {
        this.#others.delete(client)
        continue
      }
      const cursor = JSON.stringify(state['cursor'])
      const movedAt = before?.cursor === cursor ? before.movedAt : this.clock.now()
      const place = span === 'unknown' ? before?.span : this.#within(span)
      if (place !== undefined) this.#others.set(client, { owner, cursor, span: place, movedAt })
    }
  }

  /** While an edit of several parts is under way, the view may be shorter than the document. */
  #within({ anchor, head }: Span): Span {
    const end = this.view.state.doc.length
    return { anchor: Math.min(anchor, end), head: Math.min(head, end) }
  }

  #draw(): void {
    const ranges: Range<Decoration>[] = []
    const now = this.clock.now()
    let next = Infinity
    for (const [client, { owner, span, movedAt }] of this.#others) {
      const { anchor, head } = span
      if (anchor !== head) {
        const mark = Decoration.mark({ class: `selection of-${owner.colour}` })
        ranges.push(mark.range(Math.min(anchor, head), Math.max(anchor, head)))
      }
      const calmAt = movedAt + livelyFor
      if (calmAt > now) next = Math.min(next, calmAt)
      // Beside its own selection, and on the far side of the reader's own caret.
      ranges.push(Decoration.widget({ widget: new CaretWidget(client, owner, calmAt > now), side: head > anchor ? -1 : 1 }).range(head))
    }
    this.decorations = Decoration.set(ranges, true)
    this.#calm?.()
    this.#calm = next === Infinity ? null : this.clock.after(next - now + 1, () => this.view.dispatch({ annotations: refresh.of(true) }))
  }

  /** Turns names to the left that would run out of the page on the right. */
  #flip(): void {
    this.view.requestMeasure({
      key: this,
      read: (view) => {
        const edge = view.scrollDOM.getBoundingClientRect().right
        return [...view.contentDOM.querySelectorAll<HTMLElement>('.caret')].map((caret) => {
          const width = Math.min((caret.dataset['name'] ?? '').length * labelWidth.letter + 16, labelWidth.most)
          return { caret, flipped: caret.getBoundingClientRect().left + width > edge }
        })
      },
      write: (carets) => {
        for (const { caret, flipped } of carets) caret.classList.toggle('flipped', flipped)
      },
    })
  }
}

/** Shows the carets of everybody in `awareness` who is not ourselves, and tells them ours; and finds one of them. */
export function carets(text: Y.Text, awareness: Awareness, clock: Clock): { extension: Extension; headOf: (view: EditorView, client: number) => number | null } {
  const plugin = ViewPlugin.define((view) => new Carets(view, text, awareness, clock), { decorations: (carets) => carets.decorations })
  return { extension: plugin, headOf: (view, client) => view.plugin(plugin)?.headOf(client) ?? null }
}
