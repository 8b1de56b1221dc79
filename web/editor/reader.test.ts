import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Text } from '@codemirror/state'
import { languageOf } from './code.ts'
import { markdown } from './markdown.ts'
import { Reader } from './reader.ts'
import { seeded } from './testing/clock.ts'

const onTime = (): boolean => false

/** The parts of a text, or of some of it, as `styles: what`. */
function partsOf(text: string, from = 0, to = text.length, reader = new Reader(markdown(languageOf))): string[] {
  const doc = Text.of(text.split('\n'))
  const parts: string[] = []
  assert.ok(reader.reach(doc, doc.lineAt(to).number, onTime))
  reader.parts(doc, from, to, (start, end, styles) => parts.push(`${styles}: ${text.slice(start, end)}`))
  return parts
}

const cases: Record<string, { text: string; parts: string[] }> = {
  'a heading': { text: '## A *title*', parts: ['mark heading2: ## ', 'heading2: A ', 'mark heading2 emphasis: *', 'heading2 emphasis: title', 'mark emphasis heading2: *'] },
  'emphasis ends on its line': { text: '*a\nb*', parts: [] },
  'a tag that begins in emphasis and would end behind it': { text: '*a <b* c> d', parts: ['mark emphasis: *', 'emphasis: a <b', 'mark emphasis: *'] },
  'a quote and a list': { text: '> said\n- [x] done', parts: ['mark: > ', 'quote: said', 'mark: - [x] '] },
  'links and code': { text: 'see `x` at https://parley.example/a.', parts: ['monospace: `x`', 'link: https://parley.example/a'] },
  'a known language': { text: '```go\nfunc f() // why\n```', parts: ['meta: ```go', 'keyword: func', 'plain:  ', 'name: f', 'plain: () ', 'comment: // why', 'meta: ```'] },
  'an unknown one': { text: '~~~ x\n*a*\n\n~~~\n*a*', parts: ['meta: ~~~ x', 'monospace: *a*', 'meta: ~~~', 'mark emphasis: *', 'emphasis: a', 'mark emphasis: *'] },
  'a comment over lines': { text: '```js\n/* a\n\nb */ 1\n```', parts: ['meta: ```js', 'comment: /* a', 'comment: b */', 'plain:  ', 'atom: 1', 'meta: ```'] },
}

for (const [name, { text, parts }] of Object.entries(cases)) {
  test(`tells the parts: ${name}`, () => assert.deepEqual(partsOf(text), parts))
}

test('parts are cut where what is asked for begins and ends', () => {
  assert.deepEqual(partsOf('# A title', 1, 5), ['mark heading1:  ', 'heading1: A t'])
})

test('what a line has to know comes from far before it', () => {
  const text = `~~~\n${'x\n'.repeat(1000)}*a*`
  assert.deepEqual(partsOf(text, text.length - 3), ['monospace: *a*'])
})

test('a line of any length is read, its beginning only', () => {
  const parts = partsOf('*a* '.repeat(100_000))
  assert.ok(parts.length > 1000 && parts.length < 10_000, `${parts.length} parts`)
})

test('reading stops when it is late, and goes on from there', () => {
  const doc = Text.of(['~~~', ...Array.from({ length: 999 }, () => 'x')])
  const reader = new Reader(markdown(languageOf))
  let calls = 0
  const isLate = (): boolean => ++calls % 5 === 0
  let turns = 1
  while (!reader.reach(doc, 1000, isLate)) assert.ok(++turns < 1000)
  assert.ok(turns > 5, `${turns} turns`)
  assert.ok(reader.reach(doc, 1000, () => true), 'nothing is left to do')
})

test('after any edits the parts are those of the text read anew', () => {
  const random = seeded(7)
  const pieces = ['~~~\n', '```js\n', '```\n', '*', 'word', '\n', '\n\n', '/*', '*/', '# ', '`']
  const piece = (): string => pieces[Math.floor(random() * pieces.length)] as string
  let text = Array.from({ length: 2000 }, piece).join('')
  const reader = new Reader(markdown(languageOf))
  partsOf(text, 0, text.length, reader)
  for (let i = 0; i < 100; i++) {
    const [from, removed] = [Math.floor(random() * text.length), Math.floor(random() ** 4 * 200)]
    reader.forget(text.slice(0, from).split('\n').length)
    text = text.slice(0, from) + piece() + text.slice(from + removed)
    const at = Math.floor(random() * text.length)
    const end = Math.min(text.length, at + 300)
    assert.deepEqual(partsOf(text, at, end, reader), partsOf(text, at, end))
  }
})
