// A room of more than 12 in which some are Go programs: each is connected to a few, and messages go everywhere, through either kind.
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import './many.mjs'
import { until } from './browser.mjs'
import { openPage, server } from './client-stage.mjs'

const repository = fileURLToPath(new URL('../..', import.meta.url))
const key = 'AAECAwQFBgcICQoLDA0ODw'
const pages = 8
const echoes = 2
const speakers = 4
const peers = pages + echoes + speakers
const rounds = 20

let folder // of the program

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'parley-gomesh-'))
  await promisify(execFile)('go', ['build', '-o', folder, './examples/echo'], { cwd: repository })
}, { timeout: 300_000 })

after(() => rm(folder, { recursive: true, force: true }))

/** Runs a program in the room until the test ends; what it writes is in `output`. */
function run(t, ...more) {
  const program = spawn(join(folder, 'echo'), ['-server', server.origin, '-room', 'herd', '-key', key, '-loopback', ...more])
  const started = { output: '', say: (line) => program.stdin.write(`${line}\n`), kill: () => program.kill('SIGKILL') }
  for (const stream of [program.stdout, program.stderr]) stream.on('data', (bytes) => (started.output += bytes))
  t.after(async () => {
    started.kill()
    if (program.exitCode === null && program.signalCode === null) await once(program, 'exit')
  })
  return started
}

test('8 pages and 6 Go programs in one room: at most 8 connections each, and messages everywhere', { timeout: 120_000 }, async (t) => {
  const tab = await openPage({ patience: 60_000 })
  t.after(() => tab.context().close())
  const programs = Array.from({ length: echoes + speakers }, (_, i) => run(t, ...(i < echoes ? [] : ['-say'])))
  await tab.evaluate(({ count, key }) => void (globalThis.members = Array.from({ length: count }, () => parley.member('herd', { key }))), { count: pages, key })
  await tab.evaluate(async (others) => {
    const isSettled = ({ room, connections }) =>
      room.meshed &&
      room.peers.size === others &&
      [...room.peers.values()].every(({ state, trust }) => state === 'connected' && trust === 'verified') &&
      connections.filter(({ connectionState }) => connectionState === 'connected').length <= 8
    try {
      await parley.until('a settled mesh', () => members.every(isSettled), 50_000)
    } catch (cause) {
      const seen = members.filter((member) => !isSettled(member)).map(({ room, connections }) => {
        const unlike = [...room.peers.values()].filter(({ state, trust }) => state !== 'connected' || trust !== 'verified')
        const states = connections.map(({ connectionState }) => connectionState).filter((state) => state !== 'closed')
        return `${room.self?.id}, meshed: ${room.meshed}, ${room.peers.size} peers, ${states}: ${unlike.map(({ id, state, path, trust }) => `${id} ${state} ${path?.kind} ${trust}`)}`
      })
      throw new Error(`${cause.message}; ${seen.join('; ')}`)
    }
  }, peers - 1)
  const talkers = programs.slice(echoes)
  await until(async () => {
    for (const program of talkers) program.say('')
    await tab.evaluate(() => parley.sleep(200))
    for (const { output } of talkers) {
      const [, direct, mesh] = output.match(/there are (\d+) direct, (\d+) mesh\n$/) ?? assert.fail(output)
      assert.ok(Number(direct) <= 8 && Number(direct) + Number(mesh) === peers - 1, output)
    }
  }, 30_000)

  for (let i = 0; i < rounds; i++) {
    for (const [at, program] of talkers.entries()) program.say(`program ${at} says ${i}`)
    await tab.evaluate((i) => members[0].room.broadcast('text', parley.bytes(`page says ${i}`)), i)
  }
  const said = (who) => Array.from({ length: rounds }, (_, i) => `${who} says ${i}`)
  const expected = talkers.map((_, at) => said(`program ${at}`))
  const heard = await tab.evaluate(async ({ expected, echoes, rounds }) => {
    const texts = ({ messages }) => messages.map(({ data }) => parley.text(data))
    const fromPage = (member) => texts(member).filter((text) => text.startsWith('page'))
    const count = expected.flat().length
    await parley.until('all is heard', () =>
      members.every((member, i) => texts(member).filter((text) => text.startsWith('program')).length >= count && fromPage(member).length >= (i === 0 ? echoes : 1) * rounds), 30_000)
    return members.map((member) => ({
      programs: expected.map((_, at) => texts(member).filter((text) => text.startsWith(`program ${at}`))),
      // The first page hears what it said from each echo, and the others hear it from the page.
      page: Object.values(Object.groupBy(member.messages, ({ from }) => from)).map((messages) => messages.map(({ data }) => parley.text(data)).filter((text) => text.startsWith('page'))).filter(({ length }) => length > 0),
    }))
  }, { expected, echoes, rounds })
  for (const [i, { programs, page }] of heard.entries()) {
    assert.deepEqual(programs, expected)
    assert.deepEqual(page, Array.from({ length: i === 0 ? echoes : 1 }, () => said('page')))
  }
  await until(async () => {
    for (const [at, { output }] of talkers.entries()) {
      for (const who of ['page', ...talkers.map((_, i) => `program ${i}`)]) {
        const lines = output.split('\n').filter((line) => line.includes(` says ${who} says `) && !line.includes('Echo'))
        if (who === `program ${at}`) continue // what the echoes return
        assert.deepEqual(lines.map((line) => line.replace(/^\S+ says /, '')), said(who))
      }
    }
  }, 30_000)

  if (process.env.PARLEY_LONG) {
    for (const program of [programs[0], programs[echoes]]) program.kill()
    await tab.evaluate((others) => parley.until('those who vanished are missed', () =>
      members.every(({ room }) => [...room.peers.values()].filter(({ state }) => state === 'connected').length === others), 40_000), peers - 3)
  }
  const errors = await tab.evaluate(() => members.flatMap(({ log }) => log.filter((line) => line.startsWith('error'))))
  assert.deepEqual(errors, [])
})
