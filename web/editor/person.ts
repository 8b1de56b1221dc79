// What is known of each of the others, put into words.
import type { Path, Peer } from '../client/index.ts'
import { readIdentity, type Identity } from './identity.ts'
import { colours, type Colour } from './palette.ts'

/** How edits get there: straight, by a TURN relay, with the signaling server's own messages, or from peer to peer. */
export type Way = 'direct' | 'relay' | 'server' | 'mesh'

/** One of the others, as the list shows it. */
export interface Person {
  readonly id: string
  readonly name: string
  readonly colour: Colour
  readonly chosen: boolean
  readonly state: Peer['state']
  readonly path: Way | null
  /** Kept apart: one side has no key of the text, or another one, or cannot use it. */
  readonly refused: boolean
  /** Kept apart as long as nobody here lets them in. */
  readonly admissible: boolean
  /** How the connection is doing, in words. */
  readonly way: string
  /** What the pointer is told: more than there is room for. */
  readonly detail: string
  /** Bad news, or nothing. */
  readonly warning: string
  /** Told us everything, and is told everything. */
  readonly inSync: boolean
  /** By which their caret is known; null as long as they have not said. */
  readonly client: number | null
}

/** What the page knows beside the room. */
export interface Knowledge {
  /** Who the peer says it is, over its own channel; fresher than the roster. */
  readonly identity: Identity | null
  readonly inSync: boolean
  readonly client: number | null
  /** This page has a key and cannot use it: others may not let it in. */
  readonly isBare: boolean
  /** Messages that could not be read. */
  readonly dropped: number
  /** Edits that nobody signed who may write, and so were dropped. */
  readonly unsigned: number
}

/** Whether a peer belongs in the list: one that says goodbye does not. */
export function isThere(peer: Peer): boolean {
  return peer.presence !== 'leaving'
}

export function personOf(peer: Peer, { identity, inSync, client, isBare, dropped, unsigned }: Knowledge): Person {
  const roster = readIdentity({ ...(peer.meta as object | null | undefined), name: peer.name })
  const nobody: Identity = { name: peer.name ?? 'Somebody', colour: colourFor(peer.id), chosen: false }
  const { name, colour, chosen } = identity ?? roster ?? nobody
  return {
    id: peer.id,
    name,
    colour,
    chosen,
    state: peer.state,
    path: peer.state === 'connected' && peer.path !== null ? wayIs(peer.path.kind) : null,
    refused: isRefused(peer),
    admissible: peer.trust === 'unsigned' && isRefused(peer),
    way: wayOf(peer, inSync, isBare),
    detail: detailOf(peer),
    warning: warningOf(peer, dropped, unsigned),
    inSync: peer.state === 'connected' && inSync,
    client,
  }
}

/** Kinds of paths that are not known here yet are named as what they are not: direct. */
function wayIs(kind: string): Way {
  return kind === 'direct' || kind === 'server' || kind === 'mesh' ? kind : 'relay'
}

/** What is connected all the same is told by its path. */
function isRefused({ state, trust }: Peer): boolean {
  return state === 'connecting' && (trust === 'refused' || trust === 'unsigned')
}

function wayOf(peer: Peer, inSync: boolean, isBare: boolean): string {
  if (isRefused(peer)) return peer.trust === 'unsigned' ? 'cannot be verified' : isBare ? 'does not let you in' : 'no key in common'
  switch (peer.state) {
    case 'connecting':
      return 'connecting…'
    case 'reconnecting':
      return 'reconnecting…'
    case 'closed':
      return 'not connected'
    case 'connected': {
      const parts = [pathInWords(peer.path)]
      if (peer.path !== null && peer.path.rtt !== null) parts.push(milliseconds(peer.path.rtt))
      if (!inSync) parts.push('fetching the text…')
      return parts.join(' · ')
    }
  }
}

function pathInWords(path: Path | null): string {
  if (path === null) return 'connected'
  const kind: string = path.kind
  switch (kind) {
    case 'direct':
      return 'direct'
    case 'relay':
      return path.protocol === undefined ? 'relay' : `relay over ${path.protocol.toUpperCase()}`
    case 'server':
      return 'through the server'
    case 'mesh':
      return 'through other peers'
    default:
      return kind
  }
}

function milliseconds(rtt: number): string {
  return rtt < 1 ? '< 1 ms' : `${Math.round(rtt)} ms`
}

function detailOf(peer: Peer): string {
  const { state, path, presence } = peer
  const parts: string[] = []
  if (isRefused(peer)) parts.push('One of you has no key for this text, or another one, or cannot use it, as on a page over plain http')
  if (state === 'connected' && path !== null) {
    const over = path.protocol === undefined ? '' : ` over ${path.protocol.toUpperCase()}`
    const how: Record<Way, string> = {
      direct: `Edits go directly between the browsers${over}`,
      relay: `Edits go through the relay${over}, encrypted`,
      server: 'Edits go through the signaling server, which is slower',
      mesh: 'There are too many to connect to each: edits are passed on by the browsers of others',
    }
    parts.push(how[wayIs(path.kind)])
  }
  if (presence === 'away') parts.push('not seen by the signaling server just now')
  return parts.join('; ')
}

function warningOf(peer: Peer, dropped: number, unsigned: number): string {
  const parts: string[] = []
  if (peer.state === 'connected' && peer.trust === 'unverified') parts.push('not verified')
  if (isRefused(peer) && peer.trust === 'unsigned') {
    parts.push('kept out: their page came over plain http, or their link has no key. Ask them before you let them in: it could be anybody, and the server could read along')
  }
  if (peer.trust === 'refused') parts.push('refused: their link and this one have different keys, or the server changed what was said')
  if (unsigned > 0) parts.push(`${unsigned} ${unsigned === 1 ? 'change' : 'changes'} without a valid signature ignored`)
  if (dropped > 0) parts.push(`${dropped} unreadable ${dropped === 1 ? 'message' : 'messages'} ignored`)
  return parts.join('; ')
}

/** A colour for somebody who named none, always the same one. */
function colourFor(id: string): Colour {
  const sum = Array.from(id).reduce((total, character) => total + (character.codePointAt(0) ?? 0), 0)
  return colours[sum % colours.length] ?? 'teal'
}
