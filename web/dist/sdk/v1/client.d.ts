/**
 * What helps after a refusal: nothing, joining again as new, or trying the same again. The room does it by itself.
 *
 * @example
 * const hopeless = error.retry === 'never'
 */
type Retry = 'never' | 'rejoin' | 'resume';
/**
 * The server's codes, each with the close code of a WebSocket that it ends, or 0 where it ends none. The hundreds of a
 * close code say what to do.
 */
declare const codes: {
    readonly bad_request: 4000;
    readonly bad_field: 4000;
    readonly unknown_field: 4000;
    readonly bad_room: 4000;
    readonly not_json: 0;
    readonly body_too_large: 0;
    readonly not_found: 0;
    readonly method_not_allowed: 0;
    readonly upgrade_required: 0;
    readonly unauthorized: 4003;
    readonly forbidden: 4003;
    readonly origin_denied: 4003;
    readonly wrong_secret: 4003;
    readonly no_session: 4104;
    readonly room_full: 4000;
    readonly too_many_sessions: 4000;
    readonly rate_limited: 4205;
    readonly peer_taken: 4000;
    readonly attempt_reused: 4000;
    readonly resume_used: 4000;
    readonly draining: 4200;
    readonly unavailable: 4201;
    readonly internal: 4201;
    readonly bad_frame: 4000;
    readonly frame_too_large: 4009;
    readonly unknown_kind: 0;
    readonly gap: 0;
    readonly no_peer: 0;
    readonly stale_epoch: 0;
    readonly busy: 0;
    readonly data_too_large: 0;
    readonly history_lost: 4105;
    readonly superseded: 4001;
    readonly silent: 4202;
    readonly left: 4010;
    readonly lost: 4110;
    readonly slow: 4111;
    readonly stalled: 4203;
    readonly unconfirmed: 4204;
    readonly kicked: 4011;
    readonly expired: 4112;
    readonly resumed: 4012;
    readonly rejoin: 4100;
    readonly drain: 4200;
};
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
type Code = keyof typeof codes | 'network' | 'protocol' | 'token' | 'negotiation' | 'channels_differ' | 'no_relay' | 'key_differs' | 'untrusted' | 'malformed';
/**
 * What a close code asks for; 0 is that of a code which refuses a request and ends no link. One that is not the
 * protocol's means that the connection broke.
 */
declare function retryOf(close: number): Retry;
/**
 * What the server, or the way to it, refused. Branch on `code`; `message` is for people.
 *
 * @example
 * room.on('error', (error) => {
 *   if (error.code === 'data_too_large') shorten()
 * })
 */
declare class SignalError extends Error {
    readonly code: Code | (string & {});
    readonly retry: Retry;
    readonly retryAfter?: number | undefined;
    readonly name = "SignalError";
    /**
     * @param code one of the protocol's codes, one of the client's own, or one that a newer server knows
     * @param retry what helps: what the table of codes says, unless given; of an unknown code, trying again
     * @param retryAfter how long to wait first, in seconds, where the server said so
     */
    constructor(code: Code | (string & {}), message: string, retry?: Retry, retryAfter?: number | undefined);
    /** Wraps whatever was thrown; what is not a SignalError already counts as a failure of the network. */
    static of(cause: unknown): SignalError;
}
/**
 * Anything that JSON can say.
 *
 * @example
 * const meta: Json = { colour: 'teal', tags: ['new'] }
 */
type Json = string | number | boolean | null | readonly Json[] | {
    readonly [key: string]: Json;
};
/** The kinds of links, the best first. */
declare const linkKinds: readonly ['websocket', 'events', 'long-poll', 'short-poll'];
/**
 * A way to the server: a WebSocket, server-sent events, or polls that wait for what comes or do not.
 *
 * @example
 * const words: Record<LinkKind, string> = { websocket: 'live', events: 'live', 'long-poll': 'polling', 'short-poll': 'polling' }
 */
