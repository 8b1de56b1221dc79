// The links to give to others, and the buttons that copy them.
import { announce } from './announce.ts'
import { copyText } from './clipboard.ts'
import { byId, setText } from './element.ts'
import { icon, type IconName } from './icons.ts'

const thanksFor = 2_000 // ms

/** What can be given to others; null for what this page has not got. */
export interface Links {
  readonly write: string | null
  readonly read: string | null
}

/** Shows the links and wires the buttons that copy them. May be called again when another link is known. */
export function showLinks({ write, read }: Links): void {
  const parts = [
    ['write', write],
    ['read', read],
  ] as const
  for (const [kind, link] of parts) {
    byId(`${kind}-share`, HTMLElement).hidden = link === null
    byId(`${kind}-link`, HTMLInputElement).value = link ?? ''
  }
  byId('copy-link', HTMLButtonElement).dataset['copies'] = write === null ? 'read-link' : 'write-link'
}

export function wireShare(): void {
  for (const field of document.querySelectorAll<HTMLInputElement>('input.share-link')) field.addEventListener('focus', () => field.select())
  for (const button of document.querySelectorAll<HTMLButtonElement>('button.copy-link')) {
    wireCopying(button, 'The link', () => byId(button.dataset['copies'] ?? '', HTMLInputElement).value)
  }
}

/** Makes a button copy what `read` returns, and say so. */
export function wireCopying(button: HTMLButtonElement, what: string, read: () => string): void {
  const words = button.textContent?.trim() ?? ''
  const label = document.createElement('span')
  label.textContent = words
  const show = (name: IconName, text: string): void => {
    button.querySelector('svg')?.replaceWith(icon(name))
    button.classList.toggle('done', name === 'check')
    if (words !== '') setText(label, text) // a button without words has room for its icon only
  }
  button.replaceChildren(icon('copy'), ...(words === '' ? [] : [label]))
  let timer: ReturnType<typeof setTimeout> | undefined
  button.addEventListener('click', async () => {
    const copied = await copyText(read())
    show(copied ? 'check' : 'close', copied ? 'Copied' : 'Not copied')
    announce(copied ? `${what} is copied.` : `${what} cannot be copied: the browser does not allow it.`)
    clearTimeout(timer)
    timer = setTimeout(() => show('copy', words), thanksFor)
  })
}
