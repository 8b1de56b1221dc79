// A page with nothing but the client in it, which the server shows in place of the editor.
import { mkdtemp, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { browserBuild } from '../../web/bundle.mjs'

const web = fileURLToPath(new URL('../../web', import.meta.url))
const { build } = createRequire(new URL('../../web/package.json', import.meta.url))('esbuild')

/** What the page's scripts find as `parley`: the client, and the parts of it that are tested alone. */
const entry = `
import { environment } from './client/environment.ts'
import { join } from './client/index.ts'
export { Connection } from './client/connection.ts'
export { RemotePeer } from './client/remote-peer.ts'
export { environment }

/** An environment that keeps what it makes: connections and their channels. */
export function observed(more = {}) {
  const made = { connections: [], channels: [] }
  if (globalThis.RTCPeerConnection === undefined) return { ...made, environment: more }
  class Observed extends RTCPeerConnection {
    constructor(configuration) {
      super(configuration)
      made.connections.push(this)
    }
    createDataChannel(label, init) {
      const channel = super.createDataChannel(label, init)
      made.channels.push(channel)
      return channel
    }
  }
  return { ...made, environment: { ...more, RTCPeerConnection: Observed } }
}

/** Stops packets, as far as connections learn no addresses from now on; they do when packets pass again. */
export function block() {
  const { prototype } = RTCPeerConnection
  const { addIceCandidate, setRemoteDescription } = prototype
  const held = []
  prototype.addIceCandidate = function (candidate) {
    held.push([this, candidate])
    return Promise.resolve()
  }
  prototype.setRemoteDescription = function ({ type, sdp }) {
    return setRemoteDescription.call(this, { type, sdp: sdp.replace(/^a=(candidate|end-of-candidates).*\\r\\n/gm, '') })
  }
  pass = () => {
    Object.assign(prototype, { addIceCandidate, setRemoteDescription })
    for (const [connection, candidate] of held) if (connection.signalingState !== 'closed') connection.addIceCandidate(candidate)
  }
}
export let pass = () => {}

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

export async function until(what, condition, within = 15000) {
  const end = Date.now() + within
  while (!(await condition())) {
    if (Date.now() > end) throw new Error('waited ' + within + ' ms in vain: ' + what)
    await sleep(5)
  }
}

/** Joins a room in this page, keeping what happens in it. */
export function member(room, options = {}) {
  const seen = observed(options.environment)
  const { environment: _, blocked, ...others } = options
  const it = join({ server: location.origin, room, channels: { text: {} }, storage: null, environment: seen.environment, ...others })
  const log = []
  const messages = []
  it.on('joined', (peer) => log.push('joined ' + peer.id))
  it.on('left', (peer, reason) => log.push('left ' + peer.id + ' ' + reason))
  it.on('open', (peer, channel) => log.push('open ' + channel))
  it.on('error', (error) => log.push('error ' + error.code + ': ' + error.message))
  it.on('changed', (peer) => { if (log.at(-1) !== peer.state) log.push(peer.state) })
  it.on('message', (peer, channel, data) => messages.push({ from: peer.id, channel, data }))
  return { room: it, log, messages, ...seen }
}

/** Whether each of the members is connected to all of the others. */
export function meshed(...members) {
  return members.every(({ room }) => room.peers.size === members.length - 1 && [...room.peers.values()].every((peer) => peer.state === 'connected'))
}

export const text = (data) => new TextDecoder().decode(data)
export const bytes = (text) => new TextEncoder().encode(text)

/** Bytes that tell their size and beginning, so that a wrong order or a lost piece shows. */
export function pattern(size, seed = size) {
  const data = new Uint8Array(size)
  for (let i = 0; i < size; i++) data[i] = (i * 31 + seed * 17 + (i >> 8)) & 255
  return data
}

export const same = (a, b) => a.length === b.length && a.every((byte, i) => byte === b[i])
`

/** Builds the page into a folder of its own, which it returns. */
export async function clientPage() {
  const folder = await mkdtemp(join(tmpdir(), 'parley-client-page-'))
  await build({
    ...browserBuild,
    stdin: { contents: entry, resolveDir: web, sourcefile: 'entry.js' },
    outfile: join(folder, 'client.js'),
    format: 'iife',
    globalName: 'parley',
    minify: false,
  })
  await writeFile(join(folder, 'index.html'), '<!doctype html><title>client</title><script src="client.js"></script>')
  return folder
}