type LinkKind = (typeof linkKinds)[number];
/** What the links that stay open carry: text. What the frames mean is not their business. */
interface Link {
    /** Only a WebSocket sends; what goes up beside events is posted. */
    send(text: string): void;
    /** Closes without a further call of its events. */
    close(): void;
}
/** What a link tells. */
interface LinkEvents {
    text(text: string): void;
    /** Something came that is no frame, but shows that the link lives. */
    alive(): void;
    /** The link is over, or could not be opened. */
    closed(error: SignalError): void;
}
/**
 * How one data channel behaves; both sides should say the same.
 *
 * @example
 * const carets: ChannelOptions = { ordered: false, maxRetransmits: 0, latestOnly: true }
 */
interface ChannelOptions {
    /** Whether messages arrive in the order sent; true unless set. */
    ordered?: boolean;
    /** How often a lost packet is sent again; until it arrives unless set. */
    maxRetransmits?: number;
    /** Keep only the newest message while the channel cannot send: for carets and the like. */
    latestOnly?: boolean;
}
/**
 * What {@link join} takes.
 *
 * @example
 * const options: JoinOptions = { server: 'https://parley.example', room: 'garden', channels: { chat: {} } }
 */
interface JoinOptions {
    /** Where the service is, for example `location.origin`; any path prefix works. */
    server: string | URL;
    /** 1–128 of the characters A–Z a–z 0–9 - . _ ~ */
    room: string;
    /** Shown to the others; at most 64 bytes. */
    name?: string;
    /** Shown to the others; at most 1,024 bytes of JSON. */
    meta?: Json;
    /** The app's token, asked for anew for every join; it has 10 s, then another try follows. */
    token?: () => string | Promise<string>;
    /** `relay` lets nothing but relayed paths be used; where the server has none, that is the error `no_relay`. */
    iceTransportPolicy?: RTCIceTransportPolicy;
    /**
     * The channels by name, at most 100 of at most 128 characters. Peers should have the same; one that only one of two has
     * never opens between them, which is the error `channels_differ`.
     */
    channels: Record<string, ChannelOptions>;
    /**
     * What the peers of the room share and the server never sees, as {@link newKey} makes it: 16 to 64 random bytes, or their
     * base64url. With it they sign what they tell each other through the server, and seal what goes through it. Peers without
     * the key, or with another one, are refused: `key_differs`. Where there is no `crypto.subtle` (pages from plain http), it
     * cannot be used: peers are `unverified` then.
     */
    key?: string | Uint8Array;
    /**
     * Lets peers in that sign nothing, though there is a key here: those on pages from plain http, say. The server can then
     * get between any two of them unnoticed. False unless set; without a key everybody is let in.
     */
    allowUnverified?: boolean;
    /** Whether messages may go through the server while a peer has no connection; true unless set. Both sides must let them. */
    serverRelay?: boolean;
    /** The most bytes one message may have, sent or received; 64 MiB unless set. A larger one that comes is dropped. */
    maxMessage?: number;
    /** The kinds of links to the server that may be used; all unless set. The best of them that works is. */
    links?: readonly LinkKind[];
    /** Keeps the peer id over a reload; `sessionStorage` where there is one. Null: nothing is kept, neither which links work. */
    storage?: Storage | null;
    /** Leaves when aborted. */
    signal?: AbortSignal;
    /** What the room reaches the world through, for tests and other run-times. */
    environment?: Partial<Environment>;
}
/**
 * Time, randomness and the network; each part defaults to the browser's own.
 *
 * @example
 * join({ ...options, environment: { WebSocket: ws.WebSocket, RTCPeerConnection: undefined } }) // signaling only, in node
 */
