import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as Y from 'yjs'
import { awarenessChannel } from './awareness-channel.ts'
import { documentChannel } from './document-channel.ts'
import * as messages from './messages.ts'
import { mesh, type Member, type Mesh } from './testing/mesh.ts'

function texts(room: Mesh): string[] {
  return [...room.members.values()].map(({ text }) => text.toString())
}

function assertEqualTexts(room: Mesh): void {
  assert.equal(new Set(texts(room)).size, 1, `texts differ: ${JSON.stringify(texts(room).map((text) => text.slice(0, 80)))}`)
}

const kinds = (room: Mesh): number[] => room.sentOn(documentChannel).map(({ data }) => data[0] ?? -1)

test('texts written apart are one text once the channel opens', async (t) => {
  const room = mesh(t)
  const [ada, bob] = [room.add('ada'), room.add('bob')]
  ada.text.insert(0, 'from ada ')
  bob.text.insert(0, 'from bob ')
  await room.clock.pass(10)
  assert.equal(ada.provider.inSync('bob'), false)
  room.connectAll()
  await room.clock.pass(100)
  assertEqualTexts(room)
  assert.match(ada.text.toString(), /from ada .*from bob |from bob .*from ada /)
  assert.equal(ada.provider.inSync('bob'), true)
  assert.deepEqual(kinds(room).sort(), [0, 0, 1, 1])
})

test('what comes before a side knows that the channel is open is not lost', async (t) => {
  const room = mesh(t)
  const [ada, bob] = [room.add('ada'), room.add('bob')]
  ada.text.insert(0, 'early')
  await room.clock.pass(10)
  room.lag = 50
  room.connectAll()
  await room.clock.pass(40)
  assert.equal(bob.text.toString(), 'early')
  assert.equal(ada.provider.inSync('bob'), true)
})

test('a keystroke among four costs three messages, and nobody passes it on', async (t) => {
  const room = mesh(t)
  for (const id of ['ada', 'bob', 'cyd', 'dan']) room.add(id)
  room.connectAll()
  await room.clock.pass(100)
  room.sent.length = 0
  room.members.get('ada')?.text.insert(0, 'x')
  await room.clock.pass(100)
  assert.deepEqual(room.sentOn(documentChannel).map(({ from, to }) => `${from}>${to}`), ['ada>bob', 'ada>cyd', 'ada>dan'])
  assert.deepEqual(texts(room), ['x', 'x', 'x', 'x'])
})

test('the edits of one tick travel as one message', async (t) => {
  const room = mesh(t)
  const [ada] = [room.add('ada'), room.add('bob')]
  room.connectAll()
  await room.clock.pass(100)
  room.sent.length = 0
  for (const letter of 'several edits') ada.text.insert(ada.text.length, letter)
  ada.text.delete(0, 1)
  await room.clock.pass(100)
  assert.equal(room.sentOn(documentChannel).length, 1)
  assert.deepEqual(texts(room), ['everal edits', 'everal edits'])
})

test('someone who comes late gets a long text', async (t) => {
  const room = mesh(t)
  const [ada] = [room.add('ada'), room.add('bob')]
  room.connectAll()
  ada.text.insert(0, 'A line that is not short.\n'.repeat(60_000))
  await room.clock.pass(100)
  const cyd = room.add('cyd')
  for (const member of room.members.values()) if (member !== cyd) room.connect(member, cyd)
  await room.clock.pass(100)
  assert.equal(cyd.text.length, 1_560_000)
  assertEqualTexts(room)
  assert.equal(cyd.provider.inSync('ada') && cyd.provider.inSync('bob'), true)
})

