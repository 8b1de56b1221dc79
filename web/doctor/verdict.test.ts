import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Outcome, Row } from './row.ts'
import { verdictOf, type Findings } from './verdict.ts'

const open: Readonly<Record<string, Outcome>> = { server: 'pass', join: 'pass', webrtc: 'pass', websocket: 'pass', events: 'pass', longpoll: 'pass', shortpoll: 'pass', post: 'pass' }

function rowsOf(changed: Readonly<Record<string, string>> = {}): Row[] {
  return Object.entries(open).map(([id, outcome]) => {
    const cause = changed[id]
    return { id, group: '', title: id, ms: 1, outcome: cause === undefined ? outcome : 'fail', ...(cause !== undefined && { cause }) }
  })
}

const all = new Set(['UDP', 'TCP', 'TLS'])
const none = new Set<string>()
const everything: Findings = { rows: rowsOf(), joined: true, stun: true, mapping: 'none', offered: all, relays: all }

const cases: Record<string, [change: Partial<Findings>, outcome: Outcome, path: string, text: RegExp]> = {
  'all is open': [{}, 'pass', 'direct', /^Peers behind this network will connect directly, and through the relay where the other side cannot\.$/],
  'nobody answers': [{ rows: rowsOf({ server: 'no answer' }), joined: false }, 'fail', 'none', /since the server cannot be reached: no answer\.$/],
  'a token is missing': [{ rows: rowsOf({ join: 'the server asks for an app token' }), joined: false }, 'fail', 'none', /does not let this page in: the server asks for an app token\.$/],
  'no link works': [{ rows: rowsOf({ websocket: 'x', events: 'x', longpoll: 'x', shortpoll: 'x' }) }, 'fail', 'none', /signaling gets through on no kind of link\.$/],
  'nothing goes up': [{ rows: rowsOf({ post: 'x' }) }, 'fail', 'none', /no kind of link\.$/],
  'WebSockets are refused': [{ rows: rowsOf({ websocket: 'refused: it is closed' }) }, 'warn', 'direct', /; signaling goes by server-sent events, since WebSockets are refused\.$/],
  'WebSockets hang and events are buffered': [
    { rows: rowsOf({ websocket: 'hanging: …', events: 'buffered: …' }) },
    'warn',
    'direct',
    /; signaling goes by long polls, since WebSockets hang and server-sent events are held back\.$/,
  ],
  'only short GETs pass': [
    { rows: rowsOf({ websocket: 'it opens, and then goes silent', events: 'buffered or blocked', longpoll: 'cut: …' }) },
    'warn',
    'direct',
    /by short polls, since WebSockets go silent and server-sent events are held back and long polls are cut\.$/,
  ],
  'UDP is blocked': [{ stun: false, relays: new Set(['TCP', 'TLS']) }, 'warn', 'relay', /only through the relay over TCP, since UDP is blocked\.$/],
  'UDP and plain TCP are blocked': [{ stun: false, relays: new Set(['TLS']) }, 'warn', 'relay', /only through the relay over TLS, since UDP and TURN over plain TCP are blocked\.$/],
  'UDP is blocked and the relay speaks TLS alone': [{ stun: false, offered: new Set(['TLS']), relays: new Set(['TLS']) }, 'warn', 'relay', /over TLS, since UDP is blocked\.$/],
  'nothing but HTTP passes': [{ stun: false, relays: none }, 'warn', 'server', /only through the server, since UDP is blocked and no relay works\.$/],
  'the NAT is symmetric': [{ mapping: 'dependent' }, 'warn', 'direct', /since this network’s NAT is symmetric\.$/],
  'the NAT is symmetric and there is no relay': [{ mapping: 'dependent', relays: none, offered: none }, 'warn', 'server', /often connect only through the server/],
  'there is no relay': [{ relays: none, offered: none }, 'warn', 'direct', /only through the server, since no relay works\.$/],
  'the browser has no WebRTC': [{ rows: rowsOf({ webrtc: 'none' }), stun: false, relays: none }, 'warn', 'server', /only through the server, since the browser has no WebRTC\.$/],
}

for (const [name, [change, outcome, path, text]] of Object.entries(cases)) {
  test(`the verdict when ${name}`, () => {
    const verdict = verdictOf({ ...everything, ...change })
    assert.deepEqual([verdict.outcome, verdict.path], [outcome, path])
    assert.match(verdict.text, text)
    assert.equal(verdict.text.match(/\. /), null, 'it is one sentence')
  })
}
