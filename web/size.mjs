// Fails when the client, bundled and minified alone, or a page with everything that it may ever load outgrows its budget.
import { gzipSync } from 'node:zlib'
import { addPage, minifiedClient, pages } from './bundle.mjs'

// Bytes, after gzip: what is reached and 1 % more. The aims are 15,000 for the client and 160,000 for the editor's page,
// which is reached.
const budget = 20_860
const pageBudgets = { 'index.html': 152_100 }

const compressed = (contents) => gzipSync(contents, { level: 9 }).length

const minified = await minifiedClient()
check('client', `${minified.length} bytes minified, `, compressed(minified), budget)

for (const page of pages) {
  const files = new Map()
  await addPage(page, files)
  const sizes = [...files].map(([name, contents]) => [name, compressed(contents)])
  for (const [name, size] of sizes) console.log(`  ${name}: ${size}`)
  check(page.target, '', sizes.reduce((sum, [, size]) => sum + size, 0), pageBudgets[page.target] ?? Infinity)
}

function check(what, more, size, limit) {
  console.log(`${what}: ${more}${size} after gzip, of ${limit}`)
  if (size <= limit) return
  console.error(`${what} is ${size - limit} bytes over its budget`)
  process.exitCode = 1
}