test('what cannot be read is dropped and counted, and edits go on', async (t) => {
  const room = mesh(t)
  const [ada, bob] = [room.add('ada'), room.add('bob')]
  room.connectAll()
  ada.text.insert(0, 'sound')
  await room.clock.pass(100)

  const foreign = (change: (doc: Y.Doc) => void): Uint8Array => {
    const doc = new Y.Doc()
    change(doc)
    return messages.update(Y.encodeStateAsUpdate(doc))
  }
  const whole = messages.update(Y.encodeStateAsUpdate(ada.doc))
  const bad: Uint8Array[] = [
    new Uint8Array(0),
    Uint8Array.of(9),
    Uint8Array.of(0, 255, 255, 255, 255, 15),
    Uint8Array.of(2, 3, 1, 1, 1),
    new Uint8Array([...whole, 0]),
    ...Array.from(whole.keys()).slice(1).map((length) => whole.slice(0, length)),
    foreign((doc) => doc.getMap('text').set('a', 1)),
    foreign((doc) => doc.getText('another').insert(0, 'text')),
    foreign((doc) => doc.getText('text').insertEmbed(0, { image: 'x' })),
    foreign((doc) => doc.getText('text').insert(0, 'bold', { bold: true })),
  ]
  for (const data of bad) room.forge(ada, bob, documentChannel, data)
  const badStates = [Uint8Array.of(1), Uint8Array.of(2, 1, 1), Uint8Array.of(1, 1, 1, 1, 0x7b), Uint8Array.of(1, 7, 9, 2, 0x5b, 0x5d), Uint8Array.of(0, 0)]
  for (const data of badStates) room.forge(ada, bob, awarenessChannel, data)
  await room.clock.pass(100)
  assert.equal(bob.provider.dropped('ada'), bad.length + badStates.length)
  assert.equal(bob.text.toString(), 'sound')

  ada.text.insert(5, ' and well')
  bob.text.insert(0, 'still ')
  await room.clock.pass(100)
  assert.deepEqual(texts(room), ['still sound and well', 'still sound and well'])
})

test('random bytes never stop the others', async (t) => {
  const room = mesh(t, 7)
  const [ada, bob, eve] = [room.add('ada'), room.add('bob'), room.add('eve')]
  room.connectAll()
  eve.text.insert(0, 'sound')
  await room.clock.pass(100)
  const whole = messages.update(Y.encodeStateAsUpdate(eve.doc))
  for (let round = 0; round < 3_000; round++) {
    const data = whole.slice()
    const flips = 1 + Math.floor(room.random() * 3)
    for (let i = 0; i < flips; i++) data[Math.floor(room.random() * data.length)] = Math.floor(room.random() * 256)
    room.forge(eve, bob, round % 4 === 0 ? awarenessChannel : documentChannel, data)
  }
  await room.clock.pass(100)
  assert.ok(bob.provider.dropped('eve') > 1_000)
  for (let i = 0; i < 20; i++) {
    ada.text.insert(0, `<${i}>`)
    bob.text.insert(bob.text.length, `[${i}]`)
    await room.clock.pass(100)
  }
  await room.clock.pass(60_000)
  assert.match(bob.text.toString(), /<19>.*<0>/s)
  assert.match(ada.text.toString(), /\[0\].*\[19\]/s)
  assert.equal(ada.text.toString(), bob.text.toString())
})

for (const [what, edit] of [
  ['insertion', (text: Y.Text) => text.insert(3, 'XYZ')],
  ['deletion', (text: Y.Text) => text.delete(1, 3)],
] as const) {
  test(`a lost ${what} is mended within seconds, through anybody who has it`, async (t) => {
    const room = mesh(t)
    const [ada, bob] = [room.add('ada'), room.add('bob'), room.add('cyd')]
    room.connectAll()
    ada.text.insert(0, 'abcdefgh')
    await room.clock.pass(20_000)
    room.loses = ({ from, to, channel }) => from === 'ada' && to === 'cyd' && channel === documentChannel
    edit(ada.text)
    await room.clock.pass(50)
    assert.notEqual(texts(room)[2], texts(room)[0])
    await room.clock.pass(30_000)
    assertEqualTexts(room)
    assert.equal(bob.text.toString(), ada.text.toString())
  })
}

test('one question mends both sides', async (t) => {
  const room = mesh(t)
  const [ada, bob] = [room.add('ada'), room.add('bob')]
  room.connectAll()
  ada.text.insert(0, 'abcdefgh')
  await room.clock.pass(100)
  room.loses = () => true
  ada.text.insert(0, 'ada ')
  bob.text.delete(6, 2)
  await room.clock.pass(100)
  room.loses = ({ from, data }) => from === 'ada' && data[0] === 3 // so that only bob asks
  await room.clock.pass(7_000)
  assert.deepEqual(texts(room), ['ada abcdef', 'ada abcdef'])
})

