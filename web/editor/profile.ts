// One's own row in the list: the name, changed in place, and the colour.
import { byId } from './element.ts'
import { icon } from './icons.ts'
import { tidyName, type Identity } from './identity.ts'
import { colours, type Colour } from './palette.ts'
import { paintFace } from './people.ts'

/** Wires the row; `changed` is called with each new identity. Returns what shows another one. */
export function wireProfile(initial: Identity, changed: (identity: Identity) => void): (identity: Identity) => void {
  const name = byId('own-name', HTMLInputElement)
  const toggle = byId('own-colour', HTMLButtonElement)
  const choices = byId('colours', HTMLFieldSetElement)
  let identity = initial

  const set = (next: Identity): void => {
    if (next.name === identity.name && next.colour === identity.colour) return
    identity = next
    show()
    changed(identity)
  }
  const face = document.createElement('span')
  const show = (): void => {
    name.value = identity.name
    paintFace(face, identity.name, identity.colour)
    for (const radio of choices.querySelectorAll('input')) radio.checked = radio.value === identity.colour
  }

  name.addEventListener('change', () => {
    const tidy = tidyName(name.value)
    if (tidy === '' || tidy === identity.name) show()
    else set({ ...identity, name: tidy })
  })
  name.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter' && event.key !== 'Escape') return
    if (event.key === 'Escape') {
      event.stopPropagation() // one key, one thing
      name.value = identity.name
    }
    // On a phone its keyboard is to go; elsewhere the focus stays, or the next Tab would begin anywhere.
    if (matchMedia('(pointer: coarse)').matches) name.blur()
    else name.select()
  })

  name.after(icon('pencil'))
  toggle.append(face)
  toggle.addEventListener('click', () => open(choices.hidden !== false))
  const open = (wanted: boolean): void => {
    choices.hidden = !wanted
    toggle.setAttribute('aria-expanded', String(wanted))
    if (wanted) choices.querySelector<HTMLInputElement>('input:checked')?.focus()
  }
  choices.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape' && event.key !== 'Enter') return
    event.stopPropagation()
    event.preventDefault() // or the key would press the button that gets the focus
    open(false)
    toggle.focus()
  })
  choices.append(...colours.map((colour) => choice(colour, () => set({ ...identity, colour, chosen: true }))))
  show()
  return (next) => {
    identity = next
    show()
  }
}

function choice(colour: Colour, chosen: () => void): HTMLLabelElement {
  const radio = document.createElement('input')
  radio.type = 'radio'
  radio.name = 'colour'
  radio.value = colour
  radio.addEventListener('change', chosen)
  const label = document.createElement('label')
  label.className = `swatch of-${colour}`
  label.title = colour
  const words = document.createElement('span')
  words.className = 'unseen'
  words.textContent = colour
  label.append(radio, words)
  return label
}
