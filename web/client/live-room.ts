import { checkMessage, checkMeta } from './check.ts'
import type { ConnectionSetup } from './connection.ts'
import { Emitter } from './emitter.ts'
import { environment } from './environment.ts'
import { SignalError } from './errors.ts'
import type { RosterEntry } from './frames.ts'
import { tabStorage } from './keepsake.ts'
import { parseKey } from './key.ts'
import type { Environment, JoinOptions } from './options.ts'
import { watchPage } from './page.ts'
import type { PartialMesh } from './partial-mesh.ts'
import { loadPart } from './parts.ts'
import type { PeerContext } from './peer-context.ts'
import { doubtTime } from './pulse.ts'
import { randomText } from './random.ts'
import { RemotePeer } from './remote-peer.ts'
import type { LeaveReason, LinkState, Room, RoomEvents, Self } from './room.ts'
import type { JoinReply } from './session.ts'
import { Signaling, type SignalingEvents } from './signaling.ts'
import type { Parts } from './sources.ts'
import type { Lock } from './trust.ts'
import { changed, type Who } from './who.ts'

/** The most bytes of a message unless the app says otherwise. */
const defaultMaxMessage = 64 * 1024 * 1024

/** The part for messages through the server is loaded so long after the first peer was met, in milliseconds. */
const relayPause = 500

/** With so many peers what larger rooms need is loaded; with so many nobody is connected to before it is there. */
const many = 8
const crowd = 12

/** So many envelopes, and about so many bytes, are kept until then. */
const earlyLimit = 1024
const earlyBytes = 16 * 1024 * 1024

/** Refusals of a signal that say nothing new: the roster tells the same, or another try follows. */
const expected = new Set(['no_peer', 'stale_epoch', 'busy'])

/** Ends after which somebody else is this peer, or nobody may be: the connections end, too. */
const final = new Set(['kicked', 'resumed', 'superseded'])

/** A room: signaling brings its peers together, and each peer's connection lives on without it. */
export class LiveRoom implements Room {
  readonly #events = new Emitter<RoomEvents>()
  readonly #env: Environment
  readonly #channels: JoinOptions['channels']
  readonly #signaling: Signaling
  readonly #peers = new Map<string, RemotePeer>()
  // Dead to all appearance while signaling is down, so nobody can say whether they are still in the room.
  readonly #parked = new Map<string, RemotePeer>()
  readonly #context: PeerContext
  #mesh: PartialMesh<RemotePeer> | null = null // when it is loaded
  #early: [peer: RemotePeer, channel: string, envelope: Uint8Array][] | null = null // what came to be passed on while it is being loaded
  #earlySize = 0
  #isWaiting = false // for it, with whom to connect to
  readonly #check: (channel: string, data: Uint8Array) => void
  readonly #unwatch: () => void
  #reply: JoinReply | null = null
  #configuration: RTCConfiguration
  #count = 0 // connections begun and notes signed
  #saidNoRelay = false
  #relay: Promise<Parts['relay']> | null = null
  #isLost = false // the link
  #isFresh = false // joined just now, so that the server can be reached though no link is in use yet

