import { backoff } from './backoff.ts'
import { SignalError } from './errors.ts'
import type { Environment } from './options.ts'
import { randomNumber } from './random.ts'
import { sources, type Parts } from './sources.ts'

/** The waits between attempts, in milliseconds: a network may be gone for long. */
const bounds = { base: 500, cap: 30_000 }

/** After so many attempts the app is told. */
const told = 3

/** What loading is told and tells. */
export interface LoadEvents {
  /** Whether the part is needed yet. */
  isNeeded(): boolean
  /** It does not come; it is tried on and on. */
  fault(error: SignalError): void
}

/** Loads a part, again and again until it is there or nobody needs it. */
export async function loadPart<Name extends keyof Parts>(name: Name, { clock, random }: Environment, events: LoadEvents): Promise<Parts[Name]> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await sources[name](attempt)
    } catch (cause) {
      if (!events.isNeeded()) return new Promise(() => {})
      const { message } = SignalError.of(cause)
      if (attempt === told) events.fault(new SignalError('network', `the part of the client for ${purposes[name]} cannot be loaded: ${message}`))
    }
    await new Promise<void>((resolve) => clock.after(backoff(attempt, randomNumber(random), bounds), resolve))
  }
}

const purposes: { readonly [Name in keyof Parts]: string } = {
  mesh: 'rooms of more than 12 peers',
  relay: 'messages through the server',
  trust: "the room's key",
}
