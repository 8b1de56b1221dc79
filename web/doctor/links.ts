// Each kind of link alone, and what breaks it told apart.
import { duration, fail, pass, warn, type Result } from './row.ts'
import { Inbox, refusalOf, Refused, request, sleep, Unanswered, type Frame, type Session } from './session.ts'

const socketCure =
  'have the proxy in front pass the headers Upgrade and Connection on (HTTP/1.1), and firewalls let them; until then pages go by server-sent events or polls'
const eventsCure =
  'have the proxy in front not buffer answers (nginx: proxy_buffering off, or let X-Accel-Buffering pass; some virus scanners do it, too); until then pages go by WebSocket or polls'
const pollsCure =
  'have the proxy in front wait at least 35 s for an answer (nginx: proxy_read_timeout, haproxy: timeout server); until then pages poll at short intervals if nothing better works'
const cacheCure = 'something on the way answers in the server’s place: a cache? Answers have Cache-Control: no-store'

const eventCount = 3
const eventEvery = 300 // ms; longer than most round trips, so that events that come together were held back
const bigFrame = 32 << 10 // bytes: more than any description of a session has

/** What an error of a request means in words. */
export function whyNot(error: unknown): string {
  return error instanceof Refused || error instanceof Unanswered ? error.message : String(error)
}

/** An open WebSocket, and what came on it. */
export interface Socket {
  readonly socket: WebSocket
  readonly inbox: Inbox
  /** What it was closed with, once it is. */
  closed(): { code: number; reason: string } | null
}

/** Opens a WebSocket link; null is one that did not open in time, and false one that was refused. */
export function openSocket(session: Session, after: number): Promise<Socket | null | false> {
  const url = new URL(session.url(`/ws?after=${after}`))
  url.protocol = url.protocol.replace('http', 'ws')
  const socket = new WebSocket(url.href, ['parley.v1', `parley.secret.${session.reply.secret}`])
  const inbox = new Inbox()
  let closed: { code: number; reason: string } | null = null
  socket.addEventListener('message', ({ data }) => {
    if (typeof data === 'string') inbox.put(data)
  })
  socket.addEventListener('close', ({ code, reason }) => {
    closed = { code, reason }
    inbox.end()
  })
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      socket.close()
      resolve(null)
    }, session.options.timeout)
    const settle = (opened: Socket | false): void => {
      clearTimeout(timer)
      resolve(opened)
    }
    socket.addEventListener('open', () => settle({ socket, inbox, closed: () => closed }))
    socket.addEventListener('close', () => settle(false))
  })
}

export async function checkSocket(session: Session): Promise<Result> {
  const { timeout } = session.options
  const began = performance.now()
  const open = await openSocket(session, 0)
  if (open === null) return fail(`hanging: the request to open it is not answered within ${duration(timeout)}, though the server answers others`, socketCure)
  if (open === false) return whyNoSocket(session)
  const opened = performance.now() - began
  const { socket, inbox } = open
  const silent = (words: string): Result => {
    const closed = open.closed()
    if (closed === null) return fail(`it opens, and then ${words}`, socketCure)
    return fail(`it opens, and then is cut (${closed.code}${closed.reason === '' ? '' : `, ${closed.reason}`})`, socketCure)
  }
  try {
    const hello = await inbox.await(timeout, ({ kind }) => kind === 'hello')
    if (hello === null) return silent('nothing comes: not even the server’s first frame')
    const asked = performance.now()
    socket.send('{"kind":"ping"}')
    const pong = await inbox.await(timeout, ({ kind }) => kind === 'pong')
    if (pong === null) return silent('goes silent: a ping is not answered')
    socket.send(JSON.stringify(session.frame(100)))
    const back = await inbox.await(timeout, ({ kind, of }) => kind === 'refused' && of === session.sent)
    if (back === null) return silent('goes silent: a frame is not answered')
    return pass(`open after ${duration(opened)}, round trip ${duration(pong - asked)}`)
  } finally {
    await shut(open)
  }
}

/** Closes a WebSocket, and waits a little for the server to do so: what it says after that the browser takes for a fault. */
export async function shut({ socket, inbox }: Socket): Promise<void> {
  socket.close()
  await inbox.await(500, () => false)
}

