// The little that the browser remembers beside texts: settings, and which texts there are.

/** The part of `localStorage` that is needed. */
export type Shelf = Pick<Storage, 'getItem' | 'setItem'>

/** The browser's storage, or null where it is forbidden. */
export function openShelf(): Shelf | null {
  try {
    return localStorage
  } catch {
    return null
  }
}

/** What was remembered under this key, or null. */
export function recall(shelf: Shelf | null, key: string): string | null {
  try {
    return shelf?.getItem(key) ?? null
  } catch {
    return null
  }
}

/** Remembers something, where the browser lets us; else it lasts as long as the page. */
export function remember(shelf: Shelf | null, key: string, value: string): void {
  try {
    shelf?.setItem(key, value)
  } catch {
    // Full or forbidden.
  }
}
