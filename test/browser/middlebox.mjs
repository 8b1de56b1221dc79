// The proxies that the client's own tests have, for tests in browsers.
import { mkdtemp, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const web = fileURLToPath(new URL('../../web', import.meta.url))
const { build } = createRequire(new URL('../../web/package.json', import.meta.url))('esbuild')

/** The class of proxies. */
export async function loadMiddlebox() {
  const folder = await mkdtemp(join(tmpdir(), 'parley-middlebox-'))
  try {
    const outfile = join(folder, 'middlebox.mjs')
    await build({ entryPoints: [join(web, 'client/testing/middlebox.ts')], bundle: true, platform: 'node', format: 'esm', outfile })
    return (await import(outfile)).Middlebox
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
