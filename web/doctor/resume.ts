// A session that loses its link, with frames waiting, and goes on over another kind; then another session takes its peer id over.
import { openEvents, openSocket, shut, whyNot } from './links.ts'
import { duration, fail, pass, type Result } from './row.ts'
import { Session, type Frame, type Options } from './session.ts'

const half = 3 // frames come on the first link, and as many wait for the other

export type LinkKind = 'websocket' | 'events' | 'longpoll' | 'shortpoll'

export async function checkResume(options: Options, kinds: readonly LinkKind[]): Promise<Result> {
  const [from, to = from] = kinds
  if (from === undefined || to === undefined) return fail('no kind of link works that it could go on with', 'see the rows of the links')
  const seeLinks = 'see the rows of the links'
  let session: Session | null = null
  let next: Session | null = null
  let step = 'the join'
  try {
    session = await Session.join(options)
    const begun = performance.now()
    step = `on the first link (${from})`
    await send(session)
    await take(session, from, 0)
    step = 'the POST between the links'
    await send(session) // nobody listens
    step = `after the change to the other link (${to})`
    await take(session, to, half)
    const took = duration(performance.now() - begun)
    step = 'the join that resumes'
    next = await Session.join(options, session.reply.secret)
    if (!next.reply.resumed || next.reply.peer !== session.reply.peer) {
      return fail('the server does not know the session when it is to be resumed', 'several servers behind one address have to share their rooms, or lead a client to the same one')
    }
    return pass(`from ${from} to ${to} in ${took}: ${2 * half} of ${2 * half} frames, in order, none lost or twice; and resumed by a new session`)
  } catch (error) {
    const lost = error instanceof Lost
    return fail(`${step}: ${lost ? error.message : whyNot(error)}`, lost ? 'does something on the way repeat requests, or answer from a cache? Several servers behind one address have to share their rooms' : seeLinks)
  } finally {
    await session?.leave()
    await next?.leave()
  }
}

class Lost extends Error {}

async function send(session: Session): Promise<void> {
  for (let i = 0; i < half; i++) await session.post(10)
}

/** Opens a link of a kind, wants the numbered frames after `after` on it, each once and in order, and loses it. */
async function take(session: Session, kind: LinkKind, after: number): Promise<void> {
  const { timeout } = session.options
  let want = after + 1
  let missing = false
  const next = ({ kind, n }: Frame): boolean => {
    if (n !== undefined && kind !== 'received') {
      if (n === want) want++
      else if (n > want) missing = true
    }
    return missing || want > after + half
  }
  if (kind === 'websocket') {
    const open = await openSocket(session, after)
    if (!open) throw new Lost('the WebSocket does not open this time')
    await open.inbox.await(timeout, next)
    await shut(open)
  } else if (kind === 'events') {
    const stream = openEvents(session, after)
    await stream.inbox.await(timeout, next)
    stream.close()
  } else {
    const { frames } = await session.poll(0, after, kind === 'longpoll' ? timeout : 0)
    frames.forEach(next)
  }
  if (missing) throw new Lost('a frame is missing')
  if (want <= after + half) throw new Lost(`${after + half + 1 - want} of ${half} frames did not come`)
}
