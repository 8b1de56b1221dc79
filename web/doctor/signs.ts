import { drawing } from '../editor/drawing.ts'
import type { Outcome } from './row.ts'

/** The signs of outcomes: told apart by their shapes, not by their colours alone. Drawn on a 20 × 20 grid. */
const shapes = {
  pass: 'M10 2.75a7.25 7.25 0 1 1 0 14.5a7.25 7.25 0 0 1 0-14.5zM6.75 10.25l2.25 2.25 4.25-4.75',
  warn: 'M10 3.25l7.5 13.25h-15zM10 8.25v3.75M10 14.25v.05',
  fail: 'M6.9 2.75h6.2l4.15 4.15v6.2l-4.15 4.15H6.900l-4.15-4.15V6.900zM7.5 7.5l5 5M12.5 7.5l-5 5',
  skipped: 'M10 2.75a7.25 7.25 0 1 1 0 14.5a7.25 7.25 0 0 1 0-14.5zM7 10h6',
  running: 'M10 2.75a7.25 7.25 0 0 1 7.25 7.25',
} as const

/** Makes a sign. */
export function sign(name: Outcome | 'running'): SVGSVGElement {
  return drawing(`sign sign-${name}`, shapes[name])
}
