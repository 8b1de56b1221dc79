// The room a page belongs to: named in its address, and made up when the address names none.

/** What a fresh room is called: two words to say aloud, and enough chance that nobody guesses it. */
const places = ['harbour', 'meadow', 'orchard', 'lantern', 'river', 'island', 'garden', 'summit', 'willow', 'lagoon']
const moods = ['quiet', 'amber', 'early', 'gentle', 'silver', 'sunny', 'distant', 'mellow', 'bright', 'mossy']
const letters = 'abcdefghjkmnpqrstuvwxyz23456789'

/** Says in words what is wrong with a room name, or null when nothing is. */
export function roomNameFault(name: string): string | null {
  if (name === '') return 'it is empty'
  if (name === '.' || name === '..') return `“${name}” has a meaning of its own in addresses`
  if (name.length > 128) return `it has ${name.length} characters, and 128 is the most`
  const stranger = /[^A-Za-z0-9\-._~]/u.exec(name)?.[0]
  if (stranger !== undefined) return `it contains ${nameOf(stranger)}; letters without accents, digits and -\u00a0.\u00a0_\u00a0~ are allowed`
  return null
}

function nameOf(character: string): string {
  if (/\s/u.test(character)) return 'a space'
  if (/[\p{C}\p{M}]/u.test(character)) return 'a character that cannot be seen'
  return `“${character}”`
}

/** Makes up a room name; `random` returns numbers from 0 to below 1 and should be hard to foresee. */
export function freshRoomName(random: () => number): string {
  const pick = <T>(list: ArrayLike<T>): T => list[Math.floor(random() * list.length)] as T
  const code = Array.from({ length: 8 }, () => pick(letters)).join('')
  return `${pick(moods)}-${pick(places)}-${code}`
}
