// Runs the TypeScript tests under node's own runner: each *.test.ts is bundled into a temporary folder first (inside
// this one, so that packages are found), since node 18 and 20 read no TypeScript. Names or parts of names as arguments choose among the tests.
import { build } from 'esbuild'
import { spawn } from 'node:child_process'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { root } from './bundle.mjs'

const wanted = process.argv.slice(2)
const tests = (await find(root)).filter((name) => wanted.length === 0 || wanted.some((part) => name.includes(part)))
if (tests.length === 0) {
  console.error('no test matches')
  process.exit(1)
}

const out = await mkdtemp(join(root, '.test-'))
try {
  await build({
    absWorkingDir: root,
    entryPoints: tests,
    outbase: root,
    outdir: out,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node18.19',
    packages: 'external',
    sourcemap: 'inline',
    logLevel: 'warning',
    tsconfig: join(root, 'tsconfig.json'),
  })
  const files = tests.map((name) => join(out, name.replace(/\.ts$/, '.mjs')))
  const runner = spawn(process.execPath, ['--enable-source-maps', '--test', '--test-concurrency=2', ...files], {
    stdio: 'inherit',
    env: { ...process.env, PARLEY_ROOT: join(root, '..') },
  })
  const forward = (signal) => runner.kill(signal)
  process.on('SIGINT', forward)
  process.on('SIGTERM', forward)
  process.exitCode = await new Promise((resolve) => runner.on('exit', (code) => resolve(code ?? 1)))
} finally {
  await rm(out, { recursive: true, force: true })
}

async function find(folder, prefix = '') {
  const names = []
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    if (entry.name === 'node_modules' || entry.name === 'dist' || entry.name.startsWith('.')) continue
    if (entry.isDirectory()) names.push(...(await find(join(folder, entry.name), `${prefix}${entry.name}/`)))
    else if (entry.name.endsWith('.test.ts')) names.push(prefix + entry.name)
  }
  return names.sort()
}
