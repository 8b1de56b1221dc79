// The few icons, drawn on a 20 × 20 grid in the colour of the text around them.
import { drawing } from './drawing.ts'

const shapes = {
  copy: 'M7.5 6.5h7a1 1 0 0 1 1 1v8a1 1 0 0 1-1 1h-7a1 1 0 0 1-1-1v-8a1 1 0 0 1 1-1zM4.5 13.5v-9a1 1 0 0 1 1-1h7',
  check: 'M4.5 10.5l3.5 3.5 7.5-8',
  sun: 'M10 6.75a3.25 3.25 0 1 1 0 6.5 3.25 3.25 0 0 1 0-6.5zM10 2.5v1.25M10 16.25v1.25M2.5 10h1.25M16.25 10h1.25M4.7 4.7l.9.9M14.4 14.4l.9.9M15.3 4.7l-.9.9M5.6 14.4l-.9.9',
  moon: 'M16 11.8A6.5 6.5 0 0 1 8.2 4a6.5 6.5 0 1 0 7.8 7.8z',
  numbers: 'M8.5 5.5h8M8.5 10h8M8.5 14.5h8M3.5 4.5l1-.5v3.5M3.2 12.9c.2-1 1.9-1 1.9.1 0 .9-1.9 1.3-1.9 2.5h2',
  direct: 'M3.5 10h13M6 7.5L3.5 10 6 12.5M14 7.5l2.5 2.5-2.5 2.5',
  relay: 'M2.5 10h4.2M13.3 10h4.2M10 6.7a3.3 3.3 0 1 1 0 6.6 3.3 3.3 0 0 1 0-6.6z',
  server: 'M4.5 4.5h11v4.5h-11zM4.5 11h11v4.5h-11zM7 6.75h.01M7 13.25h.01',
  mesh: 'M4 5.5h.01M16 5.5h.01M10 15.5h.01M5.5 5.5h9M5 7l4 7M15 7l-4 7',
  undo: 'M7.5 4.5L4 8l3.5 3.5M4.5 8h7a4 4 0 0 1 0 8H9',
  redo: 'M12.5 4.5L16 8l-3.5 3.5M15.5 8h-7a4 4 0 0 0 0 8H11',
  download: 'M10 3.5v9M6.5 9.5L10 13l3.5-3.5M4.5 16.5h11',
  eye: 'M2.5 10S5 5 10 5s7.5 5 7.5 5-2.5 5-7.5 5-7.5-5-7.5-5zM10 7.75a2.25 2.25 0 1 1 0 4.5 2.25 2.25 0 0 1 0-4.5z',
  pencil: 'M4.5 15.5l.7-3 7.8-7.8a1.6 1.6 0 0 1 2.3 2.3l-7.8 7.8zM11.5 6.2l2.3 2.3',
  close: 'M5 5l10 10M15 5L5 15',
} as const

export type IconName = keyof typeof shapes

/** Makes an icon. */
export function icon(name: IconName): SVGSVGElement {
  return drawing(`icon icon-${name}`, shapes[name])
}
