// Names of properties that never leave the client: its minified modules call them something shorter. esbuild renames what
// is private by its syntax (#name); these are what the client's own files call each other by.
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'

const names = (
  'acked ackIsDue adopt answered begunAt calm canSignal disturbed drained emit frameLimit hasKey hasWebRTC health heard ' +
  'isDrained isDue isFirst isHeard isHeld isHidden isLinked isMeshed isNear isOpen isOpening isPosting isPrompt isProven ' +
  'isRelayed isShort isTaken isUsed isWanted keyring leaveSoftly near nextCount nextSerial notice offered openChannels ' +
  'owe owesAck pinged probe prove reply resend restored rewind rhythm rung setup signalingIsBack strays stuck tick told ' +
  'woke'
).split(' ')

/** What esbuild is told to rename, and into what: the same in every module. */
export const renaming = {
  mangleProps: new RegExp(`^(?:${names.join('|')})$`),
  mangleCache: Object.fromEntries(names.map((name, i) => [name, `$${i.toString(36)}`])),
}

/** Throws when a name is not internal: when the client's types have it, or the vectors of what goes over the wire. */
export async function checkInternal(types, vectors) {
  const files = (await readdir(vectors)).filter((name) => name.endsWith('.json'))
  const wire = await Promise.all(files.map((name) => readFile(join(vectors, name), 'utf8')))
  const members = [...types.matchAll(/^ +(?:readonly )?(\w+)\??[:(]/gm), ...wire.join().matchAll(/"(\w+)":/g)]
  const known = new Set(members.map((match) => match[1]))
  const faults = names.filter((name) => known.has(name))
  if (faults.length > 0) throw new Error(`these names are not internal to the client: ${faults.join(', ')}`)
}
