import { isFields, isText } from './frames.ts'

/** What a page leaves for the one that follows it in the same tab: who it was, and the proof of it. */
export interface Keepsake {
  peer: string
  resume: string
}

/** The storage to use: the tab's own, where there is one and it may be used. */
export function tabStorage(): Storage | null {
  try {
    return globalThis.sessionStorage ?? null
  } catch {
    return null
  }
}

/** Takes the keepsake out of the storage, so that a duplicated tab, which gets a copy of the storage, finds none. */
export function takeKeepsake(storage: Storage | null, key: string): Keepsake | null {
  try {
    const text = storage?.getItem(key) ?? null
    if (text === null) return null
    storage?.removeItem(key)
    const value: unknown = JSON.parse(text)
    return isFields(value) && isText(value.peer) && isText(value.resume) ? { peer: value.peer, resume: value.resume } : null
  } catch {
    return null
  }
}

/** Leaves a keepsake. */
export function leaveKeepsake(storage: Storage | null, key: string, keepsake: Keepsake): void {
  try {
    storage?.setItem(key, JSON.stringify(keepsake))
  } catch {
    // A storage that is full or forbidden costs the peer id at a reload, and nothing else.
  }
}
