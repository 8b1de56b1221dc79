/** How a check ended: it works; it works oddly; it does not work; or it could not be tried, or there is nothing to try. */
export type Outcome = 'pass' | 'warn' | 'fail' | 'skipped'

/** One check and how it ended. Its texts are for people and have no secrets. */
export interface Row {
  readonly id: string
  readonly group: string
  readonly title: string
  outcome: Outcome
  ms: number
  /** What was found, in a few words. */
  found?: string
  /** Of a failure or a warning. */
  cause?: string
  cure?: string
}

/** What a check returns. */
export type Result = Pick<Row, 'outcome' | 'found' | 'cause' | 'cure'>

/** All of it in a sentence; `path` is how peers behind this network reach others. */
export interface Verdict {
  readonly outcome: Outcome
  readonly path: 'direct' | 'relay' | 'server' | 'none'
  readonly text: string
}

export const groups = {
  server: 'Server',
  browser: 'This browser',
  links: 'Signaling, each kind of link alone',
  direct: 'Direct paths',
  relay: 'Relayed paths',
  last: 'What lasts',
} as const

export const pass = (found: string): Result => ({ outcome: 'pass', found })
export const warn = (found: string, cause: string, cure: string): Result => ({ outcome: 'warn', ...(found !== '' && { found }), cause, cure })
export const fail = (cause: string, cure: string): Result => ({ outcome: 'fail', cause, cure })
export const skip = (found: string): Result => ({ outcome: 'skipped', found })

/** Milliseconds for people. */
export function duration(ms: number): string {
  if (ms < 10) return `${ms.toFixed(1)} ms`
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`
}

/** Bits in a second for people. */
export function rate(bits: number): string {
  return `${(bits / 1e6).toFixed(bits < 10e6 ? 1 : 0)} Mbit/s`
}

/** Seconds as a length of time for people. */
export function span(seconds: number): string {
  const [size, unit] = seconds >= 7200 ? [3600, 'hours'] : seconds >= 120 ? [60, 'minutes'] : [1, 'seconds']
  return `${Math.round(seconds / size)} ${unit}`
}
