import type { Clock } from './options.ts'

/** ICE servers, and for how many seconds their credentials live; 0 for ever. */
export interface IceGrant {
  readonly iceServers: RTCIceServer[]
  readonly ttl: number
}

/** Timers go no further, in milliseconds. */
const longest = 2 ** 31 - 1

/** Gets fresh ICE servers at 80 % of the life of those at hand, and when that fails, soon again. */
export class IceRenewal {
  readonly #clock: Clock
  readonly #fetch: () => Promise<IceGrant>
  readonly #renewed: (iceServers: RTCIceServer[]) => void
  #cancel: (() => void) | null = null
  #turn = 0 // rises whenever what is under way no longer counts

  constructor(clock: Clock, fetch: () => Promise<IceGrant>, renewed: (iceServers: RTCIceServer[]) => void) {
    this.#clock = clock
    this.#fetch = fetch
    this.#renewed = renewed
  }

  /** Takes note of how long the servers at hand are good for, in seconds. */
  after(ttl: number): void {
    this.stop()
    if (ttl > 0) this.#cancel = this.#clock.after(Math.min(ttl * 800, longest), () => void this.#renew(ttl))
  }

  stop(): void {
    this.#turn++
    this.#cancel?.()
    this.#cancel = null
  }

  async #renew(before: number): Promise<void> {
    const turn = ++this.#turn
    const grant = await this.#fetch().catch(() => null)
    if (turn !== this.#turn) return
    this.after(grant?.ttl ?? Math.max(before / 8, 5))
    if (grant !== null) this.#renewed(grant.iceServers)
  }
}
