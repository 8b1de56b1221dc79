// Stands in for lib0/logging, which styles what yjs logs, and brings a library for the DOM and one for schemas along.
export const ORANGE = ''
export const RED = ''
export const BOLD = ''
export const UNBOLD = ''

export function print(...parts: unknown[]): void {
  console.log(...parts)
}

export function warn(...parts: unknown[]): void {
  console.warn(...parts)
}
