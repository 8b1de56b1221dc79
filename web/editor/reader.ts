// Reads a text as far as somebody wants to see its parts, and no further; what it takes to go on from there is kept, so
// that an edit has only what follows it read again.
import type { Text } from '@codemirror/state'
import { Line, type Tokenizer } from './line.ts'

/** The state is kept at the beginning of each so many lines. */
const stride = 32

/** The most characters of a line that are told apart. */
const longestLine = 10_000

/** Called with each part that has styles. */
export type Part = (from: number, to: number, styles: string) => void

export class Reader<State> {
  readonly #tokenizer: Tokenizer<State>
  #states: State[]

  constructor(tokenizer: Tokenizer<State>) {
    this.#tokenizer = tokenizer
    this.#states = [tokenizer.start()]
  }

  /** Forgets what is known of the lines behind this one, which is changed. */
  forget(line: number): void {
    this.#states.length = Math.min(this.#states.length, Math.floor((line - 1) / stride) + 1)
  }

  /** Gets to know what a line has to know of those before it, unless `isLate` says to stop. False: call it again. */
  reach(doc: Text, line: number, isLate: () => boolean): boolean {
    for (let known = this.#states.length; known * stride < line; known++) {
      if (isLate()) return false
      const first = (known - 1) * stride + 1
      this.#states.push(this.#read(doc, first, first + stride - 1))
    }
    return true
  }

  /** Tells the parts of what lies between two positions; the line of the first one has been reached. */
  parts(doc: Text, from: number, to: number, part: Part): void {
    const first = Math.floor((doc.lineAt(from).number - 1) / stride) * stride + 1
    const open = { from, to: from, styles: '' } // parts of the same styles are one
    const close = () => {
      const [start, end] = [Math.max(open.from, from), Math.min(open.to, to)]
      if (start < end) part(start, end, open.styles)
    }
    this.#read(doc, first, doc.lineAt(to).number, (start, end, styles) => {
      if (start !== open.to || styles !== open.styles) {
        close()
        Object.assign(open, { from: start, styles })
      }
      open.to = end
    })
    close()
  }

  /** Reads lines, of which the state before the first is known, and returns the state behind the last. */
  #read(doc: Text, first: number, last: number, part?: Part): State {
    const { copy, token } = this.#tokenizer
    const state = copy(this.#states[(first - 1) / stride] as State)
    for (let number = first; number <= last; number++) {
      const { from, text } = doc.line(number)
      const line = new Line(text)
      while (!line.eol() && line.pos <= longestLine) {
        const { pos } = line
        const styles = token(line, state)
        line.pos = Math.max(line.pos, pos + 1)
        if (styles) part?.(from + pos, from + line.pos, styles)
      }
    }
    return state
  }
}
