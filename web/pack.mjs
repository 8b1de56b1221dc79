// Builds what the npm package @parley-rtc/client holds beside its README, into client/: the client as one module, legible,
// and its types. `npm pack` and `npm publish` run it.
import { copyFile, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { clientModule, root } from './bundle.mjs'
import { declarations } from './declarations.mjs'

const folder = join(root, 'client')
const dist = join(folder, 'dist')
await mkdir(dist, { recursive: true })
await writeFile(join(dist, 'client.js'), await clientModule({ minify: false }))
await writeFile(join(dist, 'client.d.ts'), await declarations(folder))
await copyFile(join(root, '../LICENSE'), join(folder, 'LICENSE'))
