// Two ends of a relay, with a wire between them that is slow and loses much, and a connection that comes and goes.
import assert from 'node:assert/strict'
import { webcrypto } from 'node:crypto'
import { test } from 'node:test'
import { Channel } from './channel.ts'
import { parseKey } from './key.ts'
import { Keyring } from './keyring.ts'
import type { Note } from './note.ts'
import { Relay } from './relay.ts'
import { Stream } from './stream.ts'
import { StillClock } from './testing/clock.ts'
import { peers } from './testing/vectors.ts'

/** Numbers that are the same in each run. */
function randoms(seed: number): () => number {
  return () => (seed = (seed * 48271) % 2147483647) / 2147483647
}

class Wire {
  readonly clock = new StillClock()
  readonly random: () => number
  readonly ends: End[]
  loss = 0

  constructor(seed: number) {
    this.random = randoms(seed)
    this.ends = ['alice', 'bob'].map((name) => new End(this, name))
  }

  other(end: End): End {
    return this.ends[1 - this.ends.indexOf(end)]!
  }

  /** Lets time go by, in which notes are made, sealed and taken. */
  async pass(milliseconds: number): Promise<void> {
    for (let i = 0; i < milliseconds; i += 5) {
      this.clock.pass(5)
      for (let turn = 0; turn < 2; turn++) for (const end of this.ends) await end.settled()
    }
  }
}

class End {
  relay!: Relay
  readonly got: string[] = []
  readonly log: string[] = []
  readonly overConnection: string[] = []
  #nonces = 0
  #outbox = Promise.resolve()
  #inbox = Promise.resolve()
  #last = 0 // when the last note arrives

  constructor(readonly wire: Wire, readonly name: string) {
    this.forget()
  }

  /** Has a relay that knows of nothing. */
  forget(): void {
    const { wire, name } = this
    this.relay?.close()
    const keyring = new Keyring(webcrypto.subtle as SubtleCrypto, parseKey(peers.trust.key), 'garden')
    const [self, peer] = ['alice', 'bob'].sort((a) => (a === name ? -1 : 1)).map((peer) => ({ peer, instance: peer }))
    const send = (note: Note | Promise<Note>) => {
      this.#outbox = this.#outbox.then(async () => this.#carry(await note))
    }
    this.relay = new Relay({
      clock: wire.clock, channels: { text: {} }, maxMessage: 1e6, Channel, lock: Promise.resolve({ keyring }), self: () => self!, peer: peer!,
      nonce: () => `${name}${++this.#nonces}`.padEnd(22, 'A'), hasWebRTC: () => true,
    }, {
      canSignal: () => true,
      send, open: send,
      opened: (answered) => {
        this.log.push(answered ? 'answered' : 'asked')
        this.relay.use([])
      },
      moved: (lossy) => this.log.push(lossy ? 'moved, lossy' : 'moved'),
      message: (_, data) => this.got.push(new TextDecoder().decode(data).replace(/\0+$/, '')),
      dropped: (why) => this.log.push(`dropped ${why}`),
      forged: () => this.log.push('forged'),
    })
  }

  /** Waits until what was sent and came is sealed and opened. */
  async settled(): Promise<void> {
    await this.#outbox
    await this.#inbox
  }

  /** Carries a note to the other side, in order, or loses it. */
  #carry(note: Note): void {
    if (note.kind === 'relayed' && this.wire.random() < this.wire.loss) return
    const { clock } = this.wire
    this.#last = Math.max(this.#last, clock.now() + this.wire.random() * 80)
    clock.after(this.#last - clock.now(), () => this.wire.other(this).#take(note))
  }

  #take(note: Note): void {
    this.#inbox = this.#inbox.then(async () => {
      if (note.kind === 'relay') await this.relay.receive(note, true)
      if (note.kind === 'relayed') await this.relay.piece(note)
    })
  }

  /** Moves to a connection, which is quicker than the server. */
  connect(): void {
    this.relay.moveTo((_, data) => {
      this.overConnection.push(new TextDecoder().decode(data))
      this.wire.other(this).got.push(new TextDecoder().decode(data).replace(/\0+$/, ''))
      return true
    })
  }

  send(text: string, size = text.length): void {
    const data = new Uint8Array(size)
    data.set(new TextEncoder().encode(text))
    assert.equal(this.relay.send('text', data), true)
  }
}

test('two that wish at once have one way', async () => {
  const wire = new Wire(1)
  for (const { relay } of wire.ends) relay.wish(0)
  await wire.pass(400)
  for (const end of wire.ends) {
    assert.equal(end.log.length, 1)
    end.send('hello')
  }
  await wire.pass(200)
  for (const end of wire.ends) assert.deepEqual(end.got, ['hello'])
})

test('an answer that comes again changes nothing', async () => {
  const wire = new Wire(2)
  wire.ends[0]!.relay.wish(0)
  await wire.pass(400)
  await wire.ends[1]!.relay.receive({ kind: 'relay', nonce: 'alice1'.padEnd(22, 'A'), webrtc: true, channels: ['text'] }, true)
  wire.ends[0]!.send('hello')
  wire.ends[1]!.send('hello')
  await wire.pass(400)
  for (const end of wire.ends) assert.deepEqual([end.got, end.log.length], [['hello'], 1])
})

