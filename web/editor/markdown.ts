// Tells the parts of Markdown apart, line by line, for StreamLanguage; in fenced code, the parser of its language does.
//
// It marks what a reader of the source wants to see and leaves the fine print of the grammar aside: emphasis ends on the
// line it began on. A parser of all of CommonMark is three times the size of everything else about highlighting.
import type { StreamParser, StringStream } from '@codemirror/language'

/** Somebody's parser, and its state, within a fence. */
interface Inner {
  readonly parser: StreamParser<unknown>
  readonly state: unknown
}

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

/** A parser of Markdown; `languageOf` finds the parser for the name at a fence, or null. */
export function markdown(languageOf: (name: string) => StreamParser<unknown> | null): StreamParser<State> {
  return {
    name: 'markdown',
    startState: () => ({ fence: null, line: '', open: [] }),
    copyState: ({ fence, line, open }) => ({ fence: fence === null ? null : { ...fence, inner: copyInner(fence.inner) }, line, open: [...open] }),
    blankLine(state, indentUnit) {
      const { inner } = state.fence ?? {}
      inner?.parser.blankLine?.(inner.state, indentUnit)
    },
    token(stream, state) {
      if (stream.sol()) {
        state.line = ''
        state.open = []
        if (state.fence !== null) return inFence(stream, state)
        const block = blockStart(stream, state, languageOf)
        if (block !== null) return block
      } else if (state.fence?.inner != null) {
        return state.fence.inner.parser.token(stream, state.fence.inner.state)
      }
      return inline(stream, state)
    },
    languageData: { commentTokens: { block: { open: '<!--', close: '-->' } } },
  }
}

function copyInner(inner: Inner | null): Inner | null {
  if (inner === null) return null
  const { parser, state } = inner
  if (parser.copyState !== undefined) return { parser, state: parser.copyState(state) }
  const copy: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(state as object)) copy[key] = Array.isArray(value) ? value.slice() : value
  return { parser, state: copy }
}

function inFence(stream: StringStream, state: State): string | null {
  const { mark, length, inner } = state.fence as NonNullable<State['fence']>
  const close = /^ {0,3}(`{3,}|~{3,})\s*$/.exec(stream.string)?.[1]
  if (close !== undefined && close.startsWith(mark) && close.length >= length) {
    state.fence = null
    stream.skipToEnd()
    return 'meta'
  }
  if (inner !== null) return inner.parser.token(stream, inner.state)
  stream.skipToEnd()
  return 'monospace'
}

function blockStart(stream: StringStream, state: State, languageOf: (name: string) => StreamParser<unknown> | null): string | null {
  const { string } = stream
  const fence = fenceLine.exec(string)
  if (fence !== null) {
    const marks = fence[1] as string
    const parser = languageOf((fence[2] as string).toLowerCase())
    const inner = parser === null ? null : { parser, state: parser.startState?.(stream.indentUnit) ?? {} }
    state.fence = { mark: marks.charAt(0), length: marks.length, inner }
    stream.skipToEnd()
    return 'meta'
  }
  if (/^ {0,3}([-*_])( *\1){2,} *$/.test(string)) {
    stream.skipToEnd()
    return 'contentSeparator'
  }
  const heading = /^ {0,3}(#{1,6})(?=\s|$)/.exec(string)
  if (heading !== null) {
    const level = (heading[1] as string).length
    state.line = `heading${level}`
    stream.match(/^ {0,3}#+\s*/)
    return `processingInstruction ${state.line}`
  }
  if (stream.match(/^ {0,3}(> ?)+/) !== null) {
    state.line = 'quote'
    return 'processingInstruction'
  }
  if (stream.match(/^\s*(?:[-*+]|\d{1,9}[.)])(?: +\[[ xX]\])?(?=\s)\s*/) !== null) return 'list'
  return null
}

function inline(stream: StringStream, state: State): string | null {
  const { string, pos } = stream
  const innermost = state.open.at(-1)
  if (innermost?.end === pos) {
    state.open.pop()
    stream.pos += innermost.mark.length
    return styled(state, `processingInstruction ${innermost.style}`)
  }
  const limit = innermost?.end ?? string.length

  if (stream.match(/^\\[!-/:-@[-`{-~]/) !== null) return styled(state, 'escape')
  const code = /^(`+)(?!`)[^]*?[^`]\1(?!`)/.exec(string.slice(pos, limit))
  if (code !== null) {
    stream.pos += code[0].length
    return styled(state, 'monospace')
  }
  const link = /^!?\[(?:\\.|[^\]\\])*\](?:\([^()\s]*(?:\([^()\s]*\)[^()\s]*)*(?: +"[^"]*")?\)|\[[^\]]*\])/.exec(string.slice(pos, limit))
  if (link !== null) {
    stream.pos += link[0].length
    return styled(state, 'link')
  }
  const url = /^(?:<(?:https?:|mailto:)[^<>\s]+>|https?:\/\/[^\s<>]*[^\s<>.,;:!?'")\]*_~])/.exec(string.slice(pos, limit))
  if (url !== null) {
    stream.pos += url[0].length
    return styled(state, 'url')
  }
  if (stream.match(/^<(?:\/?[a-zA-Z][^<>]*|!--.*?--)>/) !== null) return styled(state, 'angleBracket')
  for (const { mark, style } of spans) {
    const end = endOf(string, pos, limit, mark)
    if (end === null) continue
    state.open.push({ mark, end, style })
    stream.pos += mark.length
    return styled(state, 'processingInstruction')
  }
  stream.pos = nextMark(string, pos + 1, limit)
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
