// The list of people, and the row of faces that stands for it where there is no room.
import { byId, element, setText } from './element.ts'
import { icon } from './icons.ts'
import { initials, type Identity } from './identity.ts'
import type { Colour } from './palette.ts'
import type { Person, Way } from './person.ts'

const facesShown = 4

interface Row {
  readonly item: HTMLLIElement
  readonly face: HTMLElement
  readonly name: HTMLElement
  readonly way: HTMLElement
  readonly words: HTMLElement
  readonly warning: HTMLElement
  readonly follow: HTMLButtonElement
  readonly admit: HTMLButtonElement
}

export class People {
  readonly #list = byId('people', HTMLUListElement)
  readonly #lonely = byId('lonely', HTMLElement)
  readonly #faces = byId('faces', HTMLElement)
  readonly #summary = byId('people-summary', HTMLElement)
  readonly #rows = new Map<string, Row>()
  readonly #follow: (peer: string) => void
  readonly #admit: (peer: string) => void
  #facesKey = ''

  /** `follow` is called with the id of whoever is to be followed, or not any more; `admit` with that of whoever is let in. */
  constructor(follow: (peer: string) => void, admit: (peer: string) => void) {
    this.#follow = follow
    this.#admit = admit
  }

  /** Shows these people, and nobody else beside oneself. Whether there are others is not known before one was in the room. */
  show(self: Identity, people: readonly Person[], joined: boolean, followed: string | null): void {
    const present = new Set(people.map((person) => person.id))
    for (const [id, row] of this.#rows) {
      if (present.has(id)) continue
      row.item.remove()
      this.#rows.delete(id)
    }
    for (const person of people) this.#showOne(person, person.id === followed)
    this.#lonely.hidden = people.length > 0 || !joined
    setText(this.#summary, joined || people.length > 0 ? summarise(people) : 'Not connected yet')
    this.#showFaces(self, people)
  }

  #showOne(person: Person, followed: boolean): void {
    let row = this.#rows.get(person.id)
    if (row === undefined) {
      row = makeRow()
      row.follow.addEventListener('click', () => this.#follow(person.id))
      row.admit.addEventListener('click', () => this.#admit(person.id))
      this.#rows.set(person.id, row)
      this.#list.append(row.item)
    }
    const { item, face, name, way, words, warning, follow, admit } = row
    item.dataset['peer'] = person.id
    item.dataset['state'] = person.state
    item.dataset['path'] = person.path ?? ''
    item.title = person.detail
    paintFace(face, person.name, person.colour)
    setText(name, person.name)
    setText(words, person.way)
    if (way.dataset['icon'] !== (person.path ?? '')) {
      way.dataset['icon'] = person.path ?? ''
      way.replaceChildren(...(person.path === null ? [words] : [icon(person.path), words]))
    }
    setText(warning, person.warning)
    warning.hidden = person.warning === ''
    follow.setAttribute('aria-pressed', String(followed))
    follow.setAttribute('aria-label', `Follow ${person.name}`)
    follow.title = followed ? 'Stop following' : `Scroll with ${person.name}’s caret`
    follow.hidden = person.client === null
    admit.setAttribute('aria-label', `Let ${person.name} in without verification`)
    admit.hidden = !person.admissible
  }

  #showFaces(self: Identity, people: readonly Person[]): void {
    const everybody = [self, ...people]
    const key = everybody.map(({ name, colour }) => `${name}/${colour}`).join('\n')
    if (this.#facesKey === key) return
    this.#facesKey = key
    const faces = everybody.slice(0, facesShown).map(({ name, colour }) => {
      const face = element('span', {})
      paintFace(face, name, colour)
      return face
    })
    if (everybody.length > facesShown) faces.push(element('span', { class: 'face more' }, `+${everybody.length - facesShown}`))
    this.#faces.replaceChildren(...faces)
  }
}

/** The people in a few words, for where there is no room for more. */
export function summarise(people: readonly Person[]): string {
  if (people.length === 0) return 'Only you'
  const count = `${people.length + 1} people`
  const connected = people.filter((person) => person.state === 'connected')
  const refused = people.filter((person) => person.refused).length
  const rest = people.length - connected.length - refused
  if (rest > 0) return `${count}, ${rest} connecting`
  if (refused > 0) return `${count}, ${refused} kept apart`
  if (connected.some((person) => person.path === null)) return count
  const on = (way: Way): number => connected.filter((person) => person.path === way).length
  if (on('direct') === connected.length) return `${count}, direct`
  if (on('relay') === connected.length) return `${count}, by relay`
  if (on('server') === connected.length) return `${count}, by the server`
  if (on('mesh') > 0 && on('relay') + on('server') === 0) return `${count}, ${on('direct')} direct, ${on('mesh')} through others`
  const parts = [on('relay') > 0 ? `${on('relay')} by relay` : '', on('server') > 0 ? `${on('server')} by the server` : '']
  return [count, ...parts.filter((part) => part !== '')].join(', ')
}

/** Makes an element show somebody's initials on their colour. */
export function paintFace(face: HTMLElement, name: string, colour: Colour): void {
  face.className = `face of-${colour}`
  face.setAttribute('aria-hidden', 'true')
  setText(face, initials(name))
}

function makeRow(): Row {
  const face = element('span')
  const name = element('span', { class: 'name' })
  const words = element('span')
  const way = element('span', { class: 'way' }, words)
  const warning = element('span', { class: 'warning', hidden: '' })
  const admit = element('button', { type: 'button', class: 'admit copy', hidden: '' }, 'Let in without verification')
  const follow = element('button', { type: 'button', class: 'follow' }, icon('eye'))
  const item = element('li', { class: 'person' }, face, element('span', { class: 'who' }, name, way, warning, admit), follow)
  return { item, face, name, way, words, warning, follow, admit }
}
