import type { SignalError } from './errors.ts'

/** The kinds of links, the best first. */
export const linkKinds = ['websocket', 'events', 'long-poll', 'short-poll'] as const

/**
 * A way to the server: a WebSocket, server-sent events, or polls that wait for what comes or do not.
 *
 * @example
 * const words: Record<LinkKind, string> = { websocket: 'live', events: 'live', 'long-poll': 'polling', 'short-poll': 'polling' }
 */
export type LinkKind = (typeof linkKinds)[number]

/** What the links that stay open carry: text. What the frames mean is not their business. */
export interface Link {
  /** Only a WebSocket sends; what goes up beside events is posted. */
  send(text: string): void
  /** Closes without a further call of its events. */
  close(): void
}

/** What a link tells. */
export interface LinkEvents {
  text(text: string): void
  /** Something came that is no frame, but shows that the link lives. */
  alive(): void
  /** The link is over, or could not be opened. */
  closed(error: SignalError): void
}