/** A page cannot read with what a WebSocket was refused, but asks the same address by an ordinary request. */
async function whyNoSocket(session: Session): Promise<Result> {
  const error: unknown = await request(session.url('/ws?after=0'), session.options.timeout, { headers: session.headers() }).catch((error: unknown) => error)
  if (error instanceof Refused && error.code === null) {
    return fail(`refused by something on the way, which answers even an ordinary request there with status ${error.status}`, socketCure)
  }
  return fail('refused: it is closed before it opens, by something on the way that does not pass WebSockets on', socketCure)
}

/** A stream of events that is open, or may still open. */
export interface Stream {
  readonly inbox: Inbox
  close(): void
}

/** Opens a stream of events: at once, since the answer may be held back. `opened` rejects as `request` does. */
export function openEvents(session: Session, after: number): Stream & { readonly opened: Promise<void> } {
  const abort = new AbortController()
  const inbox = new Inbox()
  const headers = { ...session.headers(), Accept: 'text/event-stream' }
  const answer = fetch(session.url(`/events?after=${after}`), { headers, cache: 'no-store', signal: abort.signal })
  const read = async (response: Response): Promise<void> => {
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
    let text = ''
    for (let part = await reader?.read(); part !== undefined && !part.done; part = await reader?.read()) {
      const lines = (text + part.value).split('\n')
      text = lines.pop() ?? ''
      for (const line of lines) if (line.startsWith('data: ')) inbox.put(line.slice(6))
    }
  }
  const opened = answer.then(
    (response) => {
      if (!response.ok) throw new Refused(response.status, null, '')
      read(response).catch(() => {}).finally(() => inbox.end())
    },
    () => {
      throw new Unanswered(false, 'the connection breaks, or is refused')
    },
  )
  opened.catch(() => inbox.end())
  return { inbox, opened, close: () => abort.abort() }
}

export async function checkEvents(session: Session): Promise<Result> {
  const { timeout } = session.options
  const began = performance.now()
  const stream = openEvents(session, 0)
  try {
    const late = sleep(timeout).then(() => 'late' as const)
    const opening = await Promise.race([stream.opened.catch((error: unknown) => error), late])
    if (opening === 'late') return await heldBack(session, stream, 'the answer does not begin')
    if (opening instanceof Refused) return fail(`refused with ${opening.message}`, 'have what is in front of the server pass …/events on; until then pages go by WebSocket or polls')
    if (opening !== undefined) return fail(whyNot(opening), eventsCure)
    const hello = await stream.inbox.await(timeout, ({ kind }) => kind === 'hello')
    if (hello === null) return await heldBack(session, stream, 'the answer begins, and no event comes')

    let words = ''
    // A page that was busy for a moment sees events late and together, too, but not again and again.
    for (let tries = 1; ; tries++) {
      const took = await spacing(session, stream)
      if ('outcome' in took) return took
      words = took.map(duration).join(', ')
      if (!bunched(took)) break
      if (tries === 3) return fail(`buffered: events come late and together, ${words} after they were caused: something on the way holds them back`, eventsCure)
    }
    return pass(`first byte after ${duration(hello - began)}, events ${words} after they were caused`)
  } finally {
    stream.close()
  }
}

/** Has the server send some events at certain times; resolves with how long after that each came. */
async function spacing(session: Session, stream: Stream): Promise<number[] | Result> {
  const posted: { of: number; at: number }[] = []
  for (let i = 0; i < eventCount; i++) {
    if (i > 0) await sleep(eventEvery)
    const at = performance.now()
    try {
      await session.post(10)
    } catch (error) {
      return fail(`the POST that has an event sent fails: ${whyNot(error)}`, 'see the row of POST')
    }
    posted.push({ of: session.sent, at })
  }
  const took: number[] = []
  for (const { of, at } of posted) {
    const came = await stream.inbox.await(session.options.timeout, (frame) => frame.kind === 'refused' && frame.of === of)
    if (came === null) return heldBack(session, stream, `after ${took.length} of ${eventCount} events no more comes`)
    took.push(came - at)
  }
  return took
}

/** Tells a stream that is buffered from one that is dead: when the session ends so does the stream, and what was held back comes. */
async function heldBack(session: Session, stream: Stream, seen: string): Promise<Result> {
  await session.leave()
  const within = duration(session.options.timeout)
  if ((await stream.inbox.await(2000, () => true)) !== null) {
    return fail(`buffered: ${seen} within ${within}; all comes at once when the server ends the stream: something on the way collects the answer first`, eventsCure)
  }
  return fail(`buffered or blocked: ${seen} within ${within}, though the server answers other requests`, eventsCure)
}

