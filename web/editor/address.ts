// What a page's address says: which room, over which paths, under which name.
import { fragmentOf, freshAccess, readAccess, type Access } from './access.ts'
import { freshRoomName, roomNameFault } from './roomname.ts'

export type Address =
  | {
      readonly kind: 'room'
      readonly room: string
      readonly made: boolean
      readonly relayOnly: boolean
      readonly name: string | null
      readonly access: Access
    }
  | { readonly kind: 'bad-room'; readonly room: string; readonly fault: string }
  | { readonly kind: 'bad-key'; readonly room: string; readonly fault: string }

/** Reads the address of a page, making up a room with keys of its own when it names none. */
export function readAddress(url: URL, random: () => number, bytes: (array: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>): Address {
  const named = url.searchParams.get('room')
  const fault = named === null ? null : roomNameFault(named)
  if (named !== null && fault !== null) return { kind: 'bad-room', room: named, fault }
  const access = named === null ? freshAccess(bytes) : readAccess(url.hash)
  if (access.kind === 'bad') return { kind: 'bad-key', room: named ?? '', fault: access.fault }
  return {
    kind: 'room',
    room: named ?? freshRoomName(random),
    made: named === null,
    relayOnly: url.searchParams.get('ice') === 'relay',
    name: url.searchParams.get('name'),
    access,
  }
}

/** The address to give to others: the room with its keys, and nothing that is one's own. */
export function shareLink(url: URL, room: string, access: Access): string {
  const link = new URL(url)
  link.hash = fragmentOf(access)
  link.search = `?room=${room}`
  return link.href
}

/** This page's own address with the room and its keys in it. */
export function ownLink(url: URL, room: string, access: Access): string {
  const link = new URL(url)
  link.hash = fragmentOf(access)
  link.searchParams.set('room', room)
  return link.href
}
