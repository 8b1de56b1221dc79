// `node build.mjs` builds the pages into dist. `node build.mjs --check` builds them elsewhere and fails when dist
// differs: plain files byte for byte, compressed ones by what they hold, since zlib's versions compress differently.
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import { buildPages, root } from './bundle.mjs'

const dist = join(root, 'dist')

if (process.argv.includes('--check')) {
  const fresh = await mkdtemp(join(tmpdir(), 'parley-dist-'))
  try {
    await buildPages(fresh)
    const differences = await compare(dist, fresh)
    for (const line of differences) console.error(line)
    if (differences.length > 0) {
      console.error('dist is not what the sources build to: run `npm run build` in web/ and commit web/dist')
      process.exitCode = 1
    } else {
      console.log('dist is what the sources build to')
    }
  } finally {
    await rm(fresh, { recursive: true, force: true })
  }
} else {
  for (const name of await buildPages(dist)) {
    const sizes = await Promise.all(['', '.gz', '.br'].map((suffix) => size(join(dist, name + suffix))))
    console.log(`${name}  ${sizes.filter((bytes) => bytes !== null).join(' / ')} bytes`)
  }
}

async function size(path) {
  return stat(path).then((info) => info.size, () => null)
}

async function compare(committed, fresh) {
  const [have, want] = await Promise.all([list(committed), list(fresh)])
  const differences = []
  for (const name of want) if (!have.includes(name)) differences.push(`missing in dist: ${name}`)
  for (const name of have) if (!want.includes(name)) differences.push(`only in dist: ${name}`)
  for (const name of want.filter((name) => have.includes(name))) {
    const [a, b] = await Promise.all([contents(committed, name), contents(fresh, name)])
    if (!a.equals(b)) differences.push(`differs: ${name}`)
  }
  return differences
}

async function contents(folder, name) {
  const bytes = await readFile(join(folder, name))
  try {
    if (name.endsWith('.br')) return brotliDecompressSync(bytes)
    if (name.endsWith('.gz')) return gunzipSync(bytes)
  } catch {
    return Buffer.concat([bytes, Buffer.from('cannot be decompressed')])
  }
  return bytes
}

async function list(folder, prefix = '') {
  const names = []
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => [])
  for (const entry of entries) {
    const name = prefix + entry.name
    if (entry.isDirectory()) names.push(...(await list(join(folder, entry.name), `${name}/`)))
    else names.push(name)
  }
  return names.sort()
}
