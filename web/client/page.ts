/** What happens to the page around a room. */
export interface PageEvents {
  /** The network or the page is back: what was believed about connections may be wrong. */
  woke(): void
  /** The page is going away, for good or into the browser's cache. */
  hidden(): void
  /** The page is back out of the browser's cache, its connections dead. */
  restored(): void
}

/** Listens to the page, where there is one; returns what stops it. */
export function watchPage(events: PageEvents): () => void {
  if (typeof window === 'undefined' || typeof document === 'undefined') return () => {}
  const stop = new AbortController()
  const options = { signal: stop.signal }
  window.addEventListener('online', () => events.woke(), options)
  window.addEventListener('pagehide', () => events.hidden(), options)
  window.addEventListener('pageshow', ({ persisted }) => (persisted ? events.restored() : events.woke()), options)
  const shown = () => {
    if (document.visibilityState === 'visible') events.woke()
  }
  document.addEventListener('visibilitychange', shown, options)
  return () => stop.abort()
}
