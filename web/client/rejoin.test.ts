// What the server may say beside what the real one says when asked: tokens that expire, names that the app decides.
import assert from 'node:assert/strict'
import { afterEach, beforeEach, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { join, type JoinOptions, type Room } from './index.ts'
import { Network } from './testing/network.ts'
import { ScriptedServer } from './testing/scripted-server.ts'
import { until } from './testing/waiting.ts'

let server: ScriptedServer
let room: Room
let errors: string[]

beforeEach(async () => {
  server = await ScriptedServer.start()
})
afterEach(async () => {
  room.leave()
  await server.stop()
})

async function enter(options: Partial<JoinOptions> = {}, network = new Network()): Promise<void> {
  errors = []
  room = join({ server: server.url, room: 'garden', channels: {}, storage: null, environment: network.environment, ...options })
  room.on('error', (error) => errors.push(error.code))
  await until('the link', () => room.link.name === 'open')
}

test('a token that expired is asked for anew, and the room joined again as the same peer', async () => {
  let tokens = 0
  await enter({ token: () => `token-${++tokens}` })
  server.say({ kind: 'ended', code: 'expired', message: 'the app token has expired' })
  await until('another link', () => server.links.length === 2 && room.link.name === 'open')
  assert.deepEqual(server.joins.map(({ token }) => token), ['token-1', 'token-2'])
  assert.deepEqual([server.joins[1]!.body.peer, server.joins[1]!.body.resume], ['ada', 'secret-1'])
})

test('a link closed because a token expired does the same', async () => {
  let tokens = 0
  await enter({ token: () => `token-${++tokens}` })
  server.links[0]!.close(4112, 'expired')
  await until('another join', () => server.joins.length === 2 && room.link.name === 'open')
  assert.equal(server.joins[1]!.token, 'token-2')
})

test('a token that never comes holds nothing up for ever', async () => {
  const network = new Network()
  const { clock } = network.environment
  let asked = 0
  const tokenTime = 10_000
  const after = (delay: number, call: () => void) => clock.after(delay === tokenTime ? 10 : delay, call)
  const environment = { ...network.environment, clock: { ...clock, after } }
  const token = () => (++asked === 1 ? new Promise<string>(() => {}) : 'second')
  const states: string[] = []
  room = join({ server: server.url, room: 'garden', channels: {}, storage: null, environment, token })
  room.on('link', (state) => states.push(state.name === 'waiting' ? state.error.code : state.name))
  await until('the link', () => room.link.name === 'open')
  assert.deepEqual(states, ['token', 'connecting', 'open'])
  assert.deepEqual(server.joins.map(({ token }) => token), ['second'])
})

test('a server that refuses what was not asked for is not asked without a pause', async () => {
  server.refusal = 'resume_used'
  const { environment } = new Network()
  room = join({ server: server.url, room: 'garden', channels: {}, storage: null, environment })
  await until('some joins', () => server.joins.length >= 3)
  await sleep(500)
  assert.ok(server.joins.length < 25, `${server.joins.length} joins`)
})

test('one is called what the server says', async () => {
  server.reply = { name: 'Ada Lovelace' }
  await enter({ name: 'ada' })
  assert.equal(room.self?.name, 'Ada Lovelace')
  room.change({ name: 'Ada Lovelace' })
  room.change({ meta: 1 })
  await until('the change', () => server.frames.length === 1)
  assert.deepEqual(server.frames[0], { kind: 'change', n: 1, meta: 1 })
})

test('a server that says nothing of the name leaves it as it was asked for', async () => {
  await enter({ name: 'ada' })
  assert.equal(room.self?.name, 'ada')
})

test('a name that may not be changed is taken back, and what else was changed is not', async () => {
  await enter({ name: 'Ada' })
  const names: unknown[] = []
  room.on('error', () => names.push(room.self?.name))
  room.change({ name: 'Eve', meta: { colour: 'red' } })
  assert.equal(room.self?.name, 'Eve')
  await until('the change', () => server.frames.length === 1)
  server.say({ kind: 'refused', n: 1, of: 1, code: 'forbidden', message: 'the app decides the name' })
  await until('what is left of the change', () => server.frames.length === 2)
  assert.deepEqual(server.frames[1], { kind: 'change', n: 2, meta: { colour: 'red' } })
  assert.deepEqual(errors, ['forbidden'])
  assert.deepEqual(names, ['Ada'])
  const { name, meta } = room.self!
  assert.deepEqual({ name, meta }, { name: 'Ada', meta: { colour: 'red' } })
})

test('a name that was refused is not asked for at the next join', async () => {
  await enter({ name: 'Ada' })
  room.change({ name: 'n'.repeat(65) })
  await until('the change', () => server.frames.length === 1)
  server.say({ kind: 'refused', n: 1, of: 1, code: 'bad_field', message: 'too long' })
  server.say({ kind: 'ended', code: 'lost', message: '' })
  await until('another join', () => server.joins.length === 2)
  assert.equal(server.joins[1]!.body.name, 'Ada')
})

test('a room of relayed paths only says once that its server has no relay', async () => {
  server.reply = { iceServers: [{ urls: ['stun:127.0.0.1:3478'] }] }
  await enter({ iceTransportPolicy: 'relay' })
  server.say({ kind: 'ice', iceServers: [{ urls: 'stun:127.0.0.1:3478' }], ttl: 0 })
  server.say({ kind: 'ended', code: 'lost', message: '' })
  await until('another link', () => server.links.length === 2 && room.link.name === 'open')
  assert.deepEqual(errors, ['no_relay'])
})

test('a room says nothing of relays when it has one, or does not need it', async () => {
  server.reply = { iceServers: [{ urls: 'stun:127.0.0.1:3478' }, { urls: ['turn:127.0.0.1:3478'], username: 'u', credential: 'c' }] }
  await enter({ iceTransportPolicy: 'relay' })
  assert.deepEqual(errors, [])
  room.leave()
  server.reply = {}
  await enter()
  assert.deepEqual(errors, [])
})
