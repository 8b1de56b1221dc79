// Ten pages that write, lose each other, are reloaded and come back, as chance will have it: in the end all have one text.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as Y from 'yjs'
import { freshAccess, type Access } from './access.ts'
import { documentChannel } from './document-channel.ts'
import { ofLibrary } from './signature-library.ts'
import { mesh, type Member, type Mesh } from './testing/mesh.ts'

const open: Access = { kind: 'open', roomKey: null }
const writing = freshAccess((bytes) => bytes.map((_, i) => (i * 91 + 5) & 255))
assert.ok(writing.kind === 'write')
const reading: Access = { kind: 'read', publicKey: ofLibrary(writing).publicKey, roomKey: null }

async function storm(room: Mesh, accesses: readonly Access[], steps: number): Promise<void> {
  const { random } = room
  const everybody = accesses.map((access, i) => room.add(`peer ${i}`, access))
  const writers = everybody.filter((_, i) => accesses[i]?.kind !== 'read')
  const pick = (list: readonly Member[]): Member => list[Math.floor(random() * list.length)] as Member
  room.connectAll()
  room.delay = () => 5 + Math.floor(random() * 60)
  room.loses = () => random() < 0.03
  for (let step = 0; step < steps; step++) {
    const { text } = pick(writers)
    const at = Math.floor(random() * (text.length + 1))
    if (random() < 0.7) text.insert(at, String.fromCharCode(97 + Math.floor(random() * 26)).repeat(1 + Math.floor(random() * 5)))
    else text.delete(at, Math.min(text.length - at, Math.floor(random() * 4)))
    const chance = random()
    if (chance < 0.05) {
      const [a, b] = [pick(everybody), pick(everybody)]
      if (a !== b) room.turn(a, b, 'closed') // some of these stay cut
      if (a !== b && random() < 0.6) room.connect(a, b)
    } else if (chance < 0.08) {
      const back = pick(everybody)
      room.reload(back)
      for (const other of everybody) if (other !== back) room.connect(back, other)
    }
    await room.clock.pass(Math.floor(random() * 30))
  }
  room.loses = () => false
  await room.clock.pass(120_000)
  const texts = everybody.map(({ text }) => text.toString())
  assert.equal(new Set(texts).size, 1, `texts differ: ${JSON.stringify(texts.map((text) => text.slice(0, 60)))}`)
  assert.ok((texts[0] ?? '').length > 50)
}

test('random edits, losses, cuts and reloads of ten peers end in one text, with 20 seeds', async (t) => {
  for (let seed = 1; seed <= 20; seed++) await storm(mesh(t, seed), Array<Access>(10).fill(open), 120)
})

test('so do they where edits are signed and some only read', async (t) => {
  for (let seed = 1; seed <= 3; seed++) await storm(mesh(t, seed), [...Array<Access>(3).fill(writing), reading, reading], 40)
})

test('a peer that takes nothing holds nobody up, and little waits for it', async (t) => {
  const room = mesh(t)
  const [ada, bob, cyd] = [room.add('ada'), room.add('bob'), room.add('cyd')]
  room.connectAll()
  await room.clock.pass(100)
  const stalled = ada.remotes.get('cyd')
  assert.ok(stalled !== undefined)
  room.delay = ({ to }) => (to === 'cyd' ? 600_000 : 5)
  for (let i = 0; i < 200; i++) {
    ada.text.insert(0, `${i} `.repeat(10_000))
    await room.clock.pass(10)
  }
  assert.equal(bob.text.toString(), ada.text.toString())
  assert.ok(ada.text.length > 6_000_000)
  assert.ok(stalled.buffered <= 1_200_000, `${stalled.buffered} bytes wait`)
  assert.equal(ada.provider.inSync('cyd'), false)
  room.delay = () => 5
  await room.clock.pass(700_000)
  assert.equal(cyd.text.toString(), ada.text.toString())
})

test('a text of 10 MB reaches somebody new in one piece', async (t) => {
  const room = mesh(t)
  const [ada, bob] = [room.add('ada', writing), room.add('bob', reading)]
  ada.text.insert(0, 'All of this is one long text. '.repeat(350_000))
  room.connectAll()
  await room.clock.pass(5_000)
  assert.equal(bob.text.length, 10_500_000)
  assert.equal(room.sentOn(documentChannel).filter(({ data }) => data.length > 1_000_000).length, 1)
  assert.deepEqual(Y.encodeStateVector(bob.doc), Y.encodeStateVector(ada.doc))
})
