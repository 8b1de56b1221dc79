import type { Clock } from './options.ts'

/** How a connection is doing: `none` there is none yet, `gone` the other side closed it. */
export type Health = 'none' | 'connecting' | 'connected' | 'disconnected' | 'failed' | 'gone'

/** Restarts of one connection before another one is tried. */
const restartLimit = 3

/** A connection that is being made when signaling is back has at least so long, in milliseconds: it may be as fresh as the link. */
const freshTime = 6000

/** What a recovery is told and does. Of two peers one is the first to act; the other gives it a moment. */
export interface RecoveryActions {
  isFirst(): boolean
  /** Whether the peer can be reached by signaling just now. */
  canSignal(): boolean
  /** Gather and negotiate again, on the same connection. */
  restart(): void
  /** Begin another connection, or ask the other side to. */
  renew(): void
}

/** Returns how long a state is borne before something is done, in milliseconds. */
export function patience(health: Health, first: boolean): number {
  const headStart = first ? 0 : 2000
  switch (health) {
    case 'none':
      return first ? 0 : 4000
    case 'connecting':
      return 15_000 + headStart
    case 'disconnected':
      return 1500 + headStart
    case 'failed':
      return headStart
    case 'gone':
      return 1000 + headStart
    case 'connected':
      return Infinity
  }
}

/** Returns how long to wait after so many attempts in a row before the next one, in milliseconds. */
export function spacing(attempts: number): number {
  return attempts === 0 ? 0 : Math.min(30_000, 3000 * 2 ** Math.min(attempts - 1, 10))
}

/** Says what the attempt after so many others is: on a living connection restarts come first. */
export function remedy(health: Health, attempts: number): 'restart' | 'renew' {
  if (health === 'none' || health === 'gone') return 'renew'
  return attempts % (restartLimit + 1) === restartLimit ? 'renew' : 'restart'
}

/** Brings a connection back, patiently and for ever. */
export class Recovery {
  readonly #clock: Clock
  readonly #actions: RecoveryActions
  #health: Health = 'connected'
  #attempts = 0
  #lastAt = -Infinity
  #cancel: (() => void) | null = null
  #dueAt = Infinity
  #blocked = false // an attempt waits for signaling

  constructor(clock: Clock, actions: RecoveryActions) {
    this.#clock = clock
    this.#actions = actions
  }

  /** Takes note of how the connection is doing. */
  update(health: Health): void {
    if (health === this.#health) return
    this.#health = health
    if (health === 'connected') return this.#rest()
    this.#schedule(this.#clock.now() + patience(health, this.#actions.isFirst()))
  }

  /** Takes note that another connection was begun, by whichever side: it gets its time. */
  began(): void {
    this.stop()
    this.#blocked = false
    this.#health = 'connecting'
    this.#schedule(this.#clock.now() + patience('connecting', this.#actions.isFirst()))
  }

  /** Takes note that the peer can be reached by signaling again; `wasLost`: it could not be for a while. */
  signalingIsBack(wasLost = false): void {
    if (wasLost && this.#health !== 'connected') {
      // What was tried while nothing got through says nothing of what helps now.
      this.#rest()
      this.#schedule(this.#clock.now() + Math.min(patience(this.#health, this.#actions.isFirst()), freshTime))
    } else if (this.#blocked) this.#act()
  }

  /** Takes note that something went wrong on the way, and the connection may wait in vain: acts after so long. */
  disturbed(delay: number): void {
    if (this.#health !== 'connected') this.#schedule(this.#clock.now() + delay)
  }

  stop(): void {
    this.#cancel?.()
    this.#cancel = null
    this.#dueAt = Infinity
  }

  #rest(): void {
    this.stop()
    this.#attempts = 0
    this.#lastAt = -Infinity
    this.#blocked = false
  }

  /** Acts at the time given, unless it is to act sooner anyway, and not too soon after the last attempt. */
  #schedule(at: number): void {
    const due = Math.max(at, this.#lastAt + spacing(this.#attempts))
    if (due >= this.#dueAt) return
    this.stop()
    this.#dueAt = due
    this.#cancel = this.#clock.after(Math.max(0, due - this.#clock.now()), () => this.#act())
  }

  #act(): void {
    this.stop()
    this.#blocked = !this.#actions.canSignal()
    if (this.#blocked) return
    const what = remedy(this.#health, this.#attempts)
    this.#attempts++
    this.#lastAt = this.#clock.now()
    this.#schedule(this.#lastAt + spacing(this.#attempts))
    this.#actions[what]()
  }
}
