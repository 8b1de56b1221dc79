import { codes, retryOf, type Code, type Retry } from './codes.ts'

/**
 * What the server, or the way to it, refused. Branch on `code`; `message` is for people.
 *
 * @example
 * room.on('error', (error) => {
 *   if (error.code === 'data_too_large') shorten()
 * })
 */
export class SignalError extends Error {
  override readonly name = 'SignalError'

  /**
   * @param code one of the protocol's codes, one of the client's own, or one that a newer server knows
   * @param retry what helps: what the table of codes says, unless given; of an unknown code, trying again
   * @param retryAfter how long to wait first, in seconds, where the server said so
   */
  constructor(
    readonly code: Code | (string & {}),
    message: string,
    readonly retry: Retry = retryOf(codes[code as keyof typeof codes] ?? 1006),
    readonly retryAfter?: number,
  ) {
    super(message)
  }

  /** Wraps whatever was thrown; what is not a SignalError already counts as a failure of the network. */
  static of(cause: unknown): SignalError {
    if (cause instanceof SignalError) return cause
    return new SignalError('network', cause instanceof Error ? cause.message : String(cause))
  }
}
