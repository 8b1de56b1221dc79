// Fails when the client, bundled and minified alone, outgrows its budget.
import { gzipSync } from 'node:zlib'
import { clientModule } from './bundle.mjs'

const budget = 15_000 // bytes, after gzip

const minified = await clientModule()
const size = gzipSync(minified, { level: 9 }).length
console.log(`client: ${minified.length} bytes minified, ${size} after gzip, of ${budget}`)
if (size > budget) {
  console.error(`the client is ${size - budget} bytes over its budget`)
  process.exitCode = 1
}
