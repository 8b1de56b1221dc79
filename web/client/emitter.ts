/** Calls listeners by the name of an event. One that throws stops neither the others nor the sender. */
export class Emitter<Events extends { [K in keyof Events]: unknown[] }> {
  readonly #listeners: { [K in keyof Events]?: Set<(...args: Events[K]) => void> } = {}

  on<K extends keyof Events>(event: K, listener: (...args: Events[K]) => void): () => void {
    const set = (this.#listeners[event] ??= new Set())
    const own = (...args: Events[K]) => listener(...args) // so that a listener added twice is called twice
    set.add(own)
    return () => void set.delete(own)
  }

  emit<K extends keyof Events>(event: K, ...args: Events[K]): void {
    for (const listener of [...(this.#listeners[event] ?? [])]) {
      try {
        listener(...args)
      } catch (cause) {
        reportUncaught(cause)
      }
    }
  }
}

/** Shows the error where uncaught ones are shown, without interrupting the caller. */
function reportUncaught(cause: unknown): void {
  if (typeof reportError === 'function') reportError(cause)
  else queueMicrotask(() => Promise.reject(cause))
}
