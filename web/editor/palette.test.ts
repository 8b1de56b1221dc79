import assert from 'node:assert/strict'
import { test } from 'node:test'
import { colours, isColour, otherColour, type Colour, type Wearer } from './palette.ts'

const drawn = (id: string, colour: Colour): Wearer => ({ id, colour, chosen: false })
const chose = (id: string, colour: Colour): Wearer => ({ id, colour, chosen: true })

test('of two who drew the same colour, the one with the smaller id keeps it', () => {
  assert.equal(otherColour(drawn('a', 'teal'), [drawn('b', 'teal')]), null)
  assert.equal(otherColour(drawn('b', 'teal'), [drawn('a', 'teal')]), 'sky')
})

test('whoever chose a colour keeps it', () => {
  assert.equal(otherColour(drawn('a', 'teal'), [chose('b', 'teal')]), 'sky')
  assert.equal(otherColour(chose('b', 'teal'), [drawn('a', 'teal')]), null)
  assert.equal(otherColour(chose('b', 'teal'), [chose('a', 'teal')]), null)
})

test('the new colour is one that nobody has', () => {
  assert.equal(otherColour(drawn('z', 'rose'), [drawn('a', 'rose'), drawn('b', 'coral')]), 'amber')
})

test('one keeps a colour that nobody else has, or when all are taken', () => {
  assert.equal(otherColour(drawn('z', 'teal'), [drawn('a', 'sky')]), null)
  assert.equal(otherColour(drawn('z', 'teal'), colours.map((colour, i) => drawn(`a${i}`, colour))), null)
})

test('a colour is one of the list, and nothing else', () => {
  assert.ok(colours.every(isColour))
  for (const value of ['red', '#fff', '', 0, null, undefined, {}]) assert.equal(isColour(value), false)
})
