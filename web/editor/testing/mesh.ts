// Rooms in memory: members whose channels carry bytes to each other after a delay, and can lose them, clog or break.
import { Awareness } from 'y-protocols/awareness'
import * as Y from 'yjs'
import type { Peer, PeerState, Presence, RoomEvents } from '../../client/index.ts'
import { awarenessChannel } from '../awareness-channel.ts'
import type { Access } from '../access.ts'
import { documentChannel } from '../document-channel.ts'
import { Notary } from '../edit.ts'
import { textName } from '../messages.ts'
import { Provider } from '../provider.ts'
import { ofLibrary } from '../signature-library.ts'
import { ManualClock, seeded } from './clock.ts'

/** A message on its way. */
export interface Parcel {
  readonly from: string
  readonly to: string
  readonly channel: string
  readonly data: Uint8Array
}

type Listeners = { [K in keyof RoomEvents]: Set<(...args: RoomEvents[K]) => void> }

/** One side's view of another member, as a room would give it. */
class Remote implements Peer {
  state: PeerState = 'connecting'
  presence: Presence = 'here'
  path: Peer['path'] = null
  readonly trust = 'unverified'
  readonly dropped = 0
  buffered = 0
  readonly open = new Set<string>()

  constructor(
    readonly id: string,
    readonly owner: Member,
    readonly mesh: Mesh,
  ) {}

  admit(): void {}

  send(channel: string, data: Uint8Array): boolean {
    if (!this.open.has(channel) || this.buffered > this.mesh.cap) return false
    this.mesh.carry({ from: this.owner.id, to: this.id, channel, data: data.slice() }, this)
    return true
  }
}

/** The origin of what a page had saved. */
const storage = { kind: 'storage' }

/** What members of a room without a name sign and check with. */
function notaryOf(access: Access): Promise<Notary> | null {
  return access.kind === 'open' ? null : Promise.resolve(new Notary(ofLibrary(access), 'room'))
}

/** A page: a document and its provider in a room. */
export class Member {
  doc = new Y.Doc()
  text = this.doc.getText(textName)
  awareness = new Awareness(this.doc)
  readonly remotes = new Map<string, Remote>()
  provider: Provider
  readonly faults: unknown[] = []
  readonly #notary: Promise<Notary> | null
  readonly #listeners: Listeners = {
    link: new Set(), joined: new Set(), left: new Set(), changed: new Set(), open: new Set(), message: new Set(), error: new Set(),
  }

  constructor(
    readonly id: string,
    readonly mesh: Mesh,
    access: Access,
  ) {
    this.doc.clientID = Math.floor(mesh.random() * 2 ** 32)
    this.awareness.clientID = this.doc.clientID
    this.awareness.states.clear()
    this.awareness.setLocalState({ user: { name: id, colour: 'teal' } })
    this.#notary = notaryOf(access)
    this.provider = this.#provide()
  }

  /** Comes back as a page does that was reloaded: with what it had saved, and nothing else. */
  reload(): void {
    this.provider.destroy()
    this.remotes.clear()
    const kept = Y.encodeStateAsUpdate(this.doc)
    this.awareness.destroy()
    this.doc = new Y.Doc()
    this.doc.clientID = Math.floor(this.mesh.random() * 2 ** 32)
    this.text = this.doc.getText(textName)
    this.awareness = new Awareness(this.doc)
    this.awareness.setLocalState({ user: { name: this.id, colour: 'teal' } })
    this.provider = this.#provide()
    Y.applyUpdate(this.doc, kept, storage)
  }

  #provide(): Provider {
    return new Provider({
      room: {
        meshed: this.mesh.meshed,
        on: (event, listener) => this.#on(event, listener),
        broadcast: (channel, data) => this.remotes.forEach((remote) => remote.send(channel, data)),
      },
      doc: this.doc,
      awareness: this.awareness,
      clock: this.mesh.clock,
      random: this.mesh.random,
      notary: this.#notary,
      isStored: (origin) => origin === storage,
      fault: (error) => this.faults.push(error),
    })
  }

  emit<K extends keyof RoomEvents>(event: K, ...args: RoomEvents[K]): void {
    for (const listener of this.#listeners[event]) listener(...args)
  }

  /** Who this member sees, by the names in their awareness. */
  get seen(): string[] {
    const others = [...this.awareness.getStates()].filter(([client]) => client !== this.doc.clientID)
    return others.map(([, state]) => (state['user'] as { name: string }).name).sort()
  }

  #on<K extends keyof RoomEvents>(event: K, listener: (...args: RoomEvents[K]) => void): () => void {
    this.#listeners[event].add(listener)
    return () => this.#listeners[event].delete(listener)
  }
}

