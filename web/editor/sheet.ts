// The panel beside the text. On a narrow window it is a sheet that slides in from below when asked for.
import { byId } from './element.ts'
import { icon } from './icons.ts'

/** Wires the buttons that open and close the sheet. */
export function wireSheet(): void {
  const panel = byId('panel', HTMLElement)
  const opener = byId('people-toggle', HTMLButtonElement)
  const closer = byId('panel-close', HTMLButtonElement)
  const shade = byId('shade', HTMLElement)
  const main = byId('page', HTMLElement)
  const narrow = matchMedia('(max-width: 820px)')
  closer.append(icon('close'))

  let open = false
  const show = (): void => {
    const asSheet = narrow.matches
    panel.dataset['open'] = String(open)
    shade.hidden = !(asSheet && open)
    panel.inert = asSheet && !open
    main.inert = asSheet && open
    panel.setAttribute('role', asSheet ? 'dialog' : 'complementary')
    panel.ariaModal = asSheet ? 'true' : null
    opener.setAttribute('aria-expanded', String(open))
  }
  const set = (wanted: boolean): void => {
    if (open === wanted) return
    open = wanted
    show()
    if (open) closer.focus()
    else opener.focus()
  }
  opener.addEventListener('click', () => set(!open))
  closer.addEventListener('click', () => set(false))
  shade.addEventListener('click', () => set(false))
  document.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape' || !open || !narrow.matches) return
    event.preventDefault() // one key, one thing
    set(false)
  })
  narrow.addEventListener('change', () => {
    open = false
    show()
  })
  show()
}
