import { checkOptions } from './check.ts'
import { LiveRoom } from './live-room.ts'
import type { JoinOptions } from './options.ts'
import type { Room } from './room.ts'

/**
 * Joins a room. Returns at once, connects in the background, and keeps connecting until the room is left, or the server
 * says that no repetition helps (`link` is then `closed`, with the error). Throws at once what is wrong with the options:
 * a TypeError or RangeError in words, or a {@link SignalError} `bad_room`.
 *
 * @example
 * const room = join({ server: location.origin, room: 'garden', name: 'Ada', channels: { chat: {} } })
 * room.on('open', (peer, channel) => peer.send(channel, new TextEncoder().encode('hello')))
 * room.on('message', (peer, channel, data) => show(peer.name, new TextDecoder().decode(data)))
 */
export function join(options: JoinOptions): Room {
  checkOptions(options)
  return new LiveRoom(options)
}
