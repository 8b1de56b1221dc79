// Tells the parts of Markdown apart, line by line, as tokenizers do; in fenced code, the one of its language does.
//
// It marks what a reader of the source wants to see and leaves the fine print of the grammar aside: emphasis ends on the
// line it began on. A parser of all of CommonMark is three times the size of everything else about highlighting.
import type { CodeState } from './code.ts'
import type { Line, Tokenizer } from './line.ts'

/** A language's tokenizer, and its state, within a fence. */
interface Inner {
  readonly tokenizer: Tokenizer<CodeState>
  readonly state: CodeState
}

type Languages = (name: string) => Inner['tokenizer'] | null

interface State {
  /** What closes the fenced code we are in: its first character and how many of them. */
  fence: { readonly mark: string; readonly length: number; readonly inner: Inner | null } | null
  /** What this line is, and so every part of it. */
  line: string
  /** Where emphasis and the like end in this line, by their marks, innermost last. */
  open: { readonly mark: string; readonly end: number; readonly style: string }[]
}

const fenceLine = /^ {0,3}(`{3,}|~{3,})\s*([^\s`{]*)[^`]*$/
const spans = [
  { mark: '**', style: 'strong' },
  { mark: '__', style: 'strong' },
  { mark: '~~', style: 'strikethrough' },
  { mark: '*', style: 'emphasis' },
  { mark: '_', style: 'emphasis' },
] as const

/** A tokenizer of Markdown; `languageOf` finds the one for the name at a fence, or null. */
export function markdown(languageOf: Languages): Tokenizer<State> {
  return {
    start: () => ({ fence: null, line: '', open: [] }),
    copy: ({ fence, line, open }) => ({ fence: fence && { ...fence, inner: copyInner(fence.inner) }, line, open: [...open] }),
    token(line, state) {
      if (line.sol()) {
        state.line = ''
        state.open = []
        if (state.fence !== null) return inFence(line, state)
        const block = blockStart(line, state, languageOf)
        if (block !== null) return block
      } else if (state.fence?.inner != null) {
        return state.fence.inner.tokenizer.token(line, state.fence.inner.state)
      }
      return inline(line, state)
    },
  }
}

function copyInner(inner: Inner | null): Inner | null {
  return inner && { ...inner, state: inner.tokenizer.copy(inner.state) }
}

function inFence(line: Line, state: State): string | null {
  const { mark, length, inner } = state.fence as NonNullable<State['fence']>
  const close = /^ {0,3}(`{3,}|~{3,})\s*$/.exec(line.string)?.[1]
  if (close !== undefined && close.startsWith(mark) && close.length >= length) {
    state.fence = null
    line.skipToEnd()
    return 'meta'
  }
  if (inner !== null) return inner.tokenizer.token(line, inner.state)
  line.skipToEnd()
  return 'monospace'
}

function blockStart(line: Line, state: State, languageOf: Languages): string | null {
  const { string } = line
  const fence = fenceLine.exec(string)
  if (fence !== null) {
    const marks = fence[1] as string
    const tokenizer = languageOf((fence[2] as string).toLowerCase())
    const inner = tokenizer && { tokenizer, state: tokenizer.start() }
    state.fence = { mark: marks.charAt(0), length: marks.length, inner }
    line.skipToEnd()
    return 'meta'
  }
  if (/^ {0,3}([-*_])( *\1){2,} *$/.test(string)) {
    line.skipToEnd()
    return 'mark'
  }
  const heading = /^ {0,3}(#{1,6})(?=\s|$)/.exec(string)
  if (heading !== null) {
    const level = (heading[1] as string).length
    state.line = `heading${level}`
    line.match(/^ {0,3}#+\s*/)
    return `mark ${state.line}`
  }
  if (line.match(/^ {0,3}(> ?)+/) !== null) {
    state.line = 'quote'
    return 'mark'
  }
  if (line.match(/^\s*(?:[-*+]|\d{1,9}[.)])(?: +\[[ xX]\])?(?=\s)\s*/) !== null) return 'mark'
  return null
}

function inline(line: Line, state: State): string | null {
  const { string, pos } = line
  const innermost = state.open.at(-1)
  if (innermost?.end === pos) {
    state.open.pop()
    line.pos += innermost.mark.length
    return styled(state, `mark ${innermost.style}`)
  }
  const limit = innermost?.end ?? string.length

  if (line.match(/^\\[!-/:-@[-`{-~]/) !== null) return styled(state, 'mark')
  const code = /^(`+)(?!`)[^]*?[^`]\1(?!`)/.exec(string.slice(pos, limit))
  if (code !== null) {
    line.pos += code[0].length
    return styled(state, 'monospace')
  }
  const link = /^!?\[(?:\\.|[^\]\\])*\](?:\([^()\s]*(?:\([^()\s]*\)[^()\s]*)*(?: +"[^"]*")?\)|\[[^\]]*\])/.exec(string.slice(pos, limit))
  if (link !== null) {
    line.pos += link[0].length
    return styled(state, 'link')
  }
  const url = /^(?:<(?:https?:|mailto:)[^<>\s]+>|https?:\/\/[^\s<>]*[^\s<>.,;:!?'")\]*_~])/.exec(string.slice(pos, limit))
  if (url !== null) {
    line.pos += url[0].length
    return styled(state, 'link')
  }
  const tag = /^<(?:\/?[a-zA-Z][^<>]*|!--.*?--)>/.exec(string.slice(pos, limit))
  if (tag !== null) {
    line.pos += tag[0].length
    return styled(state, 'mark')
  }
  for (const { mark, style } of spans) {
    const end = endOf(string, pos, limit, mark)
    if (end === null) continue
    state.open.push({ mark, end, style })
    line.pos += mark.length
    return styled(state, 'mark')
  }
  line.pos = nextMark(string, pos + 1, limit)
  return styled(state, '')
}

/** Where a span that begins here with this mark ends, or null when none begins. */
function endOf(string: string, start: number, limit: number, mark: string): number | null {
  if (!string.startsWith(mark, start)) return null
  const inside = start + mark.length
  if (!/\S/.test(string.charAt(inside)) || string.charAt(inside) === mark.charAt(0)) return null
  if (mark.startsWith('_') && /[\p{L}\p{N}]/u.test(string.charAt(start - 1))) return null
  for (let end = inside + 1; end + mark.length <= limit; end++) {
    if (string.charAt(end - 1) === '\\') end++
    if (!string.startsWith(mark, end) || /\s/.test(string.charAt(end - 1))) continue
    const after = string.charAt(end + mark.length)
    if (after === mark.charAt(0) && mark.length === 1) {
      end++ // a longer mark, which is another
      continue
    }
    if (mark.startsWith('_') && /[\p{L}\p{N}]/u.test(after)) continue
    return end
  }
  return null
}

/** Up to where nothing begins or ends. */
function nextMark(string: string, from: number, limit: number): number {
  for (let at = from; at < limit; at++) {
    const character = string.charAt(at)
    if ('\\`[!<*_~'.includes(character) || (character === 'h' && !/\w/.test(string.charAt(at - 1)))) return at
  }
  return limit
}

function styled({ line, open }: State, own: string): string | null {
  const styles = [own, line, ...open.map(({ style }) => style)].filter((style) => style !== '')
  return styles.length === 0 ? null : styles.join(' ')
}
