import type { Environment } from './options.ts'

/** The browser's own time, randomness and network, except for the parts given. */
export function environment(given: Partial<Environment> = {}): Environment {
  return {
    fetch: (...args) => globalThis.fetch(...args),
    WebSocket: globalThis.WebSocket,
    RTCPeerConnection: globalThis.RTCPeerConnection,
    subtle: globalThis.crypto?.subtle,
    clock: {
      now: () => performance.timeOrigin + performance.now(),
      after(delay, call) {
        const timer = setTimeout(call, delay)
        return () => clearTimeout(timer)
      },
    },
    random: (bytes) => crypto.getRandomValues(bytes),
    ...given,
  }
}
