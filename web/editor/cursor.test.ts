import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as Y from 'yjs'
import { cursorAt, spanOf, type Span } from './cursor.ts'

function textOf(content: string): Y.Text {
  const text = new Y.Doc().getText('text')
  text.insert(0, content)
  return text
}

const overTheWire = (cursor: unknown): unknown => JSON.parse(JSON.stringify(cursor))

for (const [what, span, edit, after] of [
  ['stays where nothing happens', { anchor: 3, head: 3 }, () => {}, { anchor: 3, head: 3 }],
  ['moves with text put in before it', { anchor: 3, head: 3 }, (text) => text.insert(0, 'xx'), { anchor: 5, head: 5 }],
  ['stays behind what its owner typed when somebody writes there', { anchor: 3, head: 3 }, (text) => text.insert(3, 'xx'), { anchor: 3, head: 3 }],
  ['stays in place at the end', { anchor: 6, head: 6 }, (text) => text.insert(6, 'xx'), { anchor: 6, head: 6 }],
  ['stays at the start', { anchor: 0, head: 0 }, (text) => text.insert(0, 'xx'), { anchor: 0, head: 0 }],
  ['moves back when text before it goes', { anchor: 4, head: 4 }, (text) => text.delete(1, 2), { anchor: 2, head: 2 }],
  ['does not grow at its edges', { anchor: 2, head: 4 }, (text) => (text.insert(4, 'x'), text.insert(2, 'x')), { anchor: 3, head: 5 }],
  ['keeps its direction', { anchor: 5, head: 1 }, (text) => text.insert(3, 'x'), { anchor: 6, head: 1 }],
] as [string, Span, (text: Y.Text) => void, Span][]) {
  test(`a caret ${what}`, () => {
    const text = textOf('abcdef')
    const cursor = overTheWire(cursorAt(text, span))
    assert.deepEqual(spanOf(text, cursor), span)
    edit(text)
    assert.deepEqual(spanOf(text, cursor), after)
  })
}

test('a caret in text that has not arrived is unknown', () => {
  const text = textOf('abc')
  const behind = textOf('')
  Y.applyUpdate(behind.doc!, Y.encodeStateAsUpdate(text.doc!))
  text.insert(3, 'def')
  assert.equal(spanOf(behind, overTheWire(cursorAt(text, { anchor: 5, head: 5 }))), 'unknown')
})

test('what is no cursor is none, and leaves the document alone', () => {
  const text = textOf('abc')
  const good = cursorAt(text, { anchor: 1, head: 1 })
  for (const bad of [
    undefined, null, 7, 'x', {}, [], { anchor: good.anchor }, { anchor: 1, head: 2 }, { anchor: {}, head: {} },
    { anchor: { tname: 'elsewhere' }, head: { tname: 'elsewhere' } },
    { anchor: { type: { client: 1, clock: 1 } }, head: good.head },
    { anchor: { item: { client: 'a', clock: 0 } }, head: good.head },
    { anchor: { item: { client: 1, clock: -1 } }, head: good.head },
    { anchor: { item: 5 }, head: good.head },
    { anchor: { tname: 'text', assoc: 'left' }, head: good.head },
  ]) {
    assert.equal(spanOf(text, bad), null, JSON.stringify(bad))
  }
  assert.deepEqual([...text.doc!.share.keys()], ['text'])
})
