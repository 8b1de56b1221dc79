// Highlights fenced code in the languages that notes are full of. One tokenizer with a table tells their words, strings,
// comments and numbers apart, which is most of what colours are for, at a tenth of the size of a parser for each.
import type { StreamParser } from '@codemirror/language'

interface Language {
  readonly keywords: string
  readonly atoms: string
  /** Begins a comment that ends with the line. */
  readonly comment: RegExp
  /** Whether comments of the kind of C's exist. */
  readonly block: boolean
  /** Begins a string; what begins it ends it. Longer ones first, and those run over lines. */
  readonly quotes: RegExp
}

interface State {
  /** What ends the string or comment that goes on from an earlier line. */
  until: string | null
  style: 'string' | 'comment'
}

const slashes = /^\/\//
const hash = /^#/
const cLike = { comment: slashes, block: true, quotes: /^["'`]/ } as const
const script =
  'as async await break case catch class const continue debugger default delete do else export extends finally for from function if import in instanceof let new of return static super switch throw try typeof var void while with yield'
const constants = 'false null true undefined NaN Infinity this'

const javascript: Language = { ...cLike, keywords: script, atoms: constants }
const typescript: Language = { ...javascript, keywords: `${script} abstract declare enum implements interface is keyof namespace private protected public readonly satisfies type` }
const json: Language = { ...cLike, keywords: '', atoms: 'false null true' }
const go: Language = {
  ...cLike,
  keywords: 'break case chan const continue default defer else fallthrough for func go goto if import interface map package range return select struct switch type var',
  atoms: 'false iota nil true',
}
const rust: Language = {
  ...cLike,
  quotes: /^"/, // a single quote begins lifetimes as well
  keywords: 'as async await break const continue crate dyn else enum extern fn for if impl in let loop match mod move mut pub ref return static struct super trait type unsafe use where while',
  atoms: 'false self Self true None Some Ok Err',
}
const c: Language = {
  ...cLike,
  quotes: /^["']/,
  keywords:
    'abstract auto boolean bool break byte case catch char class const continue default delete do double else enum extends extern final finally float for goto if implements import include inline int interface long namespace new operator package private protected public return short signed sizeof static struct super switch template this throw throws try typedef typename union unsigned using virtual void volatile while',
  atoms: 'NULL false nullptr null true',
}
const python: Language = {
  comment: hash,
  block: false,
  quotes: /^(?:"""|'''|["'])/,
  keywords: 'and as assert async await break class continue def del elif else except finally for from global if import in is lambda match nonlocal not or pass raise return try while with yield',
  atoms: 'False None True self',
}
const shell: Language = {
  comment: hash,
  block: false,
  quotes: /^["'`]/,
  keywords: 'case do done elif else esac export fi for function if in local return set then until while cd cp curl echo exit git grep make mkdir mv npm rm sudo test',
  atoms: 'false true',
}
const yaml: Language = { comment: hash, block: false, quotes: /^["']/, keywords: '', atoms: 'false no null true yes' }
const sql: Language = {
  comment: /^--/,
  block: true,
  quotes: /^['"]/,
  keywords: 'ADD ALTER AND AS ASC BEGIN BETWEEN BY CASE COMMIT CREATE DELETE DESC DISTINCT DROP ELSE END EXISTS FROM GROUP HAVING IN INDEX INNER INSERT INTO IS JOIN KEY LEFT LIKE LIMIT NOT ON OR ORDER OUTER PRIMARY SELECT SET TABLE THEN UNION UPDATE VALUES WHEN WHERE WITH',
  atoms: 'FALSE NULL TRUE',
}

const byName: Readonly<Record<string, Language>> = {
  bash: shell, c, cpp: c, 'c++': c, cs: c, go, golang: go, java: c, javascript, js: javascript, json, jsonc: json, jsx: javascript, mjs: javascript,
  py: python, python, rs: rust, rust, sh: shell, shell, sql, toml: yaml, ts: typescript, tsx: typescript, typescript, yaml, yml: yaml, zsh: shell,
}

/** The parser for the name at a fence, in small letters; null when the language is not known. */
export function languageOf(name: string): StreamParser<unknown> | null {
  const language = Object.hasOwn(byName, name) ? byName[name] : undefined
  return language === undefined ? null : (parserOf(language, language === sql) as StreamParser<unknown>)
}

function parserOf({ keywords, atoms, comment, block, quotes }: Language, anyCase: boolean): StreamParser<State> {
  const [words, values] = [keywords, atoms].map((list) => new Set(list.split(' ')))
  return {
    startState: () => ({ until: null, style: 'string' }),
    copyState: (state) => ({ ...state }),
    token(stream, state) {
      if (state.until !== null) return goOn(state.until)
      if (stream.eatSpace()) return 'operator' // as wide as the rest of the code
      if (stream.match(comment) !== null) {
        stream.skipToEnd()
        return 'comment'
      }
      if (block && stream.match('/*')) {
        state.style = 'comment'
        return goOn('*/')
      }
      const quote = stream.match(quotes) as RegExpMatchArray | null
      if (quote !== null) {
        state.style = 'string'
        return goOn(quote[0])
      }
      if (stream.match(/^(?:0[xob][\da-f_]+|\d[\d_]*\.?\d*(?:e[+-]?\d+)?)[a-z]*/i) !== null) return 'number'
      const word = stream.match(/^[@$]?[\p{L}_][\p{L}\p{N}_]*/u) as RegExpMatchArray | null
      if (word !== null) {
        const known = anyCase ? word[0].toUpperCase() : word[0]
        if (words?.has(known)) return 'keyword'
        if (values?.has(known)) return 'atom'
        return stream.match(/^\s*(?:\(|:(?!:))/, false) === null ? 'variableName' : 'propertyName'
      }
      stream.next()
      return 'operator'

      /** Up to what ends it, or the end of the line: only long strings, those of scripts and comments go on in the next. */
      function goOn(until: string): string {
        const longer = until.length > 1 || until === '`'
        state.until = until
        while (!stream.eol()) {
          if (stream.match(until)) {
            state.until = null
            return state.style
          }
          if (stream.next() === '\\') stream.next()
        }
        if (!longer) state.until = null
        return state.style
      }
    },
  }
}
