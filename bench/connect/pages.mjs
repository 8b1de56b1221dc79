// The pages: for each contender a script with its client in it, and no more than that.
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { browserBuild } from '../../web/bundle.mjs'

const { build } = createRequire(new URL('../../web/package.json', import.meta.url))('esbuild')
const here = fileURLToPath(new URL('.', import.meta.url))

/** Builds the pages of these contenders: a map from path to content. */
export async function buildPages(names) {
  const pages = new Map()
  for (const name of names) {
    const result = await build({
      ...browserBuild,
      alias: {}, // those are the editor's: others get what they ask for
      absWorkingDir: here,
      entryPoints: [`pages/${name}.js`],
      define: { global: 'globalThis', 'process.env.NODE_ENV': '"production"' },
      write: false,
    })
    const html = `<!doctype html><title>${name}</title><script type="module" src="/bench/${name}.js"></script>`
    pages.set(`/bench/${name}.html`, { type: 'text/html', content: html })
    pages.set(`/bench/${name}.js`, { type: 'text/javascript', content: result.outputFiles[0].contents })
  }
  return pages
}
