// In place of sources.ts in pages that have the whole client in their own bundle.
import { Relay } from './relay.ts'
import type { sources as loaded } from './sources.ts'
import { Keyring, Trust } from './trust.ts'

export const sources: typeof loaded = {
  relay: async () => ({ Relay }),
  trust: async () => ({ Keyring, Trust }),
}
