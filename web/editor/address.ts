// What a page's address says: which room, over which paths, under which name.
import { freshRoomName, roomNameFault } from './roomname.ts'

export type Address =
  | { readonly kind: 'room'; readonly room: string; readonly made: boolean; readonly relayOnly: boolean; readonly name: string | null }
  | { readonly kind: 'bad'; readonly room: string; readonly fault: string }

/** Reads the address of a page, making up a room when it names none. */
export function readAddress(url: URL, random: () => number): Address {
  const named = url.searchParams.get('room')
  const fault = named === null ? null : roomNameFault(named)
  if (named !== null && fault !== null) return { kind: 'bad', room: named, fault }
  return {
    kind: 'room',
    room: named ?? freshRoomName(random),
    made: named === null,
    relayOnly: url.searchParams.get('ice') === 'relay',
    name: url.searchParams.get('name'),
  }
}

/** The address to give to others: the room, and nothing that is one's own. */
export function shareLink(url: URL, room: string): string {
  const link = new URL(url)
  link.hash = ''
  link.search = `?room=${room}`
  return link.href
}

/** This page's own address with the room in it. */
export function ownLink(url: URL, room: string): string {
  const link = new URL(url)
  link.searchParams.set('room', room)
  return link.href
}
