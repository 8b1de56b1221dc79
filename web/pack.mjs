// Builds what the npm package @parley-rtc/client holds beside its README, into client/: the client and the parts that it
// loads when they are needed, as legible modules, and its types. `npm pack` and `npm publish` run it.
import { copyFile, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { packedClient, root } from './bundle.mjs'
import { declarations } from './declarations.mjs'

const folder = join(root, 'client')
const dist = join(folder, 'dist')
await mkdir(dist, { recursive: true })
for (const [name, contents] of await packedClient()) await writeFile(join(dist, name), contents)
await writeFile(join(dist, 'client.d.ts'), await declarations(folder))
await copyFile(join(root, '../LICENSE'), join(folder, 'LICENSE'))
