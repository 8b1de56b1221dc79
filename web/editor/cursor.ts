// Where somebody's caret and selection are, in terms that survive the others' edits: told to the others as JSON, and
// read back with care, since it comes from elsewhere.
import * as Y from 'yjs'
import { textName } from './messages.ts'

/** Offsets in the text; the caret is at the head. */
export interface Span {
  readonly anchor: number
  readonly head: number
}

/** What is told to the others. */
export interface Cursor {
  readonly anchor: unknown
  readonly head: unknown
}

/** A span as a cursor. Each end clings to the text inside; a lone caret to what is before it, which is what its owner typed. */
export function cursorAt(text: Y.Text, { anchor, head }: Span): Cursor {
  const start = anchor === head ? -1 : Math.min(anchor, head)
  const place = (offset: number): unknown =>
    Y.relativePositionToJSON(Y.createRelativePositionFromTypeIndex(text, offset, offset === start ? 0 : -1))
  return { anchor: place(anchor), head: place(head) }
}

/** Where a cursor is now; `unknown` when it points at text that has not arrived, null when it is no cursor. */
export function spanOf(text: Y.Text, cursor: unknown): Span | 'unknown' | null {
  if (typeof cursor !== 'object' || cursor === null) return null
  const { anchor, head } = cursor as Partial<Cursor>
  const ends = [offsetOf(text, anchor), offsetOf(text, head)] as const
  if (ends[0] === null || ends[1] === null) return null
  if (ends[0] === 'unknown' || ends[1] === 'unknown') return 'unknown'
  return { anchor: ends[0], head: ends[1] }
}

function offsetOf(text: Y.Text, place: unknown): number | 'unknown' | null {
  if (typeof place !== 'object' || place === null || text.doc === null) return null
  const { type, tname, item, assoc } = place as Record<string, unknown>
  if (type != null || (tname != null && tname !== textName)) return null
  if (item == null ? tname == null : !isItemId(item)) return null
  if (assoc != null && typeof assoc !== 'number') return null
  const position = Y.createAbsolutePositionFromRelativePosition(Y.createRelativePositionFromJSON(place), text.doc)
  return position === null ? 'unknown' : position.type === text ? position.index : null
}

function isItemId(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  const { client, clock } = value as Record<string, unknown>
  return Number.isSafeInteger(client) && Number.isSafeInteger(clock) && (client as number) >= 0 && (clock as number) >= 0
}
