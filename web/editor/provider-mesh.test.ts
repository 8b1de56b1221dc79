import assert from 'node:assert/strict'
import { test } from 'node:test'
import { documentChannel } from './document-channel.ts'
import { mesh, type Member, type Mesh } from './testing/mesh.ts'

/** A room whose members are neighbours of the two beside them, and reach the others through those. */
async function ring(t: { after(call: () => void): void }, count: number): Promise<{ room: Mesh; members: Member[] }> {
  const room = mesh(t)
  room.meshed = true
  const members = Array.from({ length: count }, (_, i) => room.add(`m${i}`))
  members.forEach((a, i) => members.slice(i + 1).forEach((b, j) => ([0, count - 2].includes(j) && (j === 0 || i === 0) ? room.connect(a, b) : room.reach(a, b))))
  await room.clock.pass(1000)
  return { room, members }
}

const texts = (members: readonly Member[]) => [...new Set(members.map(({ text }) => text.toString()))]

test('in a mesh an edit is told to the room once, and questions go to neighbours alone', async (t) => {
  const { room, members } = await ring(t, 16)
  room.sent.length = 0
  members[3]?.text.insert(0, 'x')
  await room.clock.pass(50)
  assert.deepEqual(texts(members), ['x'])
  assert.equal(room.sentOn(documentChannel).length, 15)
  await room.clock.pass(20_000)
  const far = room.sentOn(documentChannel).filter(({ from, to }) => room.members.get(from)?.remotes.get(to)?.path !== null)
  assert.ok(far.every(({ data }) => data[0] === 4), 'a question went through others')
  for (const member of members) for (const other of members) if (member !== other) assert.ok(member.provider.inSync(other.id))
})

test('what somebody brings along spreads through the mesh without being asked for', async (t) => {
  const { room, members } = await ring(t, 16)
  const late = room.add('late')
  late.text.insert(0, 'written on a train')
  await room.clock.pass(10)
  for (const member of members.slice(2)) room.reach(late, member)
  for (const member of members.slice(0, 2)) room.connect(late, member)
  await room.clock.pass(1500)
  assert.deepEqual(texts([...members, late]), ['written on a train'])
})

test('in a mesh everybody sees everybody, and nobody who is lost or gone', async (t) => {
  const { room, members } = await ring(t, 16)
  for (const member of members) assert.equal(member.seen.length, 15)
  const late = room.add('late')
  for (const member of members.slice(1)) room.reach(late, member)
  room.connect(late, members[0] as Member)
  await room.clock.pass(100)
  assert.equal(late.seen.length, 16)
  for (const member of members) assert.ok(member.seen.includes('late'))
  for (const member of members) room.turn(member, late, 'reconnecting')
  for (const member of members) assert.ok(!member.seen.includes('late'))
  for (const member of members) room.turn(member, late, 'connected')
  await room.clock.pass(100)
  for (const member of members) assert.ok(member.seen.includes('late'))
  room.leave(late)
  for (const member of members) assert.ok(!member.seen.includes('late'))
})
