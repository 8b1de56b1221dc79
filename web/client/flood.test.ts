import assert from 'node:assert/strict'
import { test } from 'node:test'
import { write } from './envelope.ts'
import { hash } from './mesh.ts'
import { Far, Lattice, type Page } from './testing/lattice.ts'

const names = (count: number) => Array.from({ length: count }, (_, i) => `p${i}`)

/** A room of so many, settled. */
function room(count: number, channels?: Lattice['channels']): { lattice: Lattice; pages: Page[] } {
  const lattice = new Lattice(channels)
  const pages = names(count).map((name) => lattice.join(name))
  lattice.clock.pass(30_000)
  return { lattice, pages }
}

const pick = (step: number, count: number) => hash(String(step)) % count

const bytes = (text: string) => new TextEncoder().encode(text)
const texts = (page: Page, from: Page) => page.got.filter((message) => message.from === from.id).map(({ text }) => text)

test('a room that grows over 12 peers and shrinks again is meshed meanwhile, and no edge is left over', () => {
  const { lattice, pages } = room(12)
  assert.ok(pages.every(({ neighbourhood, degree }) => !neighbourhood.isMeshed && degree === 11))
  const more = names(30).slice(12).map((name) => lattice.join(name))
  lattice.clock.pass(30_000)
  for (const { neighbourhood, degree, peers } of [...pages, ...more]) {
    assert.ok(neighbourhood.isMeshed)
    assert.ok(degree >= 4 && degree <= 8, `${degree} edges`)
    assert.ok([...peers.values()].every(({ isHeard }) => isHeard), 'not all were heard of')
  }
  for (const page of more) lattice.leave(page)
  lattice.clock.pass(30_000)
  for (const { neighbourhood, degree } of pages.slice(0, 10)) assert.ok(neighbourhood.isMeshed && degree <= 8)
  for (const page of pages.slice(10)) lattice.leave(page)
  lattice.clock.pass(30_000)
  for (const { neighbourhood, degree } of pages.slice(0, 10)) assert.deepEqual([neighbourhood.isMeshed, degree], [false, 9])
})

test('a message reaches everybody once, within a few hops, by no more messages than there are ends of edges', () => {
  const { lattice, pages } = room(30)
  lattice.carried = 0
  pages[3]!.say('hello')
  lattice.clock.pass(5 * 4)
  for (const page of pages) assert.deepEqual(page.got, page === pages[3] ? [] : [{ from: 'p3', channel: 'text', text: 'hello' }])
  assert.ok(lattice.carried <= 30 * 7 + 1, `${lattice.carried} messages`)
})

test('while edges break at random, each message comes once and in order, and most come', () => {
  const { lattice, pages } = room(24)
  lattice.delay = () => 1 + (hash(`${lattice.carried}`) % 40)
  for (let step = 0; step < 300; step++) {
    pages[step % 3]!.say(String(step))
    const far = [...pages[pick(step, 24)]!.peers.values()].filter(({ isNear }) => isNear)
    if (far.length > 3) lattice.cut(far[pick(step, far.length)]!)
    lattice.clock.pass(20)
  }
  lattice.clock.pass(5000)
  let lost = 0
  for (const page of pages) {
    for (const [i, origin] of pages.slice(0, 3).entries()) {
      if (page === origin) continue
      const got = texts(page, origin).map(Number)
      assert.deepEqual(got, [...new Set(got)].sort((a, b) => a - b), 'twice, or out of order')
      assert.ok(got.every((n) => n % 3 === i))
      lost += 100 - got.length
    }
  }
  assert.ok(lost < 300, `${lost} of ${300 * 23} were lost`)
})

test('when 6 of 30 vanish at once, messages go on reaching all others, who mend the mesh and say who is lost', () => {
  const { lattice, pages } = room(30)
  const gone = pages.filter((_, i) => i % 5 === 2)
  const rest = pages.filter((page) => !gone.includes(page))
  for (const page of gone) lattice.vanish(page)
  pages[0]!.say('at once')
  lattice.clock.pass(500)
  for (const page of rest.slice(1)) assert.deepEqual(texts(page, pages[0]!), ['at once'])
  lattice.clock.pass(7000)
  for (const page of rest) {
    for (const { id, isHeard } of page.peers.values()) assert.equal(isHeard, !gone.some((other) => other.id === id), `${id} at ${page.id}`)
  }
  lattice.clock.pass(20_000)
  for (const { degree } of rest) assert.ok(degree >= 4 && degree <= 9, `${degree} edges`)
  for (const page of gone) for (const other of rest) other.peers.delete(page.id)
  for (const page of rest) page.neighbourhood.update()
  lattice.clock.pass(30_000)
  for (const { degree } of rest) assert.ok(degree <= 8, `${degree} edges`)
})

