// Copying, also where the browser gives pages no clipboard: over plain http from another machine.

/** Copies a text; false where the browser forbids it. */
export async function copyText(text: string): Promise<boolean> {
  // Absent over plain http from another machine, whatever its type says.
  const clipboard = navigator.clipboard as Clipboard | undefined
  try {
    if (clipboard !== undefined) {
      await clipboard.writeText(text)
      return true
    }
  } catch {
    // Denied: the older way may still do.
  }
  const before = document.activeElement
  const field = document.createElement('textarea')
  field.className = 'unseen'
  field.value = text
  document.body.append(field)
  field.select()
  const copied = document.execCommand('copy')
  field.remove()
  if (before instanceof HTMLElement) before.focus({ preventScroll: true })
  return copied
}
