// In place of sources.ts in pages that have the whole client in their own bundle.
import { PartialMesh } from './partial-mesh.ts'
import { Relay } from './relay.ts'
import type { sources as loaded } from './sources.ts'
import { Keyring, Trust } from './trust.ts'

export const sources: typeof loaded = {
  mesh: async () => ({ PartialMesh }),
  relay: async () => ({ Relay }),
  trust: async () => ({ Keyring, Trust }),
}
