// Finds the faults of an app in what it gives, where they are made and not where they show.
import { SignalError } from './errors.ts'
import type { ChannelOptions, JoinOptions } from './options.ts'

/** The most channels: what every browser can number. */
const channelLimit = 100

/** The most characters of a channel's name. */
const nameLimit = 128

/** Sizes of messages go over the wire in 32 bits. */
const maxMessageLimit = 2 ** 32 - 1

/** Throws a TypeError or RangeError that says what is wrong with the options, or a SignalError `bad_room`. */
export function checkOptions({ server, room, channels, maxMessage, iceTransportPolicy, token }: JoinOptions): void {
  checkServer(server)
  if (typeof room !== 'string' || !/^[\w.~-]{1,128}$/.test(room) || room === '.' || room === '..') {
    throw new SignalError('bad_room', 'a room name is 1 to 128 characters of A-Z a-z 0-9 - . _ ~, and not . or ..')
  }
  if (!isObject(channels)) throw new TypeError('channels must be an object of channel options by name')
  const names = Object.keys(channels)
  if (names.length > channelLimit) throw new RangeError(`${names.length} channels are too many: ${channelLimit} is the most`)
  for (const name of names) checkChannel(name, channels[name])
  if (maxMessage !== undefined && !isWhole(maxMessage, 1, maxMessageLimit)) {
    throw new RangeError(`maxMessage must be a whole number from 1 to ${maxMessageLimit}, and is ${String(maxMessage)}`)
  }
  if (iceTransportPolicy !== undefined && iceTransportPolicy !== 'all' && iceTransportPolicy !== 'relay') {
    throw new TypeError(`iceTransportPolicy must be “all” or “relay”, and is “${String(iceTransportPolicy)}”`)
  }
  if (token !== undefined && typeof token !== 'function') throw new TypeError('token must be a function that returns the token')
}

/** A name without a scheme would be taken for a path below the page's own: what is meant must be said. */
function checkServer(server: string | URL): void {
  const text = String(server)
  const words = `server must be an http or https URL, or a path that begins with / or ., and is “${text}”`
  if (!/^(https?:\/\/|[/.])/i.test(text)) throw new TypeError(words)
  try {
    const { protocol } = new URL(text, globalThis.location?.href)
    if (protocol === 'http:' || protocol === 'https:') return
  } catch {
    // It is said below.
  }
  throw new TypeError(words)
}

function checkChannel(name: string, options: ChannelOptions | undefined): void {
  if (name.length > nameLimit) throw new RangeError(`the channel name “${name.slice(0, 20)}…” has more than ${nameLimit} characters`)
  if (!isObject(options)) throw new TypeError(`the options of channel “${name}” must be an object, such as {}`)
  const { ordered, maxRetransmits, latestOnly } = options
  for (const [key, value] of Object.entries({ ordered, latestOnly })) {
    if (value !== undefined && typeof value !== 'boolean') throw new TypeError(`${key} of channel “${name}” must be true or false`)
  }
  if (maxRetransmits !== undefined && !isWhole(maxRetransmits, 0, 65_535)) {
    throw new RangeError(`maxRetransmits of channel “${name}” must be a whole number from 0 to 65535`)
  }
}

/** Throws when a message could never be sent, whatever the state of its channel. */
export function checkMessage(channels: JoinOptions['channels'], maxMessage: number, channel: string, { length }: Uint8Array): void {
  if (!Object.hasOwn(channels, channel)) throw new TypeError(`the room was joined without a channel “${channel}”`)
  if (length > maxMessage) throw new RangeError(`a message of ${length} bytes is over the limit of ${maxMessage}, which is the room's maxMessage`)
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isWhole(value: unknown, least: number, most: number): boolean {
  return Number.isInteger(value) && (value as number) >= least && (value as number) <= most
}
