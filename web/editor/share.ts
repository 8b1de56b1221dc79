// The link to give to others, and the buttons that copy it.
import { byId, setText } from './element.ts'
import { icon } from './icons.ts'

const thanksFor = 2_000 // ms

/** Shows the link and wires every button of class `copy-link`. */
export function wireShare(link: string): void {
  const field = byId('share-link', HTMLInputElement)
  field.value = link
  field.addEventListener('focus', () => field.select())
  for (const button of document.querySelectorAll<HTMLButtonElement>('button.copy-link')) wireButton(button, field)
}

function wireButton(button: HTMLButtonElement, field: HTMLInputElement): void {
  const words = button.textContent?.trim() ?? ''
  const label = document.createElement('span')
  label.textContent = words
  const say = (text: string): void => {
    if (words !== '') setText(label, text) // a button without words has room for its icon only
  }
  button.replaceChildren(icon('copy'), ...(words === '' ? [] : [label]))
  let timer: ReturnType<typeof setTimeout> | undefined
  button.addEventListener('click', async () => {
    const copied = await copy(field)
    button.querySelector('svg')?.replaceWith(icon(copied ? 'check' : 'copy'))
    button.classList.toggle('done', copied)
    say(copied ? 'Copied' : 'Press Ctrl+C')
    setText(byId('announcement', HTMLElement), copied ? 'The link is copied.' : 'The link is selected: copy it with Control C.')
    clearTimeout(timer)
    timer = setTimeout(() => {
      button.querySelector('svg')?.replaceWith(icon('copy'))
      button.classList.remove('done')
      say(words)
      setText(byId('announcement', HTMLElement), '')
    }, thanksFor)
  })
}

/** Copies what the field holds; where the browser forbids it, the text is left selected, and the answer is false. */
async function copy(field: HTMLInputElement): Promise<boolean> {
  // Absent over plain http from another machine, whatever its type says.
  const clipboard = navigator.clipboard as Clipboard | undefined
  try {
    if (clipboard !== undefined) {
      await clipboard.writeText(field.value)
      return true
    }
  } catch {
    // Denied: the older way may still do.
  }
  const before = document.activeElement
  field.focus()
  field.select()
  const copied = document.execCommand('copy')
  if (copied && before instanceof HTMLElement) before.focus()
  return copied
}