test('who vanished is lost to one who had an edge to it without need, too, and was told so while that edge seemed to be there', () => {
  const { lattice, pages } = room(20)
  const [victim] = pages as [Page]
  const [far] = [...victim.peers.values()].filter(({ isNear }) => !isNear)
  const edge = far!.other!
  lattice.connect(edge) // as another roster asks for
  assert.deepEqual([edge.isNear, edge.isWanted], [true, false])
  edge.noticeTime = 8000
  lattice.vanish(victim)
  far!.isSpare = false // it needed the edge
  lattice.clock.pass(7900)
  assert.deepEqual([edge.isNear, edge.isHeard], [true, true])
  lattice.clock.pass(1200)
  for (const page of pages.slice(1)) assert.equal(page.peers.get(victim.id)!.isHeard, false, page.id)
})

test('who vanished is lost to one who had an edge to it just after it was said to be lost', () => {
  const { lattice, pages } = room(20)
  const [victim] = pages as [Page]
  const far = [...victim.peers.values()].find(({ isNear }) => !isNear)!.other!
  lattice.vanish(victim)
  lattice.clock.pass(6300)
  assert.equal(far.isHeard, true) // it is doubted
  far.isNear = far.hasWay = true
  far.owner.flood.look(far)
  lattice.clock.pass(300)
  lattice.cut(far)
  lattice.clock.pass(1200)
  assert.equal(far.isHeard, false)
})

test('who is away to the server and reached by others only is asked now and then, and lost without an answer', () => {
  const { lattice, pages } = room(20)
  const [asker, victim] = pages as [Page, Page]
  const far = asker.peers.get(victim.id)!
  const alive = [...asker.peers.values()].find(({ isNear, id }) => !isNear && id !== victim.id)!
  lattice.vanish(victim)
  lattice.clock.pass(9000)
  assert.equal(far.isHeard, false)
  for (const each of [far, alive]) each.presence = 'away'
  far.isHeard = true // whatever made it so
  lattice.clock.pass(10_000)
  assert.deepEqual([far.isHeard, alive.isHeard], [false, true])
})

test('an edge without need that fails between two who live makes nobody lost', () => {
  const { lattice, pages } = room(20)
  const edge = [...pages[0]!.peers.values()].find(({ isNear }) => !isNear)!
  lattice.connect(edge)
  let changes = 0
  for (const each of [edge, edge.other!]) {
    let isHeard = each.isHeard
    Object.defineProperty(each, 'isHeard', { get: () => isHeard, set: (is: boolean) => void ((isHeard = is), changes++) })
  }
  changes = 0
  lattice.cut(edge)
  lattice.clock.pass(3000)
  assert.deepEqual([edge.isHeard, edge.other!.isHeard, changes], [true, true, 0])
})

test('somebody wrongly said to be lost says otherwise', () => {
  const { lattice, pages } = room(20)
  pages[0]!.flood.all('text', bytes('p5'), 3)
  lattice.clock.pass(3000)
  for (const page of pages) if (page.id !== 'p5') assert.ok(page.peers.get('p5')!.isHeard)
})

test('who is cut off hears of nobody, and of everybody again when a way is back', () => {
  const { lattice, pages } = room(20)
  const alone = pages[4]!
  for (const far of alone.peers.values()) far.isNear = false
  for (const far of alone.peers.values()) alone.flood.look(far)
  assert.ok([...alone.peers.values()].every(({ isHeard }) => !isHeard))
  for (const page of pages) {
    const far = page.peers.get('p4')
    if (far?.isNear) lattice.cut(far)
  }
  lattice.clock.pass(5000)
  assert.ok([...alone.peers.values()].every(({ isHeard }) => isHeard))
  pages[11]!.say('welcome')
  lattice.clock.pass(50)
  assert.deepEqual(texts(alone, pages[11]!), ['welcome'])
})

test('a message to one who is no neighbour reaches that one alone, in order, by a few messages', () => {
  const { lattice, pages } = room(30)
  const [from] = pages as [Page]
  const far = [...from.peers.values()].filter(({ isNear }) => !isNear)
  lattice.carried = 0
  for (const peer of far) for (let i = 0; i < 5; i++) assert.equal(from.flood.one(peer, 'text', bytes(String(i))), true)
  lattice.clock.pass(2000)
  for (const page of pages) {
    const expected = far.some(({ id }) => id === page.id) ? ['0', '1', '2', '3', '4'] : []
    assert.deepEqual(page.got.map(({ text }) => text), expected, page.id)
  }
  assert.ok(lattice.carried <= far.length * 5 * 5, `${lattice.carried} messages`)
  assert.equal(from.flood.one(far[0]!, 'text', new Uint8Array(64 * 1024 + 1)), false)
})

test('a message to one who was thought to be gone, and never was, reaches that one', () => {
  const { lattice, pages } = room(20)
  const [from] = pages as [Page]
  const far = [...from.peers.values()].find(({ isNear }) => !isNear)!
  for (let i = 0; i < 5; i++) from.flood.one(far, 'text', bytes(String(i)))
  lattice.clock.pass(100)
  const again = new Far(from, far.page)
  from.peers.delete(far.id)
  from.flood.look(far)
  from.peers.set(far.id, again)
  from.neighbourhood.update()
  from.flood.one(again, 'text', bytes('again'))
  lattice.clock.pass(1500)
  assert.deepEqual(texts(far.page, from), ['0', '1', '2', '3', '4', 'again'])
})

