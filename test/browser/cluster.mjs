// Nodes that share a real Redis behind a real haproxy, each a process of its own on the loopback address.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { binary, freePort } from './server.mjs'

const startWithin = 20_000 // ms
const config = new URL('../../deploy/compose/haproxy.cfg', import.meta.url)

export class Cluster {
  #undo = []

  /** Starts Redis, three nodes and haproxy. It is told to balance that way, instead of by room. */
  static async start(balance) {
    const cluster = new Cluster()
    try {
      await cluster.#start(balance)
    } catch (error) {
      await cluster.stop()
      throw error
    }
    return cluster
  }

  async #start(balance) {
    const folder = await mkdtemp(join(tmpdir(), 'parley-cluster-'))
    this.#undo.push(() => rm(folder, { recursive: true, force: true }))
    const redis = await freePort('tcp')
    this.#run('redis-server', ['--bind', '127.0.0.1', '--port', `${redis}`, '--dir', folder, '--save', '', '--appendonly', 'no'])
    this.nodes = []
    const path = await binary()
    for (let i = 0; i < 3; i++) this.nodes.push({ port: await freePort('tcp'), admin: await freePort('tcp') })
    await this.#listens(redis)
    for (const node of this.nodes) {
      const flags = ['--listen', `127.0.0.1:${node.port}`, '--admin-listen', `127.0.0.1:${node.admin}`, '--redis', `redis://127.0.0.1:${redis}`]
      node.process = this.#run(path, [...flags, '--no-relay', '--trusted-proxy', '127.0.0.1'])
    }
    for (const node of this.nodes) await this.#listens(node.port)

    const front = await freePort('tcp')
    let text = (await readFile(config, 'utf8')).replace('bind :8080', `bind 127.0.0.1:${front}`).replace(/balance .*/, balance).replace(/hash-type .*/, '')
    for (const [i, node] of this.nodes.entries()) text = text.replace(`node-${'abc'[i]}:8080`, `127.0.0.1:${node.port}`)
    await writeFile(join(folder, 'haproxy.cfg'), text)
    this.#run('haproxy', ['-db', '-f', join(folder, 'haproxy.cfg')])
    await this.#listens(front)
    this.origin = `http://127.0.0.1:${front}`
  }

  #run(command, flags) {
    const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` } // where Debian has what listens
    const child = spawn(command, flags, { stdio: ['ignore', 'pipe', 'pipe'], env })
    let said = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes) => (said = (said + bytes).slice(-4_000)))
    const ended = new Promise((resolve) => {
      child.once('exit', (code, signal) => resolve(`ended by ${signal ?? code}`))
      child.once('error', (error) => resolve(`${error}`))
    })
    ended.then((how) => (child.how = `${command} ${how}:\n${said}`))
    this.#undo.push(async () => {
      child.kill('SIGKILL')
      await ended
    })
    return child
  }

  /** Waits until somebody answers on a port. */
  async #listens(port) {
    const deadline = Date.now() + startWithin
    for (;;) {
      const socket = connect(port, '127.0.0.1')
      const open = await once(socket, 'connect').then(() => true, () => false)
      socket.destroy()
      if (open) return
      if (Date.now() > deadline) throw new Error(`nobody listens on port ${port}`)
      await sleep(20)
    }
  }

  /** How many sessions have their link at each node. */
  async links() {
    return Promise.all(this.nodes.map(async ({ admin }) => {
      const text = await fetch(`http://127.0.0.1:${admin}/metrics`).then((reply) => reply.text(), () => '')
      return [...text.matchAll(/^parley_signaling_sessions\{.*\} (\d+)$/gm)].reduce((sum, [, count]) => sum + Number(count), 0)
    }))
  }

  /** Kills a node, at once. */
  async kill(node) {
    assert.equal(node.process.exitCode, null, node.process.how)
    node.process.kill('SIGKILL')
    if (node.process.signalCode === null) await once(node.process, 'exit')
  }

  async stop() {
    for (const step of this.#undo.reverse()) await step()
  }
}
