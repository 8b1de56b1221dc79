// Where the parts are that not everybody needs. Each imports no code of the client but what is tiny, so that none waits
// for a third module: what a part needs of the client it is given. The builds put other addresses in place of this file.
import type * as mesh from './partial-mesh.ts'
import type * as relay from './relay.ts'
import type * as trust from './trust.ts'

/** The parts by name. */
export interface Parts {
  mesh: typeof mesh
  relay: typeof relay
  trust: typeof trust
}

/** Loads them; another attempt may ask under another address, since some browsers remember what failed. */
export const sources: { readonly [Name in keyof Parts]: (attempt: number) => Promise<Parts[Name]> } = {
  mesh: () => import('./partial-mesh.ts'),
  relay: () => import('./relay.ts'),
  trust: () => import('./trust.ts'),
}
