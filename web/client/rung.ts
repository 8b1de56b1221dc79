import type { Link } from './link.ts'

/** Milliseconds. */
const againTime = 30_000
const mostAgainTime = 600_000
const goodTime = 100

export const streamKinds = ['websocket', 'events'] as const

/** A WebSocket or a stream of events. */
export interface Stream {
  readonly rung: Rung
  readonly opened: number
  /** Null while it is being made. */
  link: Link | null
  /** 0 until its hello came. */
  number: number
  heard: number
  /** When it was asked for a sign of life; 0 since something was heard. */
  pinged: number
  /** When it has proved itself. */
  proof: number
  /** Since when it is in use; 0 when it is not. */
  used: number
  /** When it is to be replaced, since the server will close it. */
  leaves: number
}

/** What is known of WebSockets, or of events, on the way to the server. */
export class Rung {
  stream: Stream | null = null
  #failures = 0

  /** @param next when one is tried next */
  constructor(
    readonly kind: (typeof streamKinds)[number],
    public next: number,
  ) {}

  begin(now: number): Stream {
    return (this.stream = {
      rung: this, opened: now, link: null, number: 0, heard: now, pinged: 0, proof: Infinity, used: 0, leaves: Infinity,
    })
  }

  /** Has another stream opened, beside the one there was. */
  renew(now: number): void {
    this.stream = null
    this.next = now
  }

  /** Takes note of a failure. A link that was good, or whose fault it was not, is followed by another at once. */
  failed(now: number, wasGood: boolean, random: number): void {
    if (wasGood) {
      this.#failures = 0
      this.next = now + random * goodTime
    } else {
      this.next = now + Math.min(againTime * 2 ** this.#failures++, mostAgainTime) * (1 - random / 2)
    }
  }
}
