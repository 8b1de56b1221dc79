// Who takes part: its own server as a process, and the bare page on its own client.
import { spawn } from 'node:child_process'
import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { connect, createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { binary } from '../../test/browser/server.mjs'

const here = dirname(fileURLToPath(import.meta.url))
const modules = join(here, 'node_modules')
const startWithin = 30_000 // ms
const { version } = createRequire(import.meta.url)('node:process')

/** The command that serves each on a port of 127.0.0.1. */
const commands = {
  parley: async (port) => [await binary(), '--listen', `127.0.0.1:${port}`, '--no-relay', '--log-level', 'error'],
  peerjs: (port) => [process.execPath, join(modules, 'peer/dist/bin/peerjs.js'), '--port', String(port), '--host', '127.0.0.1', '--path', '/'],
  'y-webrtc': () => [process.execPath, join(modules, 'y-webrtc/bin/server.js')],
  'simple-peer': () => [process.execPath, join(here, 'socketio.mjs')],
  trystero: () => [process.execPath, join(here, 'nostr.mjs')],
  livekit: (port) => [livekit, '--config-body', livekitConfig(port)],
}

const livekit = join(here, 'livekit/livekit-server')
const [livekitKey, livekitSecret] = ['bench', 'only-for-the-benchmark-on-this-machine']

/** Whose servers are here: LiveKit's has to be built. */
export const names = Object.keys(commands).filter((name) => name !== 'livekit' || existsSync(livekit))
export const runtime = `node ${version}`

/** What a page's address says beside its room and number. */
export function credentials(name, room, number) {
  if (name !== 'livekit') return ''
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const claims = { iss: livekitKey, sub: `page-${number}`, exp: Math.floor(Date.now() / 1000) + 600, video: { roomJoin: true, room } }
  const text = `${part({ alg: 'HS256', typ: 'JWT' })}.${part(claims)}`
  return `&token=${text}.${createHmac('sha256', livekitSecret).update(text).digest('base64url')}`
}

function livekitConfig(port) {
  return JSON.stringify({
    port,
    bind_addresses: ['127.0.0.1'],
    keys: { [livekitKey]: livekitSecret },
    logging: { level: 'error' },
    rtc: { udp_port: port, use_external_ip: false, node_ip: '127.0.0.1', enable_loopback_candidate: true },
  })
}

/** Starts a contender's server; returns its port, and what ends it. */
export async function start(name) {
  const port = await freePort()
  const [command, ...args] = await commands[name](port)
  const env = { ...process.env, PORT: String(port), HOST: '127.0.0.1', NODE_ENV: 'production' }
  const server = spawn(command, args, { env, stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  server.stderr.on('data', (bytes) => (said = (said + bytes).slice(-4000)))
  const stop = async () => {
    server.kill('SIGKILL')
    if (server.exitCode === null && server.signalCode === null) await once(server, 'exit')
  }
  const deadline = Date.now() + startWithin
  while (!(await accepts(port))) {
    if (server.exitCode !== null || Date.now() > deadline) {
      await stop()
      throw new Error(`the server of ${name} does not answer:\n${said}`)
    }
    await sleep(20)
  }
  return { port, stop }
}

async function accepts(port) {
  const socket = connect(port, '127.0.0.1')
  const [what] = await Promise.race([once(socket, 'connect').then(() => ['yes']), once(socket, 'error').then(() => ['no'])]).catch(() => ['no'])
  socket.destroy()
  return what === 'yes'
}

async function freePort() {
  const socket = createServer().listen(0, '127.0.0.1')
  await once(socket, 'listening')
  const { port } = socket.address()
  await new Promise((resolve) => socket.close(resolve))
  return port
}
