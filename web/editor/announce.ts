import { byId, setText } from './element.ts'

const heardAfter = 4_000 // ms

let timer: ReturnType<typeof setTimeout> | undefined

/** Tells users of screen readers what the eye sees elsewhere; once, and when they are not being told something else. */
export function announce(words: string): void {
  const place = byId('announcement', HTMLElement)
  setText(place, words)
  clearTimeout(timer)
  timer = setTimeout(() => setText(place, ''), heardAfter) // so that the same words can be told again
}
