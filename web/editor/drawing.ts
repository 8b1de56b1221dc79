const svg = 'http://www.w3.org/2000/svg'

/**
 * Makes a drawing of one path on a 20 × 20 grid, with this class. It says nothing to screen readers: what it stands for is
 * in words beside it or in a label.
 */
export function drawing(className: string, path: string): SVGSVGElement {
  const made = document.createElementNS(svg, 'svg')
  made.setAttribute('viewBox', '0 0 20 20')
  made.setAttribute('class', className)
  made.setAttribute('aria-hidden', 'true')
  const line = document.createElementNS(svg, 'path')
  line.setAttribute('d', path)
  made.append(line)
  return made
}
