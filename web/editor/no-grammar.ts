// Stands in for @codemirror/language and @lezer/common, of which CodeMirror's commands in keys.ts need no more than how far
// they indent. The whole would bring a library for syntax trees along.
import { Facet, type EditorState } from '@codemirror/state'

const unit = '  '

export const indentUnit = Facet.define<string, string>({ combine: (units) => units[0] ?? unit })

export function getIndentUnit(state: EditorState): number {
  return state.facet(indentUnit).length
}

export function indentString(_: EditorState, columns: number): string {
  return ' '.repeat(columns)
}

/** What the other commands would need. */
function absent(): never {
  throw new Error('the command needs a grammar, and there is none')
}

export { absent as getIndentation, absent as IndentContext, absent as matchBrackets, absent as NodeProp, absent as syntaxTree }
