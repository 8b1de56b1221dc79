// axe-core, which looks in a page for what keeps people from using it.
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'

const axe = await readFile(createRequire(new URL('../../web/package.json', import.meta.url)).resolve('axe-core/axe.min.js'), 'utf8')

/** What axe-core has to say against a page, in the light and in the dark, by rule and place. */
export async function faults(page) {
  if (!(await page.evaluate(() => 'axe' in globalThis))) await page.evaluate(axe)
  const found = []
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme })
    found.push(...(await page.evaluate(look)))
  }
  return found
}

/** Runs in the page. */
async function look() {
  await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve))) // colours are on their way
  await Promise.allSettled(document.getAnimations().map(({ finished, effect }) => effect.getTiming().iterations === Infinity || finished))
  const { violations } = await globalThis.axe.run(document, { resultTypes: ['violations'] })
  return violations.flatMap(({ id, nodes }) => nodes.map(({ target, failureSummary }) => `${id} at ${target}: ${failureSummary}`))
}
