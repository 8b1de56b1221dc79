/** The colours people can have; what each looks like in light and dark is the style sheet's to say. */
export const colours = ['coral', 'amber', 'moss', 'teal', 'sky', 'indigo', 'plum', 'rose'] as const

export type Colour = (typeof colours)[number]

/** Somebody in a room, and the colour they have. */
export interface Wearer {
  readonly id: string
  readonly colour: Colour
  readonly chosen: boolean
}

/**
 * The colour to change to when somebody else has one's own, or null to keep it. Whoever chose theirs keeps it; of two who
 * did not, the one with the greater id gives way.
 */
export function otherColour(own: Wearer, others: readonly Wearer[]): Colour | null {
  const clashes = others.filter(({ colour }) => colour === own.colour)
  if (own.chosen || !clashes.some(({ id, chosen }) => chosen || id < own.id)) return null
  const taken = new Set(others.map(({ colour }) => colour))
  const start = colours.indexOf(own.colour)
  return [...colours.slice(start), ...colours.slice(0, start)].find((colour) => !taken.has(colour)) ?? null
}

/** Whether a value, from wherever it came, is one of {@link colours}. */
export function isColour(value: unknown): value is Colour {
  return typeof value === 'string' && (colours as readonly string[]).includes(value)
}
