// Finds the faults of an app in what it gives, where they are made and not where they show.
import { SignalError } from './errors.ts'
import { isFields, isText } from './frames.ts'
import { parseKey } from './key.ts'
import { linkKinds } from './link.ts'
import type { JoinOptions } from './options.ts'

/** The most channels: what every browser can number. */
const channelLimit = 100

/** The most characters of a channel's name. */
const nameLimit = 128

/** What a value must be, in words, too. */
type Rule = readonly [is: (value: unknown) => boolean, words: string, Fault?: ErrorConstructor]
type Rules = { readonly [name: string]: Rule }

const flag: Rule = [(value) => typeof value === 'boolean', 'true or false']

function whole(least: number, most: number): Rule {
  return [(value) => Number.isInteger(value) && (value as number) >= least && (value as number) <= most, `a whole number from ${least} to ${most}`, RangeError]
}

const ofRoom: Rules = {
  maxMessage: /* @__PURE__ */ whole(1, 2 ** 32 - 1), // sizes go over the wire in 32 bits
  iceTransportPolicy: [(value) => value === 'all' || value === 'relay', '“all” or “relay”'],
  links: [
    (value) => Array.isArray(value) && value.length > 0 && value.every((kind) => linkKinds.includes(kind)),
    `a list of ${linkKinds.join(', ')}`,
  ],
  token: [(value) => typeof value === 'function', 'a function that returns the token'],
  allowUnverified: flag,
  serverRelay: flag,
}
const ofChannel: Rules = { ordered: flag, latestOnly: flag, maxRetransmits: /* @__PURE__ */ whole(0, 65_535) }
const server: Rule = [isServer, 'an http or https URL, or a path that begins with / or .']
const channelList: Rule = [isFields, 'an object of channel options by name']
const channelOptions: Rule = [isFields, 'an object, such as {}']

/** Throws a TypeError or RangeError that says what is wrong with the options, or a SignalError `bad_room`. */
export function checkOptions(options: JoinOptions): void {
  const { room, channels, key } = options
  must('server', options.server, server)
  if (!isText(room) || !/^[\w.~-]{1,128}$/.test(room) || room === '.' || room === '..') {
    throw new SignalError('bad_room', 'a room name is 1 to 128 characters of A-Z a-z 0-9 - . _ ~, and not . or ..')
  }
  must('channels', channels, channelList)
  const names = Object.keys(channels)
  if (names.length > channelLimit) throw new RangeError(`${names.length} channels are too many: ${channelLimit} is the most`)
  for (const name of names) {
    if (name.length > nameLimit) throw new RangeError(`a channel name must be at most ${nameLimit} characters, and is “${name.slice(0, 20)}…”`)
    must(`the options of channel “${name}”`, channels[name], channelOptions)
    mayHave(channels[name]!, ofChannel, ` of channel “${name}”`)
  }
  mayHave(options, ofRoom)
  if (key !== undefined) parseKey(key)
  checkMeta(options.meta)
}

/** What cannot be written as JSON is the app's fault, and would be sent again and again. */
export function checkMeta(meta: unknown): void {
  try {
    JSON.stringify(meta)
  } catch (cause) {
    throw new TypeError(`meta cannot be written as JSON: ${(cause as Error).message}`)
  }
}

/** Checks the options that are there. */
function mayHave(options: object, rules: Rules, ofWhat = ''): void {
  for (const [name, rule] of Object.entries(rules)) {
    const value = options[name as keyof object] as unknown
    if (value !== undefined) must(name + ofWhat, value, rule)
  }
}

/** Throws in words, and names the value. */
function must(what: string, value: unknown, [is, words, Fault = TypeError]: Rule): void {
  if (!is(value)) throw new Fault(`${what} must be ${words}, and is “${String(value)}”`)
}

/** Of a name without a scheme is not known what is meant: it would be taken for a path below the page's own. */
function isServer(value: unknown): boolean {
  try {
    const text = String(value)
    return /^(https?:\/\/|[/.])/i.test(text) && /^https?:$/.test(new URL(text, globalThis.location?.href).protocol)
  } catch {
    return false
  }
}

/** Throws when a message could never be sent, whatever the state of its channel. */
export function checkMessage(channels: JoinOptions['channels'], maxMessage: number, channel: string, { length }: Uint8Array): void {
  if (!Object.hasOwn(channels, channel)) throw new TypeError(`the room was joined without a channel “${channel}”`)
  if (length > maxMessage) throw new RangeError(`a message of ${length} bytes is over the limit of ${maxMessage}, which is the room's maxMessage`)
}
