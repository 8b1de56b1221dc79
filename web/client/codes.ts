/**
 * What helps after a refusal: nothing, joining again as new, or trying the same again. The room does it by itself.
 *
 * @example
 * const hopeless = error.retry === 'never'
 */
export type Retry = 'never' | 'rejoin' | 'resume'

/**
 * The server's codes, each with the close code of a WebSocket that it ends, or 0 where it ends none. The hundreds of a
 * close code say what to do.
 */
export const codes = {
  bad_request: 4000,
  bad_field: 4000,
  unknown_field: 4000,
  bad_room: 4000,
  not_json: 0,
  body_too_large: 0,
  not_found: 0,
  method_not_allowed: 0,
  upgrade_required: 0,
  unauthorized: 4003,
  forbidden: 4003,
  origin_denied: 4003,
  wrong_secret: 4003,
  no_session: 4104,
  room_full: 4000,
  too_many_sessions: 4000,
  rate_limited: 4205,
  peer_taken: 4000,
  attempt_reused: 4000,
  resume_used: 4000,
  draining: 4200,
  unavailable: 4201,
  internal: 4201,
  bad_frame: 4000,
  frame_too_large: 4009,
  unknown_kind: 0,
  gap: 0,
  no_peer: 0,
  stale_epoch: 0,
  busy: 0,
  data_too_large: 0,
  history_lost: 4105,
  superseded: 4001,
  silent: 4202,
  left: 4010,
  lost: 4110,
  slow: 4111,
  stalled: 4203,
  unconfirmed: 4204,
  kicked: 4011,
  expired: 4112,
  resumed: 4012,
  rejoin: 4100,
  drain: 4200,
} as const

/**
 * A code of the protocol, or one of the client's own: `network` (no answer came, or a part of the client did not), `protocol` (an answer that cannot be
 * read), `token` (the app gave none), `negotiation` (the browser refused a step towards a peer), `channels_differ` (a
 * peer's channels have other names), `no_relay` (only relayed paths are allowed, and the server names no relay),
 * `key_differs` (a peer has no key for the room, or another one, or this side has none), `untrusted` (what came as a peer's
 * was changed, forged or repeated on its way), `malformed` (a peer sent what cannot be read or is too large: it was dropped).
 *
 * @example
 * const words: Partial<Record<Code, string>> = { room_full: 'The room is full.', network: 'The server cannot be reached.' }
 */
export type Code =
  | keyof typeof codes
  | 'network'
  | 'protocol'
  | 'token'
  | 'negotiation'
  | 'channels_differ'
  | 'no_relay'
  | 'key_differs'
  | 'untrusted'
  | 'malformed'

/**
 * What a close code asks for; 0 is that of a code which refuses a request and ends no link. One that is not the
 * protocol's means that the connection broke.
 */
export function retryOf(close: number): Retry {
  const hundreds = Math.floor(close / 100)
  return hundreds === 40 || close === 0 ? 'never' : hundreds === 41 ? 'rejoin' : 'resume'
}
