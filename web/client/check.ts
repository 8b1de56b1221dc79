// Finds the faults of an app in what it gives, where they are made and not where they show.
import { SignalError } from './errors.ts'
import { isFields, isText } from './frames.ts'
import { parseKey } from './key.ts'
import { linkKinds } from './link.ts'
import type { ChannelOptions, JoinOptions } from './options.ts'

/** The most channels: what every browser can number. */
const channelLimit = 100

/** The most characters of a channel's name. */
const nameLimit = 128

/** Sizes of messages go over the wire in 32 bits. */
const maxMessageLimit = 2 ** 32 - 1

/** Throws a TypeError or RangeError that says what is wrong with the options, or a SignalError `bad_room`. */
export function checkOptions({ server, room, channels, maxMessage, iceTransportPolicy, links, token, key, allowUnverified, serverRelay }: JoinOptions): void {
  must(isServer(String(server)), 'server', 'an http or https URL, or a path that begins with / or .', server)
  if (!isText(room) || !/^[\w.~-]{1,128}$/.test(room) || room === '.' || room === '..') {
    throw new SignalError('bad_room', 'a room name is 1 to 128 characters of A-Z a-z 0-9 - . _ ~, and not . or ..')
  }
  must(isFields(channels), 'channels', 'an object of channel options by name', channels)
  const names = Object.keys(channels)
  if (names.length > channelLimit) throw new RangeError(`${names.length} channels are too many: ${channelLimit} is the most`)
  for (const name of names) checkChannel(name, channels[name])
  checkWhole('maxMessage', maxMessage, 1, maxMessageLimit)
  must(iceTransportPolicy === undefined || /^(all|relay)$/.test(iceTransportPolicy), 'iceTransportPolicy', '“all” or “relay”', iceTransportPolicy)
  const isLinks = links === undefined || (Array.isArray(links) && links.length > 0 && links.every((kind) => linkKinds.includes(kind)))
  must(isLinks, 'links', `a list of ${linkKinds.join(', ')}`, links)
  must(token === undefined || typeof token === 'function', 'token', 'a function that returns the token', token)
  for (const [name, value] of Object.entries({ allowUnverified, serverRelay })) {
    must(value === undefined || typeof value === 'boolean', name, 'true or false', value)
  }
  if (key !== undefined) parseKey(key)
}

/** Throws in words, and names the value. */
function must(holds: boolean, what: string, words: string, value: unknown, Fault: ErrorConstructor = TypeError): void {
  if (!holds) throw new Fault(`${what} must be ${words}, and is “${String(value)}”`)
}

/** Of a name without a scheme is not known what is meant: it would be taken for a path below the page's own. */
function isServer(text: string): boolean {
  try {
    return /^(https?:\/\/|[/.])/i.test(text) && /^https?:$/.test(new URL(text, globalThis.location?.href).protocol)
  } catch {
    return false
  }
}

function checkChannel(name: string, options: ChannelOptions | undefined): void {
  const channel = `channel “${name.slice(0, nameLimit)}”`
  must(name.length <= nameLimit, 'a channel name', `at most ${nameLimit} characters`, name.slice(0, 20), RangeError)
  must(isFields(options), `the options of ${channel}`, 'an object, such as {}', options)
  const { maxRetransmits, ...flags } = options!
  for (const key of ['ordered', 'latestOnly'] as const) {
    must(/^(boolean|undefined)$/.test(typeof flags[key]), `${key} of ${channel}`, 'true or false', flags[key])
  }
  checkWhole(`maxRetransmits of ${channel}`, maxRetransmits, 0, 65_535)
}

function checkWhole(what: string, value: number | undefined, least: number, most: number): void {
  const holds = value === undefined || (Number.isInteger(value) && value >= least && value <= most)
  must(holds, what, `a whole number from ${least} to ${most}`, value, RangeError)
}

/** Throws when a message could never be sent, whatever the state of its channel. */
export function checkMessage(channels: JoinOptions['channels'], maxMessage: number, channel: string, { length }: Uint8Array): void {
  if (!Object.hasOwn(channels, channel)) throw new TypeError(`the room was joined without a channel “${channel}”`)
  if (length > maxMessage) throw new RangeError(`a message of ${length} bytes is over the limit of ${maxMessage}, which is the room's maxMessage`)
}
