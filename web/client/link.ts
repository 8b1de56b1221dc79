/** What carries a session's frames just now. A link only moves text; what the frames mean is not its business. */
export interface Link {
  send(text: string): void
  /** Closes without a further call of its events. */
  close(): void
}

/** What a link tells. */
export interface LinkEvents {
  text(text: string): void
  /** The link is over, by the close code of a WebSocket. */
  closed(code: number, reason: string): void
}
