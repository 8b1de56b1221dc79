// The text as a file.
import { announce } from './announce.ts'

const longest = 60 // characters

/** A file's name without its ending: what the text begins with, or else the room's name. */
export function fileName(text: string, room: string): string {
  const title = /[^\s#>*_`~-].*/u.exec(text.slice(0, 4_000))?.[0] ?? ''
  const words = title.normalize('NFC').match(/[\p{L}\p{N}\p{M}]+/gu) ?? []
  let name = ''
  for (const word of words) {
    if (name.length + word.length >= longest) break
    name += (name === '' ? '' : '-') + word.toLowerCase()
  }
  return name === '' ? room.replace(/^[.~-]+|[.~]+$/g, '') || 'text' : name
}

/** Saves the text as a file where the browser saves files. */
export function download(text: string, name: string, type: 'text/markdown' | 'text/plain'): void {
  const link = document.createElement('a')
  link.href = URL.createObjectURL(new Blob([text], { type: `${type};charset=utf-8` }))
  link.download = name
  link.click()
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000)
  announce(`Downloading ${name}.`)
}
