// Rooms whose edits are signed: who may write, does, and nobody else, however their page was changed.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as Y from 'yjs'
import { freshAccess, type Access } from './access.ts'
import { documentChannel } from './document-channel.ts'
import { Notary } from './edit.ts'
import * as messages from './messages.ts'
import { ofLibrary } from './signature-library.ts'
import { mesh, type Mesh } from './testing/mesh.ts'

let next = 1
const fresh = (): Extract<Access, { kind: 'write' }> => {
  const access = freshAccess((bytes) => bytes.map(() => (next = (next * 73 + 41) % 65_521) & 255))
  assert.ok(access.kind === 'write')
  return access
}
const writing = fresh()
const reading: Access = { kind: 'read', publicKey: ofLibrary(writing).publicKey, roomKey: null }
const open: Access = { kind: 'open', roomKey: null }

const texts = (room: Mesh): string[] => [...room.members.values()].map(({ text }) => text.toString())

/** What a page says whose code somebody changed: an update that inserts this. */
function inserting(words: string, doc?: Y.Doc): Uint8Array {
  const own = new Y.Doc()
  if (doc !== undefined) Y.applyUpdate(own, Y.encodeStateAsUpdate(doc))
  const before = Y.encodeStateVector(own)
  own.getText('text').insert(0, words)
  return Y.encodeStateAsUpdate(own, before)
}

test('what writers write reaches writers and readers, a keystroke as n−1 messages', async (t) => {
  const room = mesh(t)
  const [ada, bob, cyd] = [room.add('ada', writing), room.add('bob', writing), room.add('cyd', reading)]
  ada.text.insert(0, 'from ada ')
  room.connectAll()
  await room.clock.pass(100)
  bob.text.insert(0, 'from bob ')
  await room.clock.pass(100)
  assert.deepEqual(texts(room), Array(3).fill('from bob from ada '))
  room.sent.length = 0
  ada.text.delete(0, 5)
  await room.clock.pass(100)
  assert.equal(room.sentOn(documentChannel).length, 2)
  assert.deepEqual(texts(room), Array(3).fill('bob from ada '))
  assert.equal(cyd.provider.inSync('ada') && ada.provider.inSync('cyd'), true)
})

test('a reader with a changed page changes nobody’s text', async (t) => {
  const room = mesh(t)
  const [ada, bob, eve, cyd] = [room.add('ada', writing), room.add('bob', reading), room.add('eve', reading), room.add('cyd', writing)]
  ada.text.insert(0, 'sound')
  room.connectAll()
  await room.clock.pass(100)
  const recorded = room.sentOn(documentChannel).filter(({ from, to }) => from === 'ada' && to === 'eve').map(({ data }) => messages.read(data))
  const genuine = recorded.flatMap((message) => (message.kind === 'answer' ? message.edits : message.kind === 'edit' ? [message.edit] : []))
  assert.ok(genuine.length > 0)
  const foreign = new Notary(ofLibrary(fresh()), 'room')
  const elsewhere = new Notary(ofLibrary(writing), 'another room')
  const update = inserting('EVIL', ada.doc)
  const name = { origin: 7, number: 1 }
  const forged: Uint8Array[] = [
    messages.update(update),
    messages.update(inserting('EVIL')),
    messages.step2(eve.doc, new Uint8Array([0])).fill(1, 0, 1),
    messages.edit({ ...name, update, signature: new Uint8Array(0) }),
    messages.edit({ ...name, update, signature: new Uint8Array(64) }),
    messages.edit(await foreign.sign({ ...name, update })),
    messages.edit(await elsewhere.sign({ ...name, update })),
    messages.answer([...genuine, { ...name, update, signature: genuine[0]?.signature ?? new Uint8Array(64) }]),
    ...genuine.map((edit) => messages.edit({ ...edit, update })),
    ...genuine.map((edit) => messages.edit({ ...edit, number: edit.number + 1 })),
  ]
  for (const data of forged) for (const victim of [ada, bob, cyd]) room.forge(eve, victim, documentChannel, data)
  await room.clock.pass(30_000)
  for (const victim of [ada, bob, cyd]) {
    assert.equal(victim.text.toString(), 'sound')
    assert.equal(victim.provider.doubts('eve', 'unsigned') + victim.provider.dropped('eve'), forged.length)
  }
  cyd.text.insert(5, ' and well')
  await room.clock.pass(100)
  assert.deepEqual(texts(room), Array(4).fill('sound and well'))
})

