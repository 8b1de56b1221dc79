import assert from 'node:assert/strict'
import { test } from 'node:test'
import { noteOpened } from './bookcase.ts'

function shelf(stored?: string) {
  const values = new Map(stored === undefined ? [] : [['parley.texts', stored]])
  return { getItem: (key: string) => values.get(key) ?? null, setItem: (key: string, value: string) => void values.set(key, value) }
}

const day = 24 * 3_600_000

test('a hundred texts are kept, and the one opened longest ago goes first', () => {
  const books = shelf()
  for (let i = 0; i < 100; i++) assert.deepEqual(noteOpened(books, `text ${i}`, 1_000 + i), [])
  assert.deepEqual(noteOpened(books, 'text 0', 2_000), [])
  assert.deepEqual(noteOpened(books, 'another', 2_001), ['text 1'])
  assert.deepEqual(noteOpened(books, 'another', 2_002), [])
})

test('what nobody opened for a season goes', () => {
  const books = shelf()
  noteOpened(books, 'old', 0)
  noteOpened(books, 'newer', 60 * day)
  assert.deepEqual(noteOpened(books, 'new', 121 * day), ['old'])
})

for (const stored of ['', '{', '[]', 'null', '3', '{"a":"b"}']) {
  test(`a list that reads ${stored === '' ? '(nothing)' : stored} is as good as none`, () => {
    assert.deepEqual(noteOpened(shelf(stored), 'text', 5), [])
  })
}

test('without a place to remember, nothing is removed', () => {
  assert.deepEqual(noteOpened(null, 'text', 5), [])
})