export class Mesh {
  readonly clock = new ManualClock()
  readonly random: () => number
  readonly members = new Map<string, Member>()
  /** The members, and those who left. */
  readonly everybody: Member[] = []
  /** Everything that was ever sent. */
  readonly sent: Parcel[] = []
  /** Bytes on their way to one member above which a send is refused. */
  cap = Infinity
  /** Milliseconds that a message takes. */
  delay = (_: Parcel): number => 5
  /** Milliseconds by which the second side of a connection learns later than the first that it is open. */
  lag = 0
  /** Whether the room passes messages on. */
  meshed = false
  /** Which messages are lost. */
  loses = (_: Parcel): boolean => false

  constructor(seed = 1) {
    this.random = seeded(seed)
  }

  add(id: string, access: Access = { kind: 'open', roomKey: null }): Member {
    const member = new Member(id, this, access)
    this.members.set(id, member)
    this.everybody.push(member)
    return member
  }

  connect(a: Member, b: Member): void {
    for (const [one, other] of [[a, b], [b, a]] as const) {
      const remote = new Remote(other.id, one, this)
      one.remotes.set(other.id, remote)
      remote.state = 'connected'
      remote.open.add(awarenessChannel).add(documentChannel)
    }
    for (const [one, other] of [[a, b], [b, a]] as const) {
      const remote = one.remotes.get(other.id)
      if (remote === undefined) throw new Error('not connected')
      const tell = (): void => {
        one.emit('changed', remote)
        for (const channel of remote.open) one.emit('open', remote, channel)
      }
      if (one === b && this.lag > 0) this.clock.after(this.lag, tell)
      else tell()
    }
  }

  /** Lets two reach each other through others. */
  reach(a: Member, b: Member): void {
    for (const [one, other] of [[a, b], [b, a]] as const) {
      const remote = new Remote(other.id, one, this)
      one.remotes.set(other.id, remote)
      remote.state = 'connected'
      remote.path = { kind: 'mesh', rtt: null }
      remote.open.add(awarenessChannel).add(documentChannel)
    }
    for (const [one, other] of [[a, b], [b, a]] as const) one.emit('changed', one.remotes.get(other.id) as Remote)
  }

  connectAll(): void {
    const members = [...this.members.values()]
    members.forEach((a, i) => members.slice(i + 1).forEach((b) => this.connect(a, b)))
  }

  /** Both sides notice that the connection between them is in this state. */
  turn(a: Member, b: Member, state: PeerState): void {
    for (const [one, other] of [[a, b], [b, a]] as const) {
      const remote = one.remotes.get(other.id)
      if (remote === undefined) continue
      remote.state = state
      if (state === 'closed') remote.open.clear()
      one.emit('changed', remote)
    }
  }

  /** A member's page is reloaded: to the others it is gone, and somebody else under the same name comes. */
  reload(member: Member): void {
    this.leave(member)
    member.reload()
    this.members.set(member.id, member)
  }

  leave(gone: Member): void {
    this.members.delete(gone.id)
    for (const member of this.members.values()) {
      const remote = member.remotes.get(gone.id)
      if (remote === undefined) continue
      remote.open.clear()
      member.remotes.delete(gone.id)
      member.emit('left', remote, 'leave')
    }
  }

  /** Sends bytes as if a member had, whatever they are. */
  forge(from: Member, to: Member, channel: string, data: Uint8Array): void {
    from.remotes.get(to.id)?.send(channel, data)
  }

  carry(parcel: Parcel, remote: Remote): void {
    this.sent.push(parcel)
    if (this.loses(parcel)) return
    remote.buffered += parcel.data.length
    this.clock.after(this.delay(parcel), () => {
      remote.buffered -= parcel.data.length
      const recipient = this.members.get(parcel.to)
      const sender = recipient?.remotes.get(parcel.from)
      if (recipient !== undefined && sender?.open.has(parcel.channel) === true) recipient.emit('message', sender, parcel.channel, parcel.data)
    })
  }

  sentOn(channel: string): Parcel[] {
    return this.sent.filter((parcel) => parcel.channel === channel)
  }
}

/** A mesh whose members are put away after the test, which fails when one of them had a fault. */
export function mesh(test: { after(call: () => void): void }, seed?: number): Mesh {
  const made = new Mesh(seed)
  test.after(() => {
    for (const { id, provider, awareness, faults } of made.everybody) {
      provider.destroy()
      awareness.destroy()
      if (faults.length > 0) throw new Error(`a fault at ${id}`, { cause: faults[0] })
    }
  })
  return made
}