interface Environment {
    fetch: typeof fetch;
    WebSocket: typeof WebSocket;
    /** Absent where there is no WebRTC: messages go through the server then. */
    RTCPeerConnection: typeof RTCPeerConnection | undefined;
    clock: Clock;
    /** Absent on pages that came over plain http: nothing can be verified there. */
    subtle: SubtleCrypto | undefined;
    /** Fills the array with random bytes. */
    random: (bytes: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>;
}
/**
 * Tells the time and calls back later.
 *
 * @example
 * const cancel = clock.after(1000, () => show('a second has passed'))
 */
interface Clock {
    /** Milliseconds since 1970, which go on evenly. */
    now(): number;
    /** Calls `call` after `delay` milliseconds; returns what cancels it. */
    after(delay: number, call: () => void): () => void;
}
/**
 * What the server knows of a peer: it has a link, it has none just now, or its page said good-bye and may be back.
 *
 * @example
 * row.classList.toggle('dim', peer.presence !== 'here')
 */
type Presence = 'here' | 'away' | 'leaving';
/**
 * How the connection to a peer is doing. `reconnecting` may last: it ends when the peer is back or has left the room.
 *
 * @example
 * if (peer.state === 'reconnecting') hideCaret(peer)
 */
type PeerState = 'connecting' | 'connected' | 'reconnecting' | 'closed';
/**
 * Whether what the peer said through the server was signed with the room's key. `unverified`: this side or the peer has no
 * key, or no means to use it (a page that came over plain http has none); or nothing came yet. `unsigned`: it was refused since
 * it signs nothing, and {@link Peer.admit} lets it in. `refused`: it has another key, this side has none, or the server changed
 * what it said.
 *
 * @example
 * row.title = peer.trust === 'verified' ? 'end-to-end verified' : 'not verified'
 */
type TrustState = 'verified' | 'unverified' | 'unsigned' | 'refused';
/**
 * The way packets take to a peer.
 *
 * @example
 * const words = peer.path?.kind === 'relay' ? `over a relay by ${peer.path.protocol}` : 'directly'
 */
interface Path {
    /**
     * `server`: there is no connection, and messages go through signaling. `mesh`: none is needed, since other peers pass
     * messages on.
     */
    readonly kind: 'direct' | 'relay' | 'server' | 'mesh';
    /** `udp`, or for a relay how it is reached: `udp`, `tcp` or `tls`. */
    readonly protocol?: string;
    /** Round trip in milliseconds, measured on the library's own channel; through the server, when its use began. */
    readonly rtt: number | null;
}
/**
 * Somebody else in the room: one page or process of theirs. A page that takes another's place is another Peer.
 *
 * @example
 * if (!peer.send('file', bytes)) waitAndTryAgain()
 */
interface Peer {
    readonly id: string;
    readonly name?: string | undefined;
    readonly meta?: Json | undefined;
    readonly presence: Presence;
    readonly state: PeerState;
    readonly trust: TrustState;
    /** Null until known, and while there is none. */
    readonly path: Path | null;
    /** How many notes and messages of the peer's were dropped: not signed as they must be, malformed or too large. */
    readonly dropped: number;
    /** Bytes accepted by {@link send} and not yet on their way. */
    readonly buffered: number;
    /**
     * Sends one message; the other side drops one over its own `maxMessage`. False when the channel is not open, or more
     * than 16 MiB (through the server: 1 MiB) would be waiting; then nothing was sent. To a peer whose path is `mesh`, false
     * when it has more than 64 KiB. The bytes may be changed afterwards.
     *
     * @throws TypeError when the room was joined without such a channel
     * @throws RangeError when the message is over this side's own `maxMessage`: it could never be sent
     */
    send(channel: string, data: Uint8Array): boolean;
    /**
     * Lets this page in although it signs nothing; it is `unverified` then. The server, or whoever it lets into the room, may be
     * behind it: ask the person at this side first. Nothing else is believed without a signature by that.
     */
    admit(): void;
}
/**
 * How this room's signaling is doing. Open channels to peers do not depend on it.
 *
 * @example
 * room.on('link', (state) => {
 *   if (state.name === 'waiting') show(`trying again in ${Math.ceil((state.retryAt - Date.now()) / 1000)} s`)
 * })
 */
type LinkState = {
    readonly name: 'connecting';
    readonly attempt: number;
} | {
    readonly name: 'open';
    readonly via: LinkKind;
}
/** `retryAt` is in milliseconds since 1970, as of `Date.now()`. */
 | {
    readonly name: 'waiting';
    readonly attempt: number;
    readonly retryAt: number;
    readonly error: SignalError;
} | {
    readonly name: 'closed';
    readonly error?: SignalError;
};
/**
 * Why a peer is gone: what the server said; `replaced` when another page took its place under the same id;
 * `unreachable` when its connection died and the server could not or did not list it.
 *
 * @example
 * room.on('left', (peer, reason) => reason === 'kicked' && show(`${peer.name} was removed`))
 */
type LeaveReason = 'leave' | 'lost' | 'kicked' | 'slow' | 'replaced' | 'unreachable';
/**
 * Who this side is, as the others see it.
 *
 * @example
 * const mine = room.self?.id === author
 */
interface Self {
    readonly id: string;
    readonly epoch: number;
    readonly name?: string;
    readonly meta?: Json;
}
/**
 * The events of a {@link Room} and what their listeners are given.
 *
 * @example
 * const stop = room.on('changed', (peer) => render(peer))
 */
interface RoomEvents {
    link: [state: LinkState];
    joined: [peer: Peer];
    left: [peer: Peer, reason: LeaveReason];
    /** Name, meta, presence, state or path changed. */
    changed: [peer: Peer];
    /** A channel can send: at first, and again after its connection was replaced, when messages may have been lost. */
    open: [peer: Peer, channel: string];
    message: [peer: Peer, channel: string, data: Uint8Array];
    /** Something was refused, or failed on the way to a peer. The room goes on; `link` says when it does not. */
    error: [error: SignalError];
}
/**
 * A room one has joined, and stays in until one leaves.
 *
 * @example
 * for (const peer of room.peers.values()) console.log(peer.name, peer.state, peer.path?.kind)
 */
interface Room {
    /** Null until the first join succeeded. */
    readonly self: Self | null;
    readonly link: LinkState;
    /**
     * Whether there are so many peers, more than 12, that this side is connected to some of them only, at most 8: what is
     * sent to the others is passed on. `open` is emitted for those alone to whom this side is connected.
     */
    readonly meshed: boolean;
    /** The others by peer id. */
    readonly peers: ReadonlyMap<string, Peer>;
    /** Listens; returns what stops it. */
    on<K extends keyof RoomEvents>(event: K, listener: (...args: RoomEvents[K]) => void): () => void;
    /**
     * Changes what the others see. An empty name or a null meta takes it away. What the server refuses is taken back, and is
     * an `error`: `forbidden` where the app decides the name. Throws a TypeError for a meta that JSON cannot say.
     */
    change(who: {
        name?: string;
        meta?: Json;
    }): void;
    /**
     * Sends to each peer whose channel is open, as {@link Peer.send} does, and throws what that throws. In a room that is
     * {@link meshed}, to everybody: once, in order on an ordered channel; what is on its way while a connection breaks may
     * be lost.
     */
    broadcast(channel: string, data: Uint8Array): void;
    /** Leaves for good, and closes all connections. */
    leave(): void;
}
/**
 * Joins a room. Returns at once, connects in the background, and keeps connecting until the room is left, or the server
 * says that no repetition helps (`link` is then `closed`, with the error). Throws at once what is wrong with the options:
 * a TypeError or RangeError in words, or a {@link SignalError} `bad_room`.
 *
 * @example
 * const room = join({ server: location.origin, room: 'garden', name: 'Ada', channels: { chat: {} } })
 * room.on('open', (peer, channel) => peer.send(channel, new TextEncoder().encode('hello')))
 * room.on('message', (peer, channel, data) => show(peer.name, new TextDecoder().decode(data)))
 */
declare function join(options: JoinOptions): Room;
/**
 * Makes a key for a room: 128 random bits, as text that fits into the fragment of a link. Whoever has it can check that no
 * server changed what peers tell each other; so it must never be sent to one.
 *
 * @example
 * location.hash ||= newKey()
 * const room = join({ server: location.origin, room: 'garden', key: location.hash.slice(1), channels: { chat: {} } })
 */
declare function newKey(): string;
/** The bytes of a room's key. Throws a TypeError or RangeError that says what is wrong with it, but never what it is. */
declare function parseKey(key: string | Uint8Array): Uint8Array<ArrayBuffer>;
export { SignalError };
export { join };
export { newKey };
export type { Code, Retry };
export type { Json };
export type { LinkKind };
export type { ChannelOptions, Clock, Environment, JoinOptions };
export type { Path, Peer, PeerState, Presence, TrustState };
export type { LeaveReason, LinkState, Room, RoomEvents, Self };
