// What every page keeps: whether it is in the room, and when it first heard from each of the others.

/** Milliseconds since 1970, finer than Date.now(). */
const now = () => performance.timeOrigin + performance.now()

const query = new URLSearchParams(location.search)

export const room = query.get('room')
/** The number of this page, counted from 0. */
export const number = Number(query.get('number'))

/** Of a contender whose server wants one. */
export const token = query.get('token')

/** No STUN and no TURN, for any of them. */
export const rtc = { iceServers: [] }

const heard = new Map()
globalThis.bench = { began: performance.timeOrigin, ready: false, heard, errors: [] }

/** This page is in the room, and others can find it. */
export const ready = () => (globalThis.bench.ready = true)

/** A message came from somebody. */
export const hear = (from) => heard.has(from) || heard.set(from, now())

export const fault = (error) => globalThis.bench.errors.push(String(error?.message ?? error))
