// Which texts this browser keeps, so that those of long ago make room: beyond a number of texts the one opened longest
// ago goes first, and whatever was not opened for a season goes in any case.
import { recall, remember, type Shelf } from './shelf.ts'

const key = 'parley.texts'
const most = 100 // texts
const season = 120 * 24 * 3_600_000 // ms

/** The names of databases, and when each was last opened, in milliseconds since 1970. */
type Opened = Record<string, number>

/** Notes that a text is open now; returns the databases to remove, which are no longer on the list. */
export function noteOpened(shelf: Shelf | null, database: string, now: number): string[] {
  const opened: Opened = { ...read(shelf), [database]: now }
  const latest = Object.entries(opened).sort(([, a], [, b]) => b - a)
  const kept = latest.filter(([, at], i) => i < most && now - at < season)
  remember(shelf, key, JSON.stringify(Object.fromEntries(kept)))
  return latest.slice(kept.length).map(([name]) => name)
}

function read(shelf: Shelf | null): Opened {
  try {
    const stored: unknown = JSON.parse(recall(shelf, key) ?? '{}')
    if (typeof stored !== 'object' || stored === null) return {}
    return Object.fromEntries(Object.entries(stored).filter((entry): entry is [string, number] => typeof entry[1] === 'number'))
  } catch {
    return {}
  }
}