for (let seed = 1; seed <= 12; seed++) {
  test(`messages move to a connection without loss, double or disorder, and back while it is not ready: ${seed}`, async () => {
    const wire = new Wire(seed)
    wire.ends[seed % 2]!.relay.wish(0)
    await wire.pass(400)
    wire.loss = seed % 3 === 0 ? 0.05 : 0
    const sent = wire.ends.map((): string[] => [])
    const say = (count: number) => {
      for (const [side, end] of wire.ends.entries()) {
        if (!end.relay.isUsed) continue
        for (let i = 0; i < count; i++) {
          const text = `${sent[side]!.length}`
          end.send(text, wire.random() < 0.1 ? 40_000 : text.length)
          sent[side]!.push(text)
        }
      }
    }
    say(8)
    await wire.pass(wire.random() * 100)
    for (const end of wire.ends) end.connect()
    say(5)
    await wire.pass(wire.random() * 40)
    if (wire.random() < 0.5) for (const { relay } of wire.ends) relay.stay()
    say(5)
    await wire.pass(wire.random() * 200)
    for (const end of wire.ends) end.connect()
    say(3)
    await wire.pass(9000)
    for (const end of wire.ends) if (end.relay.isUsed) await wire.pass(60_000)
    for (const [side, end] of wire.ends.entries()) {
      assert.deepEqual(wire.other(end).got, sent[side])
      assert.deepEqual(end.log.slice(1), ['moved'])
      assert.equal(end.relay.buffered, 0)
    }
  })
}

test('a move waits for no acknowledgement for ever, and says that something may be lost', async () => {
  const wire = new Wire(5)
  const [alice, bob] = wire.ends as [End, End]
  alice.relay.wish(0)
  await wire.pass(400)
  bob.relay.close()
  alice.send('lost')
  await wire.pass(100)
  alice.connect()
  alice.send('kept')
  await wire.pass(12_000)
  assert.deepEqual([alice.log, bob.got], [['answered', 'moved, lossy'], ['kept']])
})

test('a move that is asked for twice is one, and its patience ends with it', async () => {
  const wire = new Wire(5)
  const [alice, bob] = wire.ends as [End, End]
  alice.relay.wish(0)
  await wire.pass(400)
  bob.relay.close()
  alice.send('on its way')
  await wire.pass(100)
  alice.connect()
  alice.connect()
  await wire.pass(5000)
  alice.relay.stay()
  alice.connect()
  await wire.pass(6000)
  assert.deepEqual(alice.log, ['answered'])
  await wire.pass(5000)
  assert.deepEqual(alice.log, ['answered', 'moved, lossy'])
})

test('one whose stream the other side does not know any more opens another', async () => {
  const wire = new Wire(6)
  const [alice, bob] = wire.ends as [End, End]
  alice.relay.wish(0)
  await wire.pass(400)
  bob.forget()
  alice.send('lost')
  await wire.pass(60_000)
  alice.send('kept')
  await wire.pass(1000)
  assert.deepEqual([alice.log, bob.got], [['answered', 'answered'], ['kept']])
})

test('a server that refuses pieces for a minute, as a full mailbox makes it, costs nothing but time', async () => {
  const wire = new Wire(7)
  const [alice, bob] = wire.ends as [End, End]
  alice.relay.wish(0)
  await wire.pass(400)
  wire.loss = 1
  const sent = Array.from({ length: 100 }, (_, i) => `message ${i}`)
  for (const text of sent) alice.send(text)
  for (let second = 0; second < 60; second++) {
    alice.relay.resend(1000)
    await wire.pass(1000)
  }
  wire.loss = 0
  await wire.pass(4000)
  assert.deepEqual([alice.log, bob.got], [['answered'], sent])
})

test('more than a mebibyte does not wait, but for one message', async () => {
  const wire = new Wire(8)
  const [alice] = wire.ends as [End, End]
  alice.relay.wish(0)
  await wire.pass(400)
  const data = new Uint8Array(100_000)
  let taken = 0
  while (alice.relay.send('text', data)) taken++
  assert.equal(taken, 10)
  assert.ok(alice.relay.buffered <= 1024 * 1024)
  alice.connect()
  assert.equal(alice.relay.send('text', data), false)
  await wire.pass(2000)
  assert.deepEqual([alice.overConnection.length, alice.relay.buffered, alice.log.at(-1)], [10, 0, 'moved'])
})

test('a recipient that says again and again that it has no room yet keeps its stream, and one that says nothing does not', async () => {
  for (const [answers, stuck] of [[true, 0], [false, 1]] as const) {
    const clock = new StillClock()
    let times = 0
    const nothing = () => {}
    const setup = { clock, Channel, channels: { text: {} }, maxMessage: 1e6, near: ['text'], far: ['text'], own: 'own', other: 'other', seals: null }
    const stream = new Stream(setup, {
      canSignal: () => true, send: nothing, message: nothing, dropped: nothing, forged: nothing, drained: nothing, stuck: () => times++,
    })
    stream.send('text', new Uint8Array(10))
    for (let n = 1; n < 100; n++) {
      clock.pass(1000)
      if (answers) await stream.receive({ kind: 'relayed', stream: 'own', n, ack: 'AAAAAA' })
    }
    assert.equal(times, stuck)
    stream.close()
  }
})
