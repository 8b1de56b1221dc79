// How the page looks: the theme, the system's unless chosen otherwise, and line numbers; both remembered.
import { byId } from './element.ts'
import { icon } from './icons.ts'
import { recall, remember, type Shelf } from './shelf.ts'

type Theme = 'light' | 'dark'

const themeKey = 'parley.theme'
const numbersKey = 'parley.line-numbers'

/** Wires the button that turns light to dark and back. */
export function wireTheme(shelf: Shelf | null): void {
  const button = byId('theme-toggle', HTMLButtonElement)
  const system = matchMedia('(prefers-color-scheme: dark)')
  const systemTheme = (): Theme => (system.matches ? 'dark' : 'light')
  let chosen: Theme | null = null
  const stored = recall(shelf, themeKey)
  if (stored === 'light' || stored === 'dark') chosen = stored

  const show = (): void => {
    const shown = chosen ?? systemTheme()
    if (chosen === null) delete document.documentElement.dataset['theme']
    else document.documentElement.dataset['theme'] = chosen
    const other = shown === 'dark' ? 'light' : 'dark'
    button.replaceChildren(icon(other === 'dark' ? 'moon' : 'sun'))
    button.setAttribute('aria-label', `Use the ${other} theme`)
    button.title = `Use the ${other} theme`
  }
  button.addEventListener('click', () => {
    const other = (chosen ?? systemTheme()) === 'dark' ? 'light' : 'dark'
    chosen = other === systemTheme() ? null : other // back to the system's: follow it again
    remember(shelf, themeKey, chosen ?? '')
    show()
  })
  system.addEventListener('change', show)
  show()
}

/** Wires the button that shows and hides line numbers; returns whether they show at first. */
export function wireLineNumbers(shelf: Shelf | null, changed: (shown: boolean) => void): boolean {
  const button = byId('lines-toggle', HTMLButtonElement)
  let shown = recall(shelf, numbersKey) === 'shown'
  const show = (): void => button.setAttribute('aria-pressed', String(shown))
  button.append(icon('numbers'))
  button.addEventListener('click', () => {
    shown = !shown
    remember(shelf, numbersKey, shown ? 'shown' : '')
    show()
    changed(shown)
  })
  show()
  return shown
}
