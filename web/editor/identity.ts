// Who this person is: a name and a colour, remembered by the browser.
import { colours, isColour, type Colour } from './palette.ts'
import * as shelves from './shelf.ts'
import type { Shelf } from './shelf.ts'

export interface Identity {
  readonly name: string
  readonly colour: Colour
  /** The colour was chosen, not drawn, and so is not given up when somebody else has it. */
  readonly chosen: boolean
}

const key = 'parley.identity'
const maxBytes = 64 // what the protocol allows a name

const natures = ['Calm', 'Brave', 'Merry', 'Keen', 'Quiet', 'Witty', 'Kind', 'Swift', 'Sunny', 'Gentle']
const animals = ['Otter', 'Heron', 'Badger', 'Finch', 'Lynx', 'Hare', 'Robin', 'Marten', 'Wren', 'Seal']

/** The remembered identity, or a friendly new one, which is remembered. A `wanted` name goes first, and stays this page's own. */
export function loadIdentity(shelf: Shelf | null, random: () => number, wanted: string | null = null): Identity {
  const remembered = recall(shelf)
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T
  const identity = remembered ?? { name: `${pick(natures)} ${pick(animals)}`, colour: pick(colours), chosen: false }
  if (remembered === null) saveIdentity(shelf, identity)
  const name = wanted === null ? '' : tidyName(wanted)
  return name === '' ? identity : { ...identity, name }
}

/** Remembers an identity, where the browser lets us; else it lasts as long as the page. */
export function saveIdentity(shelf: Shelf | null, identity: Identity): void {
  shelves.remember(shelf, key, JSON.stringify(identity))
}

function recall(shelf: Shelf | null): Identity | null {
  try {
    const stored: unknown = JSON.parse(shelves.recall(shelf, key) ?? 'null')
    return readIdentity(stored)
  } catch {
    return null
  }
}

/** Reads an identity that came from elsewhere: the browser's storage or another peer; null when it is none. */
export function readIdentity(value: unknown): Identity | null {
  if (typeof value !== 'object' || value === null) return null
  const { name, colour, chosen } = value as { [K in keyof Identity]?: unknown }
  if (typeof name !== 'string' || !isColour(colour)) return null
  const tidy = tidyName(name)
  return tidy === '' ? null : { name: tidy, colour, chosen: chosen === true }
}

/** A name as the protocol takes it: no control characters, no stray blanks, at most 64 bytes; possibly nothing. */
export function tidyName(name: string): string {
  const clean = name.replace(/[\p{Cc}\p{Cs}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu, ' ').replace(/\s+/gu, ' ').trim()
  const encoder = new TextEncoder()
  let kept = ''
  let bytes = 0
  for (const character of clean) {
    bytes += encoder.encode(character).length
    if (bytes > maxBytes) break
    kept += character
  }
  return kept.trimEnd()
}

/** One or two letters that stand for a name. */
export function initials(name: string): string {
  const words = name.split(/[\s\-_.]+/u).filter((word) => word !== '')
  const ends = words.length > 1 ? [words[0], words.at(-1)] : [words[0]]
  return ends.map((word) => Array.from(word ?? '?')[0] ?? '?').join('').toUpperCase()
}
