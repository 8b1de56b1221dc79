import { codes } from './codes.ts'
import type { SignalError } from './errors.ts'

/** What to do after a join was refused or a link ended. */
export type Remedy =
  | 'stop'
  /** The same again, after a wait: the same join, or another link to the same session. */
  | 'again'
  /** Another join, wanting the same peer id. */
  | 'rejoin'
  /** Another join that wants no particular peer id and resumes nothing. */
  | 'start over'

/** Refusals of a join that time may heal, whatever their status. */
const passing = new Set(['room_full', 'too_many_sessions', 'rate_limited', 'busy', 'network', 'protocol'])

/** Decides after a join was refused. */
export function afterRefusedJoin({ code, retry }: SignalError, wantedPeer: boolean): Remedy {
  if (code === 'attempt_reused' || code === 'left' || retry === 'rejoin') return 'rejoin'
  if (code === 'resume_used') return 'start over'
  if (code === 'peer_taken') return wantedPeer ? 'start over' : 'rejoin'
  return passing.has(code) || retry !== 'never' ? 'again' : 'stop'
}

/** Decides after a link ended. */
export function afterEndedLink({ code, retry }: SignalError): Remedy {
  // This page has not left, or nobody would ask: its own farewell was taken back, as by a return from the page cache.
  if (code === 'left') return 'rejoin'
  return retry === 'never' ? 'stop' : retry === 'rejoin' ? 'rejoin' : 'again'
}

/** Whether the session is over by a refusal; some say only that a request was not understood, by what is in the way perhaps. */
export function endsSession({ code, retry }: SignalError): boolean {
  return retry !== 'resume' && codes[code as keyof typeof codes] !== 0
}