  constructor(options: JoinOptions) {
    const env = (this.#env = environment(options.environment))
    const { name, meta, channels, iceTransportPolicy, maxMessage = defaultMaxMessage, signal, key, allowUnverified = false } = options
    this.#channels = channels
    const storage = options.storage === undefined ? tabStorage() : options.storage
    const who: Who = { ...(name !== undefined && { name }), ...(meta !== undefined && { meta }) }
    this.#configuration = iceTransportPolicy === undefined ? {} : { iceTransportPolicy }
    this.#signaling = new Signaling(options, who, storage, env)
    this.#check = (channel, data) => checkMessage(channels, maxMessage, channel, data)
    this.#context = {
      clock: env.clock,
      trust: {
        lock: key === undefined || env.subtle === undefined ? null : this.#lock(env.subtle, parseKey(key), options.room),
        hasKey: key !== undefined,
        allowUnverified,
        nextSerial: () => ++this.#count,
      },
      relay:
        options.serverRelay === false
          ? null
          : { channels, maxMessage, nonce: () => randomText(env.random, 16), load: () => (this.#relay ??= this.#loadRelay()) },
      self: () => ({ peer: this.#reply?.peer ?? '', instance: this.#signaling.instance }),
      epoch: () => this.#reply?.epoch ?? 0,
      isLinked: () => this.#isFresh || this.link.name === 'open',
      signal: (to, epoch, data) => this.#signaling.send({ kind: 'signal', to, epoch, data }),
      nextCount: () => ++this.#count,
      check: this.#check,
      setup: (): ConnectionSetup | null =>
        env.RTCPeerConnection === undefined
          ? null
          : {
              RTCPeerConnection: env.RTCPeerConnection,
              configuration: this.#configuration,
              channels,
              maxMessage,
              clock: env.clock,
              isPrompt: () => this.#isFresh || this.#signaling.isPrompt, // at first, what waits for the request before goes in one anyway
            },
      changed: (peer) => this.#changed(peer),
      open: (peer, channel) => {
        this.#mesh?.flood.look(peer)
        if (this.#peers.get(peer.id) === peer) this.#events.emit('open', peer, channel)
      },
      message: (peer, channel, data) => this.#events.emit('message', peer, channel, data),
      doubted: () => this.#signaling.wake(doubtTime),
      fault: (_, cause) => this.#fault(cause),
      isMeshed: () => this.meshed,
      envelope: (...envelope) => {
        if (this.#mesh !== null) this.#mesh.flood.receive(...envelope)
        else if (this.#early !== null && this.#early.length < earlyLimit && this.#earlySize < earlyBytes) {
          this.#early.push(envelope)
          this.#earlySize += envelope[2].length
        } else envelope[0].drop()
      },
      route: (peer, channel, data) => this.#mesh?.flood.one(peer, channel, data) ?? false,
    }
    this.#listen()
    const unwatchPage = watchPage({
      woke: () => this.#woke(),
      hidden: () => this.#hidden(),
      restored: () => this.#woke(),
    })
    const leave = () => this.leave()
    signal?.addEventListener('abort', leave)
    this.#unwatch = () => {
      unwatchPage()
      signal?.removeEventListener('abort', leave)
    }
    if (env.RTCPeerConnection === undefined) void this.#context.relay?.load()
    if (signal?.aborted) this.leave()
    else this.#signaling.start()
    // A page's first connection takes a browser long: what it needs for that, it also needs for this, and has while the server is asked.
    env.clock.after(0, () => {
      env.RTCPeerConnection?.generateCertificate?.({ name: 'ECDSA', namedCurve: 'P-256' } as Algorithm).catch(() => {})
    })
  }

  get self(): Self | null {
    return this.#reply && { id: this.#reply.peer, epoch: this.#reply.epoch, ...this.#signaling.who }
  }

  get link(): LinkState {
    return this.#signaling.state
  }

  get meshed(): boolean {
    return this.#mesh?.neighbourhood.isMeshed ?? false
  }

  get peers(): ReadonlyMap<string, RemotePeer> {
    return this.#peers
  }

  on<K extends keyof RoomEvents>(event: K, listener: (...args: RoomEvents[K]) => void): () => void {
    return this.#events.on(event, listener)
  }

  change(who: Who): void {
    checkMeta(who.meta)
    if (!this.#signaling.change(who)) this.#events.emit('error', new SignalError('frame_too_large', 'name and meta are too large'))
  }

  broadcast(channel: string, data: Uint8Array): void {
    this.#check(channel, data)
    const { meshed } = this
    if (meshed) this.#mesh?.flood.all(channel, data)
    for (const peer of this.#peers.values()) if (!meshed || peer.run === null) peer.send(channel, data)
  }

  leave(): void {
    this.#unwatch()
    this.#signaling.leave()
    for (const peer of [...this.#peers.values(), ...this.#parked.values()]) peer.close()
    this.#peers.clear()
    this.#parked.clear()
    this.#mesh?.close()
  }

  #load<Name extends keyof Parts>(name: Name): Promise<Parts[Name]> {
    return loadPart(name, this.#env, {
      isNeeded: () => this.link.name !== 'closed',
      fault: (error) => {
        this.#fault(error)
        if (name !== 'mesh') return
        this.#isWaiting = false
        for (const peer of this.#peers.values()) peer.isWanted = true // better too many than nobody
      },
    })
  }

  async #lock(subtle: SubtleCrypto, key: Uint8Array<ArrayBuffer>, room: string): Promise<Lock> {
    const { Keyring, Trust } = await this.#load('trust')
    return { Trust, keyring: new Keyring(subtle, key, room) }
  }

  /** Sees who is to be connected to whom; the mesh is loaded when many are there, before they are too many. */
  #spread(): void {
    if (this.#mesh !== null) this.#mesh.neighbourhood.update()
    else if (this.#early === null && this.#peers.size >= many) void this.#loadMesh()
  }

  async #loadMesh(): Promise<void> {
    this.#early = []
    this.#isWaiting = true
    if (this.#peers.size >= crowd) for (const peer of this.#peers.values()) peer.isWanted = peer.run === null
    const { PartialMesh } = await this.#load('mesh')
    this.#isWaiting = false
    if (this.link.name === 'closed') return
    const { clock, self, message, changed } = this.#context
    const mesh = (this.#mesh = new PartialMesh<RemotePeer>({ clock, channels: this.#channels, peers: this.#peers, self, message, changed }))
    for (const peer of this.#peers.values()) mesh.flood.look(peer)
    mesh.neighbourhood.update()
    for (const envelope of this.#early.splice(0)) mesh.flood.receive(...envelope)
  }

  /** While peers are being connected to, what may never be needed can wait a little. */
  async #loadRelay(): Promise<Parts['relay']> {
    const { RTCPeerConnection, clock } = this.#env
    if (RTCPeerConnection !== undefined) await new Promise<void>((resolve) => clock.after(relayPause, resolve))
    return this.#load('relay')
  }

  #listen(): void {
    const on = <K extends keyof SignalingEvents>(event: K, listener: (...args: SignalingEvents[K]) => void) =>
      this.#signaling.events.on(event, listener)
    on('link', (state) => this.#linked(state))
    on('session', (reply) => this.#joined(reply))
    on('roster', (entries) => this.#reconcile(entries))
    on('ice', (iceServers) => {
      this.#configuration = { ...this.#configuration, iceServers }
      this.#checkRelay()
      for (const peer of this.#peers.values()) peer.configure(this.#configuration)
    })
    on('refused', ({ code, message, to, retryAfter }) => {
      if (to !== undefined) this.#find(to)?.refused(retryAfter ?? 0)
      if (!expected.has(code)) this.#events.emit('error', new SignalError(code, message, undefined, retryAfter))
    })
    on('frame', (frame) => {
      switch (frame.kind) {
        case 'joined':
          this.#meet(frame)
          return this.#spread()
        case 'changed': {
          const peer = this.#find(frame.peer, frame.epoch)
          return peer?.adopt(changedEntry(peer.entry, frame))
        }
        case 'left':
          return this.#left(frame.peer, frame.epoch, frame.reason)
        case 'signal':
          return this.#find(frame.from, frame.epoch)?.receive(frame.data)
      }
    })
  }

  /** Says once that no path can be found, since only relayed ones are allowed and there is no relay. */
  #checkRelay(): void {
    const { iceTransportPolicy, iceServers = [] } = this.#configuration
    const hasRelay = iceServers.some(({ urls }) => [urls].flat().some((url) => /^turns?:/i.test(url)))
    if (iceTransportPolicy !== 'relay' || hasRelay || this.#saidNoRelay) return
    this.#saidNoRelay = true
    this.#events.emit('error', new SignalError('no_relay', 'only relayed paths are allowed, and this server has no relay', 'never'))
  }

  #find(id: string, epoch?: number): RemotePeer | undefined {
    const peer = this.#peers.get(id) ?? this.#parked.get(id)
    return epoch === undefined || peer?.epoch === epoch ? peer : undefined
  }

  #linked(state: LinkState): void {
    const wasLost = this.#isLost
    this.#isLost = state.name !== 'open'
    this.#isFresh = false
    if (state.name === 'closed') {
      this.#unwatch()
      const { code } = state.error ?? {}
      if (code !== undefined && final.has(code)) this.#removeAll(code === 'kicked' ? 'kicked' : 'lost')
    }
    if (state.name === 'open') {
      // Who left meanwhile was, or is soon, said to have left: nothing that the server says is lost with a link.
      for (const peer of this.#parked.values()) this.#unpark(peer)
      for (const peer of this.#peers.values()) peer.signalingIsBack(wasLost)
    }
    this.#events.emit('link', state)
    for (const peer of [...this.#peers.values()]) {
      if (!peer.isRelayed) continue
      if (state.name !== 'closed') this.#changed(peer)
      else if (state.error !== undefined) this.#remove(peer, 'unreachable')
    }
  }

  #joined(reply: JoinReply): void {
    const before = this.#reply
    this.#reply = reply
    this.#isFresh = true
    // Under another id this side is somebody new to the others.
    if (before !== null && before.peer !== reply.peer) this.#removeAll('replaced')
  }

  /** Brings the peers in line with the whole roster. */
  #reconcile(entries: readonly RosterEntry[]): void {
    const listed = new Set(entries.map(({ peer }) => peer))
    for (const peer of [...this.#peers.values()]) if (!listed.has(peer.id)) this.#unlist(peer, 'lost')
    for (const peer of [...this.#parked.values()]) if (!listed.has(peer.id)) this.#remove(peer, 'lost')
    for (const entry of entries) this.#meet(entry)
    this.#spread()
  }

  #meet(entry: RosterEntry): void {
    if (entry.peer === this.#reply?.peer || this.link.name === 'closed') return
    const known = this.#find(entry.peer)
    if (known?.instance === entry.instance) {
      if (this.#parked.has(known.id)) this.#unpark(known)
      return known.adopt(entry)
    }
    if (known !== undefined) this.#remove(known, 'replaced')
    const peer = new RemotePeer(entry, this.#context)
    this.#peers.set(peer.id, peer)
    // Of many, who is to be connected to is known when the mesh is loaded.
    if (this.#isWaiting && this.#peers.size >= crowd) peer.isWanted = peer.run === null
    this.#events.emit('joined', peer)
  }

  #left(id: string, epoch: number, reason: string): void {
    const peer = this.#find(id, epoch)
    if (peer === undefined) return
    if (reason === 'leave' || reason === 'kicked') this.#remove(peer, reason)
    else this.#unlist(peer, reason === 'slow' ? 'slow' : 'lost')
  }

  /** The server does not list the peer any more; a connection that lives is kept, and so is its peer. */
  #unlist(peer: RemotePeer, reason: LeaveReason): void {
    if (!peer.listed) return
    peer.listed = false
    const isPassedOn = peer.path?.kind === 'mesh'
    if (isPassedOn) this.#mesh?.flood.question(peer)
    if (isPassedOn || peer.health === 'connected' || peer.health === 'disconnected') this.#changed(peer)
    else this.#remove(peer, reason)
  }

  #changed(peer: RemotePeer): void {
    this.#mesh?.flood.look(peer)
    const { health } = peer
    const dead = peer.state !== 'connected' && (health === 'failed' || health === 'gone' || (health === 'none' && !peer.listed))
    if (this.#parked.get(peer.id) === peer) {
      if (peer.health === 'connected') this.#unpark(peer)
    } else if (this.#peers.get(peer.id) !== peer) {
      // It is being closed.
    } else if (dead && !peer.listed) {
      this.#remove(peer, 'unreachable')
    } else if (dead && this.link.name !== 'open' && !peer.isRelayed) {
      this.#peers.delete(peer.id)
      this.#parked.set(peer.id, peer)
      this.#events.emit('left', peer, 'unreachable')
    } else {
      this.#events.emit('changed', peer)
    }
  }

  #unpark(peer: RemotePeer): void {
    this.#parked.delete(peer.id)
    this.#peers.set(peer.id, peer)
    this.#mesh?.flood.look(peer)
    this.#events.emit('joined', peer)
    for (const channel of peer.openChannels) this.#events.emit('open', peer, channel)
  }

  #remove(peer: RemotePeer, reason: LeaveReason): void {
    peer.close()
    this.#parked.delete(peer.id)
    if (!this.#peers.delete(peer.id)) return
    this.#mesh?.flood.look(peer)
    this.#events.emit('left', peer, reason)
    this.#spread()
  }

  #removeAll(reason: LeaveReason): void {
    for (const peer of [...this.#peers.values(), ...this.#parked.values()]) this.#remove(peer, reason)
  }

  #woke(): void {
    if (this.#signaling.isHidden) return this.#restored()
    this.#signaling.wake()
    for (const peer of this.#peers.values()) peer.probe()
  }

  #hidden(): void {
    this.#signaling.hide()
    // Browsers drop connections without a word when a page ends; closed ones are known to be so at the other end.
    for (const peer of this.#peers.values()) peer.close()
  }

  #restored(): void {
    this.#removeAll('lost')
    this.#signaling.restore()
  }

  #fault(cause: unknown): void {
    if (cause instanceof SignalError) return this.#events.emit('error', cause)
    const message = cause instanceof Error ? cause.message : String(cause)
    this.#events.emit('error', new SignalError('negotiation', message))
  }
}

/** The entry with what a `changed` frame says; an empty name or a null meta takes it away. */
function changedEntry(entry: RosterEntry, { presence, name, meta }: Partial<RosterEntry>): RosterEntry {
  const { name: nameBefore = '', meta: metaBefore = null, ...rest } = entry
  const who = changed({ name: nameBefore, meta: metaBefore }, { ...(name !== undefined && { name }), ...(meta !== undefined && { meta }) })
  return { ...rest, ...(presence !== undefined && { presence }), ...who }
}