/** Whether what was caused one after the other came together, and late. */
export function bunched(took: readonly number[]): boolean {
  const first = took[0] ?? 0
  return first > eventEvery && first - Math.min(...took) > eventEvery / 2
}

export async function checkLongPoll(session: Session): Promise<Result> {
  const { hold } = session.options
  let link: number
  let woken: { n: number; after: number } | null
  try {
    link = (await session.poll(0, 0, 0)).link
    woken = await wake(session, link)
  } catch (error) {
    return whyNoPoll(error)
  }
  if (woken === null) return fail('a poll that waits is answered without the frame that it waits for', cacheCure)
  const began = performance.now()
  let after = woken.n
  let polled = began
  try {
    // Others who come and go in the room wake polls, too: then another is held.
    while (performance.now() - began < 2 * hold) {
      polled = performance.now()
      const { frames } = await session.poll(link, after, hold)
      if (frames.length === 0) break
      after = Math.max(after, ...frames.map(({ n }) => n ?? 0))
    }
  } catch (error) {
    const held = duration(performance.now() - polled)
    const may = `a poll that may wait ${duration(hold)}`
    if (error instanceof Refused) return fail(`cut: ${may} is answered with status ${error.status} after ${held} by something on the way`, pollsCure)
    if (error instanceof Unanswered && error.late) return fail(`${may} is not answered within ${held}`, pollsCure)
    return fail(`cut: the connection of ${may} is closed after ${held}`, pollsCure)
  }
  const held = performance.now() - polled
  const wakes = `woken after ${duration(woken.after)}`
  if (held < hold - 500 && performance.now() - began < 2 * hold) {
    return warn(wakes, `a poll that may wait ${duration(hold)} is answered after ${duration(held)}, empty`, pollsCure)
  }
  return pass(`${wakes}, held for ${duration(held)}`)
}

/** Has a poll wait, and a frame wake it. */
async function wake(session: Session, link: number): Promise<{ n: number; after: number } | null> {
  let posted = 0
  let after = 0
  for (let tries = 0; tries < 16; tries++) {
    const poll = session.poll(link, after, session.options.timeout / 2).then(({ frames }) => ({ frames, at: performance.now() }))
    poll.catch(() => {}) // it is awaited below
    if (posted === 0) {
      await sleep(100) // so that the poll waits already; if not it is answered all the same
      posted = performance.now()
      await session.post(10)
    }
    const { frames, at } = await poll
    const n = refusalOf(frames, session.sent)
    if (n > 0) return { n, after: at - posted }
    if (frames.length === 0) return null
    after = frames.at(-1)?.n ?? after
  }
  return null
}

function whyNoPoll(error: unknown): Result {
  if (error instanceof Refused && error.code === null) {
    return fail(`refused with status ${error.status} by something on the way`, 'does the proxy in front pass /v1/ on, with the header Authorization?')
  }
  return fail(whyNot(error), error instanceof Refused ? 'see the protocol’s table of codes' : 'something on the way cuts requests to /v1/: have it pass them on')
}

export async function checkShortPoll(session: Session): Promise<Result> {
  try {
    const began = performance.now()
    const { link } = await session.poll(0, 0, 0)
    const trip = performance.now() - began
    let after = 0
    for (let of = 1; of <= 2; of++) {
      await session.post(10)
      const { frames }: { frames: readonly Frame[] } = await session.poll(link, after, 0)
      after = refusalOf(frames, of)
      if (after === 0) return fail('a poll is answered without the frame that waits', cacheCure)
    }
    return pass(`round trip ${duration(trip)}`)
  } catch (error) {
    return whyNoPoll(error)
  }
}

export async function checkPost(session: Session): Promise<Result> {
  const cure = 'have what is in front of the server pass POST to /v1/ on, with bodies up to 256 KiB (nginx: client_max_body_size)'
  let trip = 0
  for (const [i, size] of [100, bigFrame].entries()) {
    const began = performance.now()
    try {
      const received = await session.post(size)
      if (received !== i + 1) return fail(`the server says to have ${received} of ${i + 1} frames`, 'something on the way answers in the server’s place')
    } catch (error) {
      return fail(`a body of ${size} bytes: ${whyNot(error)}`, cure)
    }
    if (i === 0) trip = performance.now() - began
  }
  return pass(`round trip ${duration(trip)}, also ${bigFrame >> 10} KiB at once`)
}
