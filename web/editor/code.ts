// Highlights fenced code in the languages that notes are full of. One tokenizer with a table tells their words, strings,
// comments and numbers apart, which is most of what colours are for, at a tenth of the size of a parser for each.
import type { Tokenizer } from './line.ts'

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

export interface CodeState {
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

/** The tokenizer for the name at a fence, in small letters; null when the language is not known. */
export function languageOf(name: string): Tokenizer<CodeState> | null {
  const language = Object.hasOwn(byName, name) ? byName[name] : undefined
  return language === undefined ? null : tokenizerOf(language, language === sql)
}

function tokenizerOf({ keywords, atoms, comment, block, quotes }: Language, anyCase: boolean): Tokenizer<CodeState> {
  const [words, values] = [keywords, atoms].map((list) => new Set(list.split(' ')))
  return {
    start: () => ({ until: null, style: 'string' }),
    copy: (state) => ({ ...state }),
    token(line, state) {
      if (state.until !== null) return goOn(state.until)
      if (line.match(/^\s+/) !== null) return 'plain' // as wide as the rest of the code
      if (line.match(comment) !== null) {
        line.skipToEnd()
        return 'comment'
      }
      if (block && line.eat('/*')) {
        state.style = 'comment'
        return goOn('*/')
      }
      const quote = line.match(quotes)
      if (quote !== null) {
        state.style = 'string'
        return goOn(quote[0])
      }
      if (line.match(/^(?:0[xob][\da-f_]+|\d[\d_]*\.?\d*(?:e[+-]?\d+)?)[a-z]*/i) !== null) return 'atom'
      const word = line.match(/^[@$]?[\p{L}_][\p{L}\p{N}_]*/u)
      if (word !== null) {
        const known = anyCase ? word[0].toUpperCase() : word[0]
        if (words?.has(known)) return 'keyword'
        if (values?.has(known)) return 'atom'
        return line.look(/^\s*(?:\(|:(?!:))/) === null ? 'plain' : 'name'
      }
      line.next()
      return 'plain'

      /** Up to what ends it, or the end of the line: only long strings, those of scripts and comments go on in the next. */
      function goOn(until: string): string {
        const longer = until.length > 1 || until === '`'
        state.until = until
        while (!line.eol()) {
          if (line.eat(until)) {
            state.until = null
            return state.style
          }
          if (line.next() === '\\') line.next()
        }
        if (!longer) state.until = null
        return state.style
      }
    },
  }
}
