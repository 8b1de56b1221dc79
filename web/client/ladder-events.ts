import type { SignalError } from './errors.ts'
import type { LinkFrame, NumberedFrame } from './frames.ts'
import type { LinkKind } from './link.ts'

export type Notice = Extract<LinkFrame, { kind: 'refused' | 'ice' }>

/** What a ladder tells. */
export interface LadderEvents {
  /** A link is in use, of another kind than before. */
  opened(via: LinkKind): void
  /** The link in use is lost; the next one is under way. */
  lost(): void
  /** A numbered frame, each once and in order. */
  frame(frame: NumberedFrame): void
  notice(frame: Notice): void
  /** No link works, or the session is over; nothing follows. */
  ended(error: SignalError): void
}