test('a neighbour that takes nothing holds nobody up, and gets what others give it', () => {
  const { lattice, pages } = room(16)
  const [slow, ...others] = pages as [Page, ...Page[]]
  for (const page of others.slice(0, -6)) page.peers.get(slow.id)!.blocked = true
  for (let i = 0; i < 50; i++) others[i % 3]!.say(String(i))
  lattice.clock.pass(100)
  for (const page of pages) assert.equal(page.got.length, pages.indexOf(page) > 0 && pages.indexOf(page) < 4 ? 50 - (pages.indexOf(page) < 3 ? 17 : 16) : 50, page.id)
})

test('a neighbour that is refused is left out at once, whatever the reason', () => {
  for (const trust of ['refused', 'unsigned']) {
    const [page] = room(16).pages as [Page]
    const far = [...page.peers.values()].find(({ isNear }) => isNear)!
    far.trust = trust
    far.isNear = false
    page.neighbourhood.update()
    assert.equal(far.isWanted, false, trust)
  }
})

test('who was let in without the key speaks for itself alone, with those alone who let it in', () => {
  const { lattice, pages } = room(16)
  const [page] = pages as [Page]
  const from = [...page.peers.values()].find(({ isNear }) => isNear)!
  from.isTrusted = false
  const others = pages.filter((other) => other !== page && other !== from.page)
  const envelope = { sort: 0, run: hash(from.page.instance), n: 1000, origin: from.id, payload: bytes('own') }
  const forged = { ...envelope, run: hash(others[0]!.instance), origin: others[0]!.id, payload: bytes('forged') }
  const { carried } = lattice
  page.flood.receive(from, 'carets', write(forged))
  page.flood.receive(from, 'carets', write({ ...forged, to: page.id, hops: 8 }))
  page.flood.receive(from, 'carets', write({ ...envelope, to: others[1]!.id, hops: 8 }))
  page.flood.receive(from, 'carets', write({ ...envelope, n: 1001 }))
  const far = [...page.peers.values()].find(({ isNear }) => !isNear)!
  page.flood.receive(from, 'text', write({ ...envelope, sort: 3, payload: bytes(far.id) }))
  lattice.clock.pass(2900)
  assert.ok(far.isHeard)
  assert.deepEqual(page.got.map(({ text }) => text), ['own'])
  assert.ok(others.every(({ got }) => got.length === 0))
  assert.equal(lattice.carried, carried)
  let given = 0
  from.carry = () => Boolean(++given)
  others[0]!.say('not for all')
  lattice.clock.pass(900)
  assert.deepEqual([texts(page, others[0]!), given], [['not for all'], 0])
  page.say('for all')
  page.flood.one(from, 'text', bytes('for one'))
  assert.equal(given, 2)
})

test('what is forged, malformed or repeated is dropped, and counted where somebody is to blame', () => {
  const { lattice, pages } = room(16)
  const [page] = pages as [Page]
  const from = [...page.peers.values()].find(({ isNear }) => isNear)!
  const envelope = { sort: 0, run: hash('p9~1'), n: 1000, origin: 'p9', payload: bytes('forged') }
  const counted: Record<string, Uint8Array> = {
    'no envelope': bytes('x'),
    'nobody of this room': write({ ...envelope, origin: 'nobody' }),
    'another visit of the same peer': write({ ...envelope, run: 1 }),
  }
  for (const [says, data] of Object.entries(counted)) {
    const before = from.dropped
    page.flood.receive(from, 'text', data)
    assert.equal(from.dropped, before + 1, says)
  }
  page.flood.receive(from, 'text', write({ ...envelope, origin: page.id, run: hash(page.instance) }))
  page.flood.receive(from, 'text', write({ ...envelope, sort: 3, payload: new Uint8Array(60_000) }))
  lattice.clock.pass(2000)
  assert.deepEqual(page.got, [])
  pages[9]!.say('once')
  for (let i = 0; i < 100_000; i++) page.flood.receive(from, 'carets', write({ ...envelope, n: 7 }))
  lattice.clock.pass(2000)
  assert.equal(page.got.filter(({ channel }) => channel === 'carets').length, 1)
})

test('a room whose only channel keeps the latest is meshed, too', () => {
  const { lattice, pages } = room(14, { carets: { ordered: false, maxRetransmits: 0, latestOnly: true } })
  assert.ok(pages.every(({ peers }) => [...peers.values()].every(({ isHeard }) => isHeard)))
  pages[0]!.say('here', 'carets')
  lattice.clock.pass(100)
  assert.ok(pages.slice(1).every((page) => page.got.length === 1))
})
