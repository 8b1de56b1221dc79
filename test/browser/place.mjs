// Networks of their own behind that of the tests, which can be cut, and whose address can change.
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const nobody = '02:00:00:00:00:01' // an Ethernet address

let places = 0

/** A network with one interface, which leads to the tests' own by a router of this address. */
export class Place {
  #undo = []
  #number = ++places
  #host = 2
  #enter

  /** Null outside of test/isolate.sh, where the routing is not the tests' to change. */
  static async make() {
    if (await ip('link show uplink').then(() => false, () => true)) return null
    const place = new Place()
    try {
      await place.#make()
    } catch (error) {
      await place.close()
      throw error
    }
    return place
  }

  async #make() {
    const inside = spawn('unshare', ['--net', 'sh', '-c', 'echo made; exec cat >/dev/null'], { stdio: ['pipe', 'pipe', 'inherit'] })
    this.#undo.push(() => inside.kill('SIGKILL'))
    await once(inside.stdout, 'data')
    this.#enter = ['nsenter', '--target', `${inside.pid}`, '--net']
    await ip(`link add name ${this.router} type veth peer name up0 netns ${inside.pid}`)
    this.#undo.push(() => ip(`link del ${this.router}`))
    await ip(`addr add ${this.outer}/24 dev ${this.router}`)
    await ip(`link set ${this.router} up`)
    await this.#ip('link set lo up')
    await this.#ip('link set up0 up')
    await this.#arrive()
  }

  /** The name of the tests' interface that leads here. */
  get router() {
    return `place${this.#number}`
  }

  /** The tests' address, as it is reached from here. */
  get outer() {
    return `198.18.${this.#number}.1`
  }

  /** The address that one has here. */
  get inner() {
    return `198.18.${this.#number}.${this.#host}`
  }

  async #arrive() {
    await this.#ip(`addr add ${this.inner}/24 dev up0`)
    await this.#ip(`route add default via ${this.outer}`)
  }

  /** Writes a program that starts this one here; returns its path. */
  async program(path) {
    const folder = await this.#folder()
    const entering = join(folder, 'enter')
    await writeFile(entering, `#!/bin/sh\nexec ${this.#enter.join(' ')} ${path} "$@"\n`, { mode: 0o755 })
    return entering
  }

  /** Opens a way to a port of the loopback address here, whatever becomes of the network: a socket of this path. */
  async door(port) {
    const path = join(await this.#folder(), 'door')
    const forward = `const { connect, createServer } = require('node:net')
      createServer((from) => {
        const to = connect(${port}, '127.0.0.1')
        for (const [one, other] of [[from, to], [to, from]]) one.on('error', () => {}).on('close', () => other.destroy()).pipe(other)
      }).listen(${JSON.stringify(path)}, () => console.log('open'))`
    const [command, ...flags] = this.#enter
    const door = spawn(command, [...flags, process.execPath, '-e', forward], { stdio: ['ignore', 'pipe', 'inherit'] })
    this.#undo.push(() => door.kill('SIGKILL'))
    await once(door.stdout, 'data')
    return path
  }

  async #folder() {
    const folder = await mkdtemp(join(tmpdir(), 'parley-place-'))
    this.#undo.push(() => rm(folder, { recursive: true, force: true }))
    return folder
  }

  /** Takes the address away, and gives another one. */
  async move() {
    await this.#ip(`addr del ${this.inner}/24 dev up0`)
    this.#host++
    await this.#arrive()
  }

  /** Pulls the plug, as the interface here notices, until it is put in again. */
  unplug() {
    return ip(`link set ${this.router} down`)
  }

  plug() {
    return ip(`link set ${this.router} up`)
  }

  /** Loses all packets both ways, as nobody notices who does not listen for answers, until they are found again. */
  async lose() {
    await ip(`neigh replace ${this.inner} lladdr ${nobody} nud permanent dev ${this.router}`)
    await this.#ip(`neigh replace ${this.outer} lladdr ${nobody} nud permanent dev up0`)
  }

  async find() {
    await ip(`neigh del ${this.inner} dev ${this.router}`)
    await this.#ip(`neigh del ${this.outer} dev up0`)
  }

  #ip(words) {
    const [command, ...flags] = this.#enter
    return run(command, [...flags, 'ip', ...words.split(' ')])
  }

  async close() {
    for (const step of this.#undo.reverse()) await step()
  }
}

/** Runs ip in the tests' own network. */
export function ip(words) {
  return run('ip', words.split(' '))
}
