// The types of a module's exports, as one file: what tsc writes for the module and for all that it imports types from,
// with nothing exported but what the module itself exports.
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const root = dirname(fileURLToPath(import.meta.url))
const imports = /^(?:import|export)[^;]*? from '(\.\/[^']+)\.ts';\n/gm

/** Returns the declarations of index.ts in a folder. */
export async function declarations(folder) {
  const out = await mkdtemp(join(tmpdir(), 'parley-types-'))
  try {
    const tsc = join(root, 'node_modules/typescript/bin/tsc')
    const flags = ['--declaration', '--emitDeclarationOnly', '--noEmit', 'false', '--ignoreConfig', '--allowImportingTsExtensions', '--strict', '--exactOptionalPropertyTypes', '--noUncheckedIndexedAccess', '--skipLibCheck']
    const target = ['--target', 'es2022', '--module', 'esnext', '--moduleResolution', 'bundler', '--lib', 'es2022,dom,dom.iterable', '--types', '']
    await promisify(execFile)(process.execPath, [tsc, ...flags, ...target, '--outDir', out, join(folder, 'index.ts')])
    const index = await readFile(join(out, 'index.d.ts'), 'utf8')
    const parts = new Map()
    for (const [, name] of index.matchAll(imports)) await add(out, name, parts)
    const exported = index.replaceAll(/ from '[^']+'/g, '')
    return [...parts.values(), exported].join('')
  } finally {
    await rm(out, { recursive: true, force: true })
  }
}

/** Adds a module behind all that it needs. */
async function add(out, name, parts) {
  if (parts.has(name)) return
  parts.set(name, '') // so that modules which need each other end somewhere
  const text = await readFile(join(out, `${name}.d.ts`), 'utf8')
  for (const [, needed] of text.matchAll(imports)) await add(out, needed, parts)
  parts.delete(name)
  parts.set(name, text.replaceAll(imports, '').replaceAll(/^export (?=declare|type|interface)/gm, '').replaceAll(/^(?=class|const|function)/gm, 'declare '))
}
