import { toText } from './base64.ts'
import type { Environment } from './options.ts'

type Random = Environment['random']

/** Random bytes as text of A–Z a–z 0–9 - _ */
export function randomText(random: Random, bytes: number): string {
  return toText(random(new Uint8Array(bytes)))
}

/** A random number from 0 up to, but not, 1. */
export function randomNumber(random: Random): number {
  return new DataView(random(new Uint8Array(4)).buffer).getUint32(0) / 2 ** 32
}
