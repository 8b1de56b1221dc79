// What one can do with the text beside writing: undo and redo, copy all of it, and save it as a file.
import { announce } from './announce.ts'
import { download, fileName } from './download.ts'
import { byId } from './element.ts'
import type { HistoryState } from './history.ts'
import { icon, type IconName } from './icons.ts'
import { wireCopying } from './share.ts'

export interface Actions {
  readonly room: string
  readonly text: () => string
  readonly undo: () => void
  readonly redo: () => void
  readonly readOnly: boolean
}

/** Wires the buttons; returns what shows whether there is something to undo or redo. */
export function wireActions({ room, text, undo, redo, readOnly }: Actions): (state: HistoryState) => void {
  const buttons = [
    ['undo', undo],
    ['redo', redo],
  ] as const
  const [back, forth] = buttons.map(([name, run]) => {
    const button = byId(name, HTMLButtonElement)
    button.append(icon(name))
    button.hidden = readOnly
    button.addEventListener('click', () => {
      if (button.getAttribute('aria-disabled') !== 'true') run()
    })
    return button
  })

  wireCopying(byId('copy-all', HTMLButtonElement), 'The text', text)
  wireFile('save-md', '.md', () => download(text(), `${fileName(text(), room)}.md`, 'text/markdown'))
  wireFile('save-txt', '.txt', () => download(text(), `${fileName(text(), room)}.txt`, 'text/plain'))
  document.addEventListener('keydown', (event) => {
    if (event.key.toLowerCase() !== 's' || !(event.ctrlKey || event.metaKey) || event.shiftKey || event.altKey) return
    event.preventDefault() // the browser would save the page, which is of no use
    announce(byId('kept-note', HTMLElement).textContent ?? '')
  })

  // Not really disabled: the focus would be lost with the last thing to undo.
  return ({ canUndo, canRedo }) => {
    back?.setAttribute('aria-disabled', String(!canUndo))
    forth?.setAttribute('aria-disabled', String(!canRedo))
  }
}

function wireFile(id: string, words: string, save: () => void, name: IconName = 'download'): void {
  const button = byId(id, HTMLButtonElement)
  button.append(icon(name), words)
  button.setAttribute('aria-label', `${button.title}, ${words}`)
  button.addEventListener('click', save)
}
