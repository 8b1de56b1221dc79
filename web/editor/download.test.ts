import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fileName } from './download.ts'

for (const [text, name] of [
  ['# Field notes, late October\n\nThe path', 'field-notes-late-october'],
  ['\n\n- [ ] Buy milk', 'buy-milk'],
  ['**Überblick: Ä & Ö**', 'überblick-ä-ö'],
  ['../../etc/passwd', 'etc-passwd'],
  ['', 'mossy-river-abc'],
  ['***\n---', 'mossy-river-abc'],
  ['CON', 'con'],
  [`${'word '.repeat(40)}`, Array(12).fill('word').join('-')],
  ['日本語のテキスト', '日本語のテキスト'],
] as const) {
  test(`a text that begins ${JSON.stringify(text.slice(0, 20))} is called ${name}`, () => assert.equal(fileName(text, 'mossy-river-abc'), name))
}

test('a room whose name no file can have gives way', () => assert.equal(fileName('', '..~'), 'text'))
