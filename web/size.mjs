// Fails when the client, bundled and minified alone, outgrows its budget.
import { build } from 'esbuild'
import { gzipSync } from 'node:zlib'
import { browserBuild } from './bundle.mjs'

const budget = 15_000 // bytes, after gzip

const result = await build({ ...browserBuild, entryPoints: ['client/index.ts'], write: false })
const minified = result.outputFiles[0].contents
const size = gzipSync(minified, { level: 9 }).length
console.log(`client: ${minified.length} bytes minified, ${size} after gzip, of ${budget}`)
if (size > budget) {
  console.error(`the client is ${size - budget} bytes over its budget`)
  process.exitCode = 1
}
