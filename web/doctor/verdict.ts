import type { Mapping } from './ice.ts'
import type { LinkKind } from './resume.ts'
import type { Row, Verdict } from './row.ts'

/** What the verdict is made of. */
export interface Findings {
  readonly rows: readonly Row[]
  readonly joined: boolean
  /** Whether a STUN server answers over UDP. */
  readonly stun: boolean
  readonly mapping: Mapping
  /** What the server names a relay over, and what works of it. */
  readonly offered: ReadonlySet<string>
  readonly relays: ReadonlySet<string>
}

const linkNames: readonly [id: LinkKind, name: string, plural: string][] = [
  ['websocket', 'WebSocket', 'WebSockets'],
  ['events', 'server-sent events', 'server-sent events'],
  ['longpoll', 'long polls', 'long polls'],
  ['shortpoll', 'short polls', 'short polls'],
]

const inShort: readonly [prefix: string, words: string][] = [
  ['refused', 'are refused'],
  ['hanging', 'hang'],
  ['it opens, and then', 'go silent'],
  ['buffered', 'are held back'],
  ['cut', 'are cut'],
]

export function works(row: Row | undefined): boolean {
  return row?.outcome === 'pass' || row?.outcome === 'warn'
}

/** Puts it all into one sentence. */
export function verdictOf(findings: Findings): Verdict {
  const { rows, joined } = findings
  const row = (id: string): Row | undefined => rows.find((row) => row.id === id)
  const none = (why: string): Verdict => ({ outcome: 'fail', path: 'none', text: `Nobody can connect from here, since ${why}.` })
  if (!works(row('server'))) return none(`the server cannot be reached: ${row('server')?.cause ?? 'no answer'}`)
  if (!joined) return none(`the server does not let this page in: ${row('join')?.cause ?? 'no answer'}`)
  const best = linkNames.findIndex(([id]) => works(row(id)))
  const link = linkNames[best]
  if (link === undefined || !works(row('post'))) return none('signaling gets through on no kind of link')
  const { outcome, path, text } = pathOf(findings, works(row('webrtc')))
  const broken = linkNames.slice(0, best).map(([id, , plural]) => {
    const cause = row(id)?.cause ?? ''
    return `${plural} ${inShort.find(([prefix]) => cause.startsWith(prefix))?.[1] ?? 'do not work'}`
  })
  if (broken.length === 0) return { outcome, path, text: `${text}.` }
  return { outcome: outcome === 'pass' ? 'warn' : outcome, path, text: `${text}; signaling goes by ${link[1]}, since ${broken.join(' and ')}.` }
}

/** How peers behind this network reach others, without the full stop. */
function pathOf({ stun, mapping, offered, relays }: Findings, webrtc: boolean): Verdict {
  const peers = 'Peers behind this network will'
  const relay = relays.size > 0
  if (!webrtc) return { outcome: 'warn', path: 'server', text: 'This page will reach others only through the server, since the browser has no WebRTC' }
  if (stun && mapping === 'dependent') {
    return relay
      ? { outcome: 'warn', path: 'direct', text: `${peers} connect directly with many others, and through the relay with those behind a strict NAT, since this network’s NAT is symmetric` }
      : { outcome: 'warn', path: 'server', text: `${peers} often connect only through the server, since its NAT is symmetric and no relay works` }
  }
  if (stun) {
    return relay
      ? { outcome: 'pass', path: 'direct', text: `${peers} connect directly, and through the relay where the other side cannot` }
      : { outcome: 'warn', path: 'direct', text: `${peers} connect directly with most others, and with the rest only through the server, since no relay works` }
  }
  const over = ['UDP', 'TCP', 'TLS', 'DTLS'].find((kind) => relays.has(kind))
  if (over !== undefined) {
    const why =
      over === 'UDP' || over === 'DTLS'
        ? 'no STUN server answers'
        : over === 'TLS' && offered.has('TCP')
          ? 'UDP and TURN over plain TCP are blocked'
          : 'UDP is blocked'
    return { outcome: 'warn', path: 'relay', text: `${peers} connect only through the relay over ${over}, since ${why}` }
  }
  const why = offered.size === 0 ? 'UDP is blocked and there is no relay' : 'UDP is blocked and no relay works'
  return { outcome: 'warn', path: 'server', text: `${peers} connect only through the server, since ${why}` }
}
