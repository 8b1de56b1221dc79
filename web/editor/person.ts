// What is known of each of the others, put into words.
import type { Peer } from '../client/index.ts'
import { readIdentity, type Identity } from './identity.ts'
import { colours, type Colour } from './palette.ts'

/** One of the others, as the list shows it. */
export interface Person {
  readonly id: string
  readonly name: string
  readonly colour: Colour
  readonly chosen: boolean
  readonly state: Peer['state']
  readonly path: 'direct' | 'relay' | null
  /** How the connection is doing, in words. */
  readonly way: string
  /** What the pointer is told: more than there is room for. */
  readonly detail: string
  /** Bad news, or nothing. */
  readonly warning: string
}

/** What the page knows beside the room. */
export interface Knowledge {
  /** Who the peer says it is, over its own channel; fresher than the roster. */
  readonly identity: Identity | null
  readonly synced: boolean
  readonly dropped: number
}

/** Whether a peer belongs in the list: one that says goodbye does not. */
export function isThere(peer: Peer): boolean {
  return peer.presence !== 'leaving'
}

export function personOf(peer: Peer, { identity, synced, dropped }: Knowledge): Person {
  const roster = readIdentity({ ...(peer.meta as object | null | undefined), name: peer.name })
  const nobody: Identity = { name: peer.name ?? 'Somebody', colour: colourFor(peer.id), chosen: false }
  const { name, colour, chosen } = identity ?? roster ?? nobody
  const path = peer.state === 'connected' ? (peer.path?.kind ?? null) : null
  return {
    id: peer.id,
    name,
    colour,
    chosen,
    state: peer.state,
    path,
    way: wayOf(peer, synced),
    detail: detailOf(peer),
    warning: dropped === 0 ? '' : `${dropped} unreadable ${dropped === 1 ? 'message' : 'messages'} ignored`,
  }
}

function wayOf(peer: Peer, synced: boolean): string {
  switch (peer.state) {
    case 'connecting':
      return 'connecting…'
    case 'reconnecting':
      return 'reconnecting…'
    case 'closed':
      return 'not connected'
    case 'connected': {
      const parts = [peer.path?.kind ?? 'connected']
      if (peer.path !== null && peer.path.rtt !== null) parts.push(milliseconds(peer.path.rtt))
      if (!synced) parts.push('fetching the text…')
      return parts.join(' · ')
    }
  }
}

function milliseconds(rtt: number): string {
  return rtt < 1 ? '< 1 ms' : `${Math.round(rtt)} ms`
}

function detailOf({ state, path, presence }: Peer): string {
  const parts: string[] = []
  if (state === 'connected' && path !== null) {
    const over = path.protocol === undefined ? '' : ` over ${path.protocol.toUpperCase()}`
    parts.push(path.kind === 'direct' ? `Edits go directly between the browsers${over}` : `Edits go through the relay${over}, encrypted`)
  }
  if (presence === 'away') parts.push('not seen by the signaling server just now')
  return parts.join('; ')
}

/** A colour for somebody who named none, always the same one. */
function colourFor(id: string): Colour {
  const sum = Array.from(id).reduce((total, character) => total + (character.codePointAt(0) ?? 0), 0)
  return colours[sum % colours.length] ?? 'teal'
}
