/** Where the waiting times begin and end, in milliseconds. */
export interface BackoffBounds {
  base: number
  cap: number
}

/** The bounds for reaching the server. */
export const signalingBackoff: BackoffBounds = { base: 300, cap: 10_000 }

/**
 * Returns how long to wait before an attempt, in milliseconds: anything between nothing and a bound that doubles with
 * each attempt ("full jitter"), so that clients which lost their server together do not return together.
 *
 * @param attempt how many attempts have failed: 1 or more
 * @param random a number from 0 up to, but not, 1
 * @param retryAfter what the server asked for, in seconds: that is waited at least
 */
export function backoff(attempt: number, random: number, { base, cap }: BackoffBounds, retryAfter?: number): number {
  const bound = Math.min(cap, base * 2 ** Math.min(attempt - 1, 30))
  if (retryAfter !== undefined && retryAfter > 0) return retryAfter * 1000 + random * Math.min(bound, retryAfter * 500)
  return random * bound
}
