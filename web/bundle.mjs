// Builds the pages into a folder: each page's scripts and styles bundled and minified by esbuild under
// content-hashed names, its HTML rewritten to those names, and a .br and .gz copy beside each file. Beside the pages it
// builds the client alone, for other sites' pages, under a name that stays.
import { build } from 'esbuild'
import { createHash } from 'node:crypto'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { basename, dirname, extname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { minify } from 'terser'
import { brotliCompressSync, constants, gzipSync } from 'node:zlib'
import { declarations } from './declarations.mjs'
import { checkInternal, renaming } from './internal-names.mjs'

export const root = dirname(fileURLToPath(import.meta.url))

/** The pages: the HTML source, and the name it is served under. */
export const pages = [
  { source: 'editor/index.html', target: 'index.html' },
  { source: 'doctor/index.html', target: 'doctor.html' },
]

const bundled = new Set(['.ts', '.css'])
const compressible = new Set(['.html', '.js', '.ts', '.css', '.svg', '.json', '.txt', '.webmanifest'])

/** What esbuild is told for everything that browsers load. */
export const browserBuild = {
  absWorkingDir: root,
  bundle: true,
  format: 'esm',
  target: ['es2022'],
  charset: 'utf8',
  minify: true,
  legalComments: 'none',
  logLevel: 'warning',
  tsconfig: join(root, 'tsconfig.json'),
  alias: {
    'lib0/logging': join(root, 'editor/quiet-logging.ts'),
    '@codemirror/language': join(root, 'editor/no-grammar.ts'),
    '@lezer/common': join(root, 'editor/no-grammar.ts'),
  },
}

/** Builds all pages into the folder `outdir`, which is emptied first; returns the names written. */
export async function buildPages(outdir) {
  const files = new Map()
  for (const page of pages) await addPage(page, files)
  const types = await declarations(join(root, 'client'))
  await checkInternal(types, join(root, '../docs/protocol/vectors'))
  for (const [name, contents] of await servedClient()) files.set(`sdk/v1/${name}`, contents)
  files.set('sdk/v1/client.d.ts', Buffer.from(types))

  await rm(outdir, { recursive: true, force: true })
  const names = [...files.keys()].sort()
  for (const name of names) await write(outdir, name, files.get(name))
  return names
}

/** The parts of the client that it loads when they are needed, and their sources. */
const parts = { mesh: 'partial-mesh', relay: 'relay', trust: 'trust' }

/** The client as the npm package has it: modules by their names, legible. */
export async function packedClient() {
  const modules = new Map()
  for (const [part, source] of Object.entries(parts)) modules.set(`${part}.js`, await clientModule(source))
  const names = Object.keys(parts)
  const loads = names.map((part) => `${part}: () => import('./${part}.js')`)
  modules.set('client.js', await clientModule('index', { plugins: [sources(`export const sources = { ${loads} }`)], external: names.map((part) => `./${part}.js`) }))
  return modules
}

/**
 * The client as browsers load it from the service: modules by their names. A part's name changes with what it holds. Its
 * address is another one at each attempt, since some browsers remember a module that could not be loaded.
 */
export async function servedClient() {
  const minified = { minify: true, ...renaming }
  const modules = new Map()
  const loads = []
  for (const [part, source] of Object.entries(parts)) {
    const contents = await squeezedClient(source, minified)
    const name = `${part}-${hashOf(contents)}.js`
    modules.set(name, contents)
    loads.push(`${part}: (attempt) => load('./${name}', attempt)`)
  }
  const load = 'const load = (name, attempt) => import(attempt > 1 ? `${name}?${attempt}` : name)'
  const addresses = sources(`${load}; export const sources = { ${loads} }`)
  modules.set('client.js', await squeezedClient('index', { ...minified, plugins: [addresses] }))
  return modules
}

/** What squeezes the client by 0.4 % more makes the editor's page 0.6 % larger. */
async function squeezedClient(name, options) {
  const module = await clientModule(name, options)
  return squeeze(Buffer.from(module).toString(), { hoist_funs: true, sequences: false })
}

/** Bundles a module of the client. */
async function clientModule(name, options) {
  const result = await build({ ...browserBuild, minify: false, entryPoints: [`client/${name}.ts`], write: false, ...options })
  return result.outputFiles[0].contents
}

/** Has the parts come from elsewhere. */
function sources(contents) {
  return {
    name: 'sources',
    setup: (build) => build.onLoad({ filter: /client\/sources\.ts$/ }, () => ({ contents, resolveDir: join(root, 'client') })),
  }
}

/** Adds what one page consists of to `files`, by the names it is served under. */
export async function addPage({ source, target }, files) {
  const folder = dirname(join(root, source))
  const html = await readFile(join(root, source), 'utf8')
  const references = [...html.matchAll(/\b(?:src|href)="(\.{1,2}\/[^"]+)"/g)].map((match) => match[1])
  const entries = references.filter((name) => bundled.has(extname(name)))

  const result = await build({
    ...browserBuild,
    entryPoints: entries.map((name) => resolve(folder, name)),
    outdir: join(root, 'dist'),
    entryNames: 'assets/[name]-[hash]',
    chunkNames: 'assets/[name]-[hash]',
    assetNames: 'assets/[name]-[hash]',
    plugins: [sources("export { sources } from './sources-inline.ts'")],
    splitting: true,
    metafile: true,
    write: false,
    loader: { '.svg': 'file', '.woff2': 'file', '.png': 'file' },
  })
  for (const file of result.outputFiles) {
    files.set(distName(file.path), extname(file.path) === '.js' ? await squeeze(file.text) : file.contents)
  }

  const served = new Map()
  const styles = []
  for (const [path, output] of Object.entries(result.metafile.outputs)) {
    if (output.entryPoint === undefined) continue
    served.set(resolve(root, output.entryPoint), distName(resolve(root, path)))
    if (output.cssBundle !== undefined) styles.push(distName(resolve(root, output.cssBundle)))
  }
  for (const name of references) {
    const path = resolve(folder, name)
    if (served.has(path)) continue
    const contents = await readFile(path)
    const hashed = `assets/${basename(name, extname(name))}-${hashOf(contents)}${extname(name)}`
    files.set(hashed, contents)
    served.set(path, hashed)
  }

  let page = html.replace(/\b(src|href)="(\.{1,2}\/[^"]+)"/g, (_, attribute, name) => `${attribute}="${served.get(resolve(folder, name))}"`)
  const links = styles.map((name) => `<link rel="stylesheet" href="${name}">\n`).join('')
  page = page.replace('</head>', () => `${links}</head>`)
  files.set(target, Buffer.from(page))
}

/** Makes a script smaller still: after esbuild, another minifier finds 3 % of what is left after gzip. */
async function squeeze(script, more = {}) {
  const compress = { passes: 3, ecma: 2020, unsafe_arrows: true, keep_fargs: false, ...more }
  const { code } = await minify(script, { module: true, ecma: 2020, compress, format: { comments: false } })
  return Buffer.from(code)
}

function hashOf(contents) {
  return createHash('sha256').update(contents).digest('hex').slice(0, 8).toUpperCase()
}

function distName(path) {
  return relative(join(root, 'dist'), path).split('\\').join('/')
}

async function write(outdir, name, contents) {
  const path = join(outdir, name)
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, contents)
  if (!compressible.has(extname(name))) return
  const brotli = { params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: contents.length } }
  await writeFile(`${path}.br`, brotliCompressSync(contents, brotli))
  await writeFile(`${path}.gz`, gzipSync(contents, { level: 9 }))
}
