// Compares how fast, and whether, two pages and more get connected: Parley's browser client beside others, each with its
// own server, in one run. `node bench/connect/main.mjs --help` tells the flags.
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { launch } from '../../test/browser/browser.mjs'
import { names, runtime } from './contenders.mjs'
import { buildPages } from './pages.mjs'
import { table } from './report.mjs'
import { crowd, pair } from './scenarios.mjs'

const here = dirname(fileURLToPath(import.meta.url))
const scenarios = ['pair', 'crowd', 'refused', 'hanging']

/** Milliseconds. */
const pause = 300
const meanwhile = 4000

const usage = `Usage: node bench/connect/main.mjs [flags]

  --only LIST     of ${scenarios.join(', ')}; all unless said
  --servers LIST  of ${names.join(', ')}; all unless said
  --rounds N      rounds of pairs, 1–1000 (default 12)
  --crowds N      rounds of crowds, 1–100 (default 3)
  --size N        pages in a crowd, 2–40 (default 10)
  --blocked N     rounds where WebSockets are blocked, 1–100 (default 6)
  --out FILE      where every result goes (default bench/connect/results.json)
  --with FILE     results of an earlier run on this machine, which these are added to
`

const options = read()
const browser = await launch()
const lab = { browser, pages: await buildPages(options.servers) }
const results = { browser: browser.version(), runtime, size: options.size, pair: {}, crowd: {}, refused: {}, hanging: {}, ...(await earlier()) }
try {
  // The first pages of a browser are slow, for whoever they are.
  for (const name of options.servers) await pair(lab, name)
  const rounds = { pair: options.rounds, crowd: options.crowds, refused: options.blocked, hanging: options.blocked }
  for (const scenario of options.only) for (let round = 0; round < rounds[scenario]; round++) await play(scenario, round)
} finally {
  await browser.close()
}
await mkdir(dirname(options.out), { recursive: true })
await writeFile(options.out, `${JSON.stringify(results, null, 2)}\n`)
console.log(table(results, names))

/**
 * Plays a scenario once with each; who begins changes from round to round, and who comes after whom. Where something is
 * blocked, who did not connect in a while only waits, and the next one begins meanwhile.
 */
async function play(scenario, round) {
  const { servers, size } = options
  const turns = servers.map((_, i) => servers[(i + round) % servers.length])
  if (round % 2 === 1) turns.reverse()
  const once = async (name) => {
    const result = scenario === 'crowd' ? await crowd(lab, name, size) : await pair(lab, name, scenario === 'pair' ? 'open' : scenario)
    ;(results[scenario][name] ??= []).push(result)
    console.error(`${scenario} ${round + 1} ${name}: ${JSON.stringify(result)}`)
  }
  const isBlocked = scenario === 'refused' || scenario === 'hanging'
  const all = []
  for (const name of turns) {
    await sleep(pause) // what the one before leaves behind is not the next one's
    all.push(once(name))
    await (isBlocked ? Promise.race([all.at(-1), sleep(meanwhile)]) : all.at(-1))
  }
  await Promise.all(all)
}

async function earlier() {
  if (options.with === undefined) return {}
  const results = JSON.parse(await readFile(options.with, 'utf8'))
  if (results.size !== options.size) fail(`--with: its crowds have ${results.size} pages, these ${options.size}`)
  return results
}

function read() {
  const text = (name) => ({ [name]: { type: 'string' } })
  const flags = Object.assign({ help: { type: 'boolean' } }, ...['only', 'servers', 'rounds', 'crowds', 'size', 'blocked', 'out', 'with'].map(text))
  let values
  try {
    values = parseArgs({ options: flags }).values
  } catch (error) {
    fail(error.message)
  }
  if (values.help) {
    process.stdout.write(usage)
    process.exit(0)
  }
  return {
    only: list('only', values.only, scenarios),
    servers: list('servers', values.servers, names),
    rounds: count('rounds', values.rounds ?? '12', 1, 1000),
    crowds: count('crowds', values.crowds ?? '3', 1, 100),
    size: count('size', values.size ?? '10', 2, 40),
    blocked: count('blocked', values.blocked ?? '6', 1, 100),
    out: values.out ?? join(here, 'results.json'),
    with: values.with,
  }
}

function list(flag, value, known) {
  if (value === undefined) return known
  const wanted = value.split(',')
  for (const each of wanted) if (!known.includes(each)) fail(`--${flag}: ${JSON.stringify(each)} is none of ${known.join(', ')}`)
  return wanted
}

function count(flag, value, least, most) {
  const number = Number(value)
  if (!Number.isInteger(number) || number < least || number > most) fail(`--${flag}: ${JSON.stringify(value)} is no number from ${least} to ${most}`)
  return number
}

function fail(message) {
  console.error(`${message}\n\n${usage}`)
  process.exit(2)
}