test('a reader passes on what writers wrote, to readers and writers, once no writer is left', async (t) => {
  const room = mesh(t)
  const [ada, bob] = [room.add('ada', writing), room.add('bob', reading)]
  ada.text.insert(0, 'abcdefgh')
  room.connectAll()
  await room.clock.pass(100)
  ada.text.delete(0, 2)
  ada.text.insert(6, 'ij')
  await room.clock.pass(100)
  room.leave(ada)
  const [cyd, dan] = [room.add('cyd', reading), room.add('dan', writing)]
  room.connect(bob, cyd)
  room.connect(cyd, dan) // two steps from where it came
  await room.clock.pass(60_000)
  assert.deepEqual([cyd.text.toString(), dan.text.toString()], ['cdefghij', 'cdefghij'])
})

test('a reader who comes back with what was saved can still pass all of it on', async (t) => {
  const room = mesh(t)
  const [ada, bob] = [room.add('ada', writing), room.add('bob', reading)]
  ada.text.insert(0, 'kept')
  room.connectAll()
  await room.clock.pass(100)
  room.reload(bob)
  assert.equal(bob.text.toString(), 'kept')
  room.connect(ada, bob)
  await room.clock.pass(100)
  room.leave(ada)
  const cyd = room.add('cyd', reading)
  room.connect(bob, cyd)
  await room.clock.pass(20_000)
  assert.equal(cyd.text.toString(), 'kept')
})

test('what a reader holds of an hour of typing stays small, and is still all of the text', async (t) => {
  const room = mesh(t)
  const [ada, bob] = [room.add('ada', writing), room.add('bob', reading)]
  room.connectAll()
  await room.clock.pass(100)
  for (let i = 0; i < 1_000; i++) {
    ada.text.insert(ada.text.length, String.fromCharCode(97 + (i % 26)))
    if (i % 3 === 0) ada.text.delete(0, 1)
    await room.clock.pass(20)
  }
  room.leave(ada)
  room.sent.length = 0
  const cyd = room.add('cyd', reading)
  room.connect(bob, cyd)
  await room.clock.pass(1_000)
  assert.equal(cyd.text.toString(), bob.text.toString())
  const told = room.sentOn(documentChannel).map(({ data }) => messages.read(data)).find((message) => message.kind === 'answer')
  assert.ok(told?.kind === 'answer' && told.edits.length < 400, `${told?.kind === 'answer' ? told.edits.length : 'no'} edits`)
})

test('a reader who tells the same again and again makes nobody’s memory grow', async (t) => {
  const room = mesh(t)
  const [ada, bob, eve] = [room.add('ada', writing), room.add('bob', reading), room.add('eve', reading)]
  room.connectAll()
  await room.clock.pass(100)
  for (const words of ['told', ' once']) {
    ada.text.insert(ada.text.length, words)
    await room.clock.pass(100)
  }
  const edit = room.sentOn(documentChannel).map(({ data }) => messages.read(data)).filter((message) => message.kind === 'edit').at(-1)
  assert.ok(edit?.kind === 'edit')
  room.leave(ada)
  for (let i = 0; i < 20; i++) room.forge(eve, bob, documentChannel, messages.answer(Array(10).fill(edit.edit)))
  await room.clock.pass(1_000)
  room.sent.length = 0
  const cyd = room.add('cyd', reading)
  room.connect(bob, cyd)
  await room.clock.pass(1_000)
  assert.equal(cyd.text.toString(), 'told once')
  const told = room.sentOn(documentChannel).filter(({ from }) => from === 'bob').map(({ data }) => messages.read(data))
  const edits = told.flatMap((message) => (message.kind === 'answer' ? message.edits : []))
  assert.ok(edits.length > 0 && edits.length <= 4, `${edits.length} edits`)
})

test('a page without the key sees the text, says that it cannot check it, and changes nothing', async (t) => {
  const room = mesh(t)
  const [ada, bob] = [room.add('ada', writing), room.add('bob', open)]
  ada.text.insert(0, 'signed')
  room.connectAll()
  await room.clock.pass(100)
  bob.text.insert(0, 'unsigned ')
  await room.clock.pass(30_000)
  assert.equal(ada.text.toString(), 'signed')
  assert.match(bob.text.toString(), /signed$/)
  assert.ok(bob.provider.doubts('ada', 'unchecked') > 0)
  assert.ok(ada.provider.doubts('bob', 'unsigned') > 0)
})

test('a page with the wrong key and the room disagree, and neither is harmed', async (t) => {
  const room = mesh(t)
  const [ada, bob] = [room.add('ada', writing), room.add('bob', fresh())]
  ada.text.insert(0, 'right')
  bob.text.insert(0, 'wrong')
  room.connectAll()
  await room.clock.pass(30_000)
  assert.deepEqual(texts(room), ['right', 'wrong'])
  assert.ok(ada.provider.doubts('bob', 'unsigned') > 0 && bob.provider.doubts('ada', 'unsigned') > 0)
})