test('while nothing differs, questions stay few and small', async (t) => {
  const room = mesh(t)
  const [ada] = [room.add('ada'), room.add('bob'), room.add('cyd')]
  ada.text.insert(0, 'word '.repeat(10_000))
  for (let i = 0; i < 500; i++) ada.text.delete(i * 7, 1)
  room.connectAll()
  await room.clock.pass(20_000)
  ada.text.insert(0, 'one more')
  await room.clock.pass(1_000)
  room.sent.length = 0
  await room.clock.pass(60_000)
  const asked = room.sentOn(documentChannel)
  assert.ok(asked.length >= 20 && asked.length <= 45, `${asked.length} messages in a minute`)
  assert.ok(asked.every(({ data }) => data[0] === 3 && data.length < 40), 'something else than short questions was said')
})

test('a peer that takes nothing is told all it lacks as soon as it does again, and nothing before', async (t) => {
  const room = mesh(t)
  const [ada, bob] = [room.add('ada'), room.add('bob')]
  room.connectAll()
  await room.clock.pass(100)
  room.sent.length = 0
  room.cap = 100_000
  room.delay = () => 2_000
  for (let i = 0; i < 100; i++) {
    ada.text.insert(0, i < 50 ? `${i} `.repeat(1_000) : 'x') // small ones, too, must not slip through
    await room.clock.pass(1)
    if (i === 50) room.cap = 200_000
  }
  await room.clock.pass(1_000)
  const before = kinds(room).length
  assert.ok(before < 50, `${before} messages were sent to a peer that takes nothing`)
  room.delay = () => 5
  await room.clock.pass(1_400) // the first two seconds' worth arrives, and it is asked what it lacks
  assert.deepEqual(kinds(room).slice(before), [3, 1, 0, 1])
  assert.equal(bob.text.toString(), ada.text.toString())
})

test('random edits, losses, cuts and late joiners end in one text', async (t) => {
  for (let seed = 1; seed <= 20; seed++) {
    const room = mesh(t, seed)
    const random = room.random
    for (const id of ['ada', 'bob', 'cyd']) room.add(id)
    room.connectAll()
    room.delay = () => Math.floor(1 + random() * 2) * 10
    room.loses = () => random() < 0.05
    for (let step = 0; step < 150; step++) {
      const members = [...room.members.values()]
      const pick = (): Member => members[Math.floor(random() * members.length)] as Member
      const { text } = pick()
      const at = Math.floor(random() * (text.length + 1))
      if (random() < 0.7) text.insert(at, String.fromCharCode(97 + Math.floor(random() * 26)).repeat(1 + Math.floor(random() * 5)))
      else text.delete(at, Math.min(text.length - at, Math.floor(random() * 4)))
      if (random() < 0.05) {
        const [a, b] = [pick(), pick()]
        if (a !== b) {
          room.turn(a, b, 'closed')
          if (random() < 0.8) room.connect(a, b)
        }
      }
      if (step === 75) {
        const late = room.add('dan')
        for (const member of members) room.connect(member, late)
      }
      await room.clock.pass(Math.floor(random() * 20))
    }
    room.loses = () => false
    await room.clock.pass(90_000)
    assertEqualTexts(room)
    assert.ok((texts(room)[0] ?? '').length > 50, `seed ${seed} wrote nothing`)
  }
})

test('a provider that was destroyed says nothing any more', async (t) => {
  const room = mesh(t)
  const [ada] = [room.add('ada'), room.add('bob')]
  room.connectAll()
  await room.clock.pass(100)
  ada.provider.destroy()
  const before = room.sent.filter(({ from }) => from === 'ada').length
  ada.text.insert(0, 'unheard')
  ada.awareness.setLocalStateField('cursor', 1)
  await room.clock.pass(60_000)
  assert.equal(room.sent.filter(({ from }) => from === 'ada').length, before)
})
