// What peers of different makes and of ill will can do to each other's channels and connections.
import assert from 'node:assert/strict'
import { afterEach, test } from 'node:test'
import { openPage } from './client-stage.mjs'

let page
let rooms = 0

afterEach(() => page?.context().close())

/** Runs the function in a page of its own, in a room of its own. */
async function run(inPage) {
  page = await openPage()
  return page.evaluate(inPage, `channels-${++rooms}`)
}

test('of two pages with other channels, those of one name are joined, and the difference is said once', { timeout: 60_000 }, async () => {
  const sets = [['alpha', 'chat', 'text'], ['chat', 'omega', 'text', 'zeta']]
  for (const [first, second] of [sets, [...sets].reverse()]) {
    const page = await openPage()
    const result = await page.evaluate(async ([room, first, second]) => {
      const named = (names) => ({ channels: Object.fromEntries(names.map((name) => [name, {}])) })
      const a = parley.member(room, named(first))
      await parley.until('the link', () => a.room.link.name === 'open')
      const b = parley.member(room, named(second))
      const members = [a, b]
      const opened = ({ log }, name) => log.filter((line) => line === `open ${name}`).length
      for (const round of [1, 2]) {
        await parley.until('the mesh', () => parley.meshed(...members))
        await parley.until('both channels', () => members.every((member) => ['chat', 'text'].every((name) => opened(member, name) === round)))
        for (const { room } of members) for (const name of ['chat', 'text']) room.broadcast(name, parley.bytes(`${name} ${round}`))
        await parley.until('the messages', () => members.every(({ messages }) => messages.length === 2 * round))
        if (round === 1) a.connections.at(-1).close()
        await parley.until('the loss to be seen', () => round === 2 || !parley.meshed(...members))
      }
      const sent = members.map(({ room }, i) => [first, second][i].map((name) => [...room.peers.values()][0].send(name, new Uint8Array(1))))
      await parley.sleep(200)
      for (const { room } of members) room.leave()
      return members.map(({ log, messages }, i) => ({
        open: [...new Set(log.filter((line) => line.startsWith('open')))].sort(),
        messages: messages.slice(0, 4).map(({ channel, data }) => [channel, parley.text(data)].join(': ')).sort(),
        errors: log.filter((line) => line.startsWith('error')).map((line) => line.replace(/peer \S+ /, 'peer ')),
        sent: sent[i],
      }))
    }, [`channels-${++rooms}`, first, second])
    const differ = (only, others) =>
      `error channels_differ: the channels of peer differ: only this side has ${only}, only the peer has ${others}`
    const words = new Map([[sets[0], differ('“alpha”', '“omega”, “zeta”')], [sets[1], differ('“omega”, “zeta”', '“alpha”')]])
    for (const [i, names] of [first, second].entries()) {
      assert.deepEqual(result[i], {
        open: ['open chat', 'open text'],
        messages: ['chat: chat 1', 'chat: chat 2', 'text: text 1', 'text: text 2'],
        errors: [words.get(names)],
        sent: names.map((name) => name === 'chat' || name === 'text'),
      })
    }
    await page.context().close()
  }
})

test('a peer that counts to the end of all numbers harms no connection to the others', { timeout: 60_000 }, async () => {
  const result = await run(async (room) => {
    // Whoever comes last begins the connections, and so counts them.
    const poison = Number.MAX_SAFE_INTEGER
    const join = { attempt: 'a'.repeat(22), instance: 'evil' }
    const base = `/v1/rooms/${room}/sessions`
    const reply = await fetch(base, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(join) }).then((r) => r.json())
    const socket = new WebSocket(`${location.origin.replace('http', 'ws')}${base}/${reply.session}/ws`, ['parley.v1', `parley.secret.${reply.secret}`])
    await new Promise((resolve) => (socket.onopen = resolve))
    const victims = [parley.member(room)]
    await parley.until('the first', () => victims[0].room.link.name === 'open')
    victims.push(parley.member(room))
    const met = () => victims.every(({ room }) => [...room.peers.values()].filter(({ state }) => state === 'connected').length === 1)
    await parley.until('the second', met)
    await parley.sleep(2100) // until then a young connection is not given up because somebody asks
    let n = 0
    for (const { room } of victims) {
      const data = { kind: 'renew', generation: [room.self.epoch, poison] }
      socket.send(JSON.stringify({ kind: 'signal', n: ++n, to: room.self.id, data }))
    }
    await parley.sleep(500)
    victims[1].connections.filter(({ connectionState }) => connectionState === 'connected')[0].close()
    await parley.until('the loss to be seen', () => !met())
    await parley.until('the connection again', met, 10_000)
    victims[1].room.broadcast('text', parley.bytes('here'))
    await parley.until('the message', () => victims[0].messages.length === 1)
    return parley.text(victims[0].messages[0].data)
  })
  assert.equal(result, 'here')
})

test('a connection whose channel cannot be made is closed', { timeout: 60_000 }, async () => {
  const result = await run(() => {
    const made = []
    class Barred extends RTCPeerConnection {
      constructor(...args) {
        super(...args)
        made.push(this)
      }
      createDataChannel() {
        throw new TypeError('no channels here')
      }
    }
    const setup = { RTCPeerConnection: Barred, configuration: {}, channels: { text: {} }, maxMessage: 1e6, clock: parley.environment().clock, isPrompt: () => false }
    const nothing = () => {}
    const events = { send: nothing, changed: nothing, open: nothing, message: nothing, dropped: nothing, differ: nothing, measured: nothing, routed: nothing, fault: nothing }
    try {
      new parley.Connection(setup, [1, 1], true, events)
    } catch (error) {
      return [error.message, made.map(({ connectionState }) => connectionState)]
    }
  })
  assert.deepEqual(result, ['no channels here', ['closed']])
})

test('join says at once what is wrong with a server or a room, also where relative addresses mean something', { timeout: 60_000 }, async () => {
  const result = await run(() => {
    const said = []
    for (const options of [{ server: '' }, { server: 'parley.example' }, { room: 'two words' }, { server: './' }, { server: '/prefix' }]) {
      try {
        parley.member('garden', options).room.leave()
        said.push('fine')
      } catch (error) {
        said.push(`${error.name} ${error.code ?? ''}`.trim())
      }
    }
    return said
  })
  assert.deepEqual(result, ['TypeError', 'TypeError', 'SignalError bad_room', 'fine', 'fine'])
})
