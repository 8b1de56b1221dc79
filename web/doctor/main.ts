// The doctor's page: one button, the rows, and the report to copy.
import { wireTheme } from '../editor/appearance.ts'
import { byId, setText } from '../editor/element.ts'
import { randomText } from '../client/random.ts'
import { examine } from './examination.ts'
import { markdownOf, redaction, type Report } from './report.ts'
import { View } from './view.ts'

const timeout = 5_000 // ms
const hold = 6_000 // ms
const thanksFor = 2_000 // ms

const form = byId('form', HTMLFormElement)
const button = byId('run', HTMLButtonElement)
let report: Report | null = null
let running = false

wireTheme(storage())
setText(byId('server', HTMLElement), new URL('.', location.href).href.replace(/\/$/, ''))
setText(byId('note', HTMLElement), redaction)
readAddress()
form.addEventListener('submit', (event) => {
  event.preventDefault()
  void run()
})
wireCopy('copy-text', markdownOf)
wireCopy('copy-json', (report) => JSON.stringify(report, null, 2))
if (new URLSearchParams(location.search).has('run')) void run()

async function run(): Promise<void> {
  if (running) return
  running = true
  button.setAttribute('aria-disabled', 'true') // not disabled: that would lose the focus
  setText(button, 'Running…')
  const view = new View()
  const began = performance.now()
  const random = (bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> => crypto.getRandomValues(bytes)
  const outcome = await examine(
    {
      server: new URL('.', location.href),
      room: byId('room', HTMLInputElement).value.trim() || `doctor-${randomText(random, 12)}`,
      token: byId('token', HTMLInputElement).value.trim(),
      timeout,
      hold,
    },
    view,
  )
  report = outcome.report
  view.finished(outcome.verdict, performance.now() - began)
  running = false
  button.removeAttribute('aria-disabled')
  setText(button, 'Run again')
}

/** A link may say the room, and, in the part that is sent to no server, the token. */
function readAddress(): void {
  const room = new URLSearchParams(location.search).get('room')
  const token = new URLSearchParams(location.hash.slice(1)).get('token')
  if (room !== null) byId('room', HTMLInputElement).value = room
  if (token !== null) byId('token', HTMLInputElement).value = token
  if (room !== null || token !== null) byId('options', HTMLDetailsElement).open = true
  if (token !== null) history.replaceState(history.state, '', location.pathname + location.search)
}

function wireCopy(id: string, write: (report: Report) => string): void {
  const button = byId(id, HTMLButtonElement)
  const words = button.textContent ?? ''
  button.addEventListener('click', async () => {
    if (report === null) return
    const copied = await copy(write(report))
    setText(button, copied ? 'Copied' : 'Press Ctrl+C')
    setText(byId('announcement', HTMLElement), copied ? 'The report is copied.' : 'The report is selected below: copy it with Control C.')
    setTimeout(() => {
      setText(button, words)
      setText(byId('announcement', HTMLElement), '')
    }, thanksFor)
  })
}

/** Copies a text; where the browser forbids it, the text is shown and left selected, and the answer is false. */
async function copy(text: string): Promise<boolean> {
  const field = byId('by-hand', HTMLTextAreaElement)
  field.value = text
  // Absent over plain http from another machine, whatever its type says.
  const clipboard = navigator.clipboard as Clipboard | undefined
  try {
    if (clipboard !== undefined) {
      await clipboard.writeText(text)
      field.hidden = true
      return true
    }
  } catch {
    // Denied: the older way may still do.
  }
  const before = document.activeElement
  field.hidden = false
  field.focus()
  field.select()
  if (!document.execCommand('copy')) return false
  field.hidden = true
  if (before instanceof HTMLElement) before.focus()
  return true
}

/** The browser's storage, or null where it is forbidden. */
function storage(): Storage | null {
  try {
    return localStorage
  } catch {
    return null
  }
}
