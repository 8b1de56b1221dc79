import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SignalError, type LinkState } from '../client/index.ts'
import { describe, keptInWords, linkInWords, troubleAfter, type Situation } from './status.ts'

const open: LinkState = { name: 'open', via: 'websocket' }
const lost = new SignalError('network', 'no answer', 'resume')
const waiting: LinkState = { name: 'waiting', attempt: 3, retryAt: 9_000, error: lost }
const answered = (code: string): LinkState => ({ name: 'waiting', attempt: 3, retryAt: 9_000, error: new SignalError(code, code) })
const direct = { state: 'connected', path: 'direct', refused: false, admissible: false } as const
const served = { state: 'connected', path: 'server', refused: false, admissible: false } as const
const beyond = { state: 'connected', path: 'mesh', refused: false, admissible: false } as const
const relayed = { state: 'connected', path: 'relay', refused: false, admissible: false } as const
const connecting = { state: 'connecting', path: null, refused: false, admissible: false } as const
const refused = { state: 'connecting', path: null, refused: true, admissible: false } as const
const unsigned = { state: 'connecting', path: null, refused: true, admissible: true } as const
const unmeasured = { state: 'connected', path: null, refused: false, admissible: false } as const

for (const [situation, text, tone] of [
  [{ link: { name: 'connecting', attempt: 1 } }, 'Connecting to the signaling server…', 'busy'],
  [{ link: { name: 'connecting', attempt: 4 } }, 'Reconnecting to the signaling server…', 'busy'],
  [{ link: waiting }, 'The signaling server cannot be reached', 'warn'],
  [{ link: { name: 'connecting', attempt: 4 }, trouble: lost }, 'The signaling server cannot be reached', 'warn'],
  [{ link: answered('room_full') }, 'This text has as many people as it may have. You get in when somebody leaves', 'warn'],
  [{ link: answered('unavailable') }, 'The signaling server answers, but cannot let anybody in just now', 'warn'],
  [{ link: answered('internal') }, 'The signaling server has a fault, and cannot let you in just now', 'warn'],
  [{ link: answered('draining') }, 'The signaling server is restarting', 'warn'],
  [{ link: answered('not_found') }, 'There is no signaling server at this address', 'warn'],
  [{ link: answered('origin_denied') }, 'The signaling server does not serve pages from this address', 'warn'],
  [{ link: answered('unauthorized') }, 'The signaling server does not let you in: it asks for a valid token', 'warn'],
  [{ link: answered('bad_field') }, 'Not connected: bad_field', 'warn'],
  [{ link: answered('silent') }, 'Reconnecting to the signaling server…', 'busy'],
  [{ link: { name: 'closed', error: new SignalError('origin_denied', 'no') } }, 'The signaling server does not serve pages from this address', 'bad'],
  [{ link: { name: 'closed', error: new SignalError('not_found', 'no') } }, 'There is no signaling server at this address', 'bad'],
  [{ link: open, relayMissing: true }, 'Only relayed connections are allowed, and this server has no relay', 'bad'],
  [{ link: open, relayMissing: true, people: [connecting] }, 'Only relayed connections are allowed, and this server has no relay', 'bad'],
  [{ link: waiting, online: false }, 'Offline. Changes are kept here: the others get them when you are back', 'bad'],
  [{ link: waiting, online: false, kept: 'unsaved' }, 'Offline. Keep this page open: the others get your changes when you are back', 'bad'],
  [{ link: open }, 'Connected to the signaling server. Nobody else is here yet', 'good'],
  [{ link: open, people: [connecting] }, 'Connecting to 1 peer…', 'busy'],
  [{ link: open, people: [direct] }, 'Editing directly with 1 peer', 'good'],
  [{ link: open, people: [direct, direct] }, 'Editing directly with 2 peers', 'good'],
  [{ link: open, people: [unmeasured] }, 'Editing with 1 peer', 'good'],
  [{ link: open, people: [served] }, 'Editing with 1 peer through the server', 'good'],
  [{ link: open, people: [direct, beyond, beyond] }, 'Editing with 3 peers, 2 of them through others', 'good'],
  [{ link: open, people: [direct, relayed, served] }, 'Editing with 3 peers, 1 of them through the relay, 1 of them through the server', 'good'],
  [{ link: open, people: [relayed, relayed] }, 'Editing with 2 peers through the relay', 'good'],
  [{ link: open, people: [direct, relayed, connecting] }, 'Editing with 2 peers, 1 of them through the relay, connecting to 1 more', 'good'],
  [{ link: waiting, people: [direct, direct] }, 'Signaling is reconnecting – edits still flow to 2 peers', 'warn'],
  [{ link: waiting, people: [direct], online: false }, 'Signaling is reconnecting – edits still flow to 1 peer', 'warn'],
  [{ link: { name: 'connecting', attempt: 2 }, people: [direct] }, 'Signaling is reconnecting – edits still flow to 1 peer', 'warn'],
  [{ link: { name: 'closed', error: new SignalError('room_full', 'the room is full', 'never') } }, 'Not connected: the room is full', 'bad'],
  [{ link: { name: 'closed' } }, 'You have left this text', 'bad'],
  [{ link: open, people: [refused] }, 'No key in common with 1 peer. Everybody needs the same link, at the same address', 'warn'],
  [{ link: open, people: [refused, connecting] }, 'Connecting to 1 peer…', 'busy'],
  [{ link: open, people: [direct, refused] }, 'Editing directly with 1 peer, no key in common with 1 more', 'good'],
  [{ link: open, people: [unsigned] }, '1 peer cannot be verified. Let them in by the list of people, if you know who it is', 'warn'],
  [{ link: open, people: [direct, unsigned] }, 'Editing directly with 1 peer, not with 1 more who cannot be verified', 'good'],
  [{ link: open, people: [refused], isBare: true }, 'Not let in by 1 peer: this page came over plain http, and cannot be verified', 'warn'],
  [{ link: open, people: [direct, refused], isBare: true }, 'Editing directly with 1 peer, not let in by 1 more', 'good'],
  [{ link: open, people: [direct], readOnly: true }, 'Connected directly with 1 peer', 'good'],
  [{ link: open, people: [direct, served], readOnly: true }, 'Connected with 2 peers, 1 of them through the server', 'good'],
  [{ link: waiting, people: [direct], readOnly: true }, 'Signaling is reconnecting – edits still flow from 1 peer', 'warn'],
  [{ link: waiting, online: false, readOnly: true }, 'Offline. What the others change comes when you are back', 'bad'],
] as [Partial<Situation> & Pick<Situation, 'link'>, string, string][]) {
  test(`it says: ${text}`, () => {
    const trouble = troubleAfter(null, situation.link)
    const status = describe({ trouble, people: [], isBare: false, readOnly: false, online: true, relayMissing: false, kept: 'saved', ...situation })
    assert.equal(status.text, text)
    assert.equal(status.tone, tone)
    assert.equal(status.retryAt, situation.link.name === 'waiting' ? 9_000 : null)
  })
}

test('what went wrong is said until it works again, not anew with each try', () => {
  const full = answered('room_full')
  const tries: LinkState[] = [{ name: 'connecting', attempt: 1 }, full, { name: 'connecting', attempt: 2 }, full, { name: 'connecting', attempt: 3 }]
  const texts: string[] = []
  let trouble: SignalError | null = null
  for (const link of [...tries, open]) {
    trouble = troubleAfter(trouble, link)
    const { text } = describe({ link, trouble, people: [], isBare: false, readOnly: false, online: true, relayMissing: false, kept: 'saved' })
    if (texts.at(-1) !== text) texts.push(text)
  }
  assert.deepEqual(texts, [
    'Connecting to the signaling server…',
    'This text has as many people as it may have. You get in when somebody leaves',
    'Connected to the signaling server. Nobody else is here yet',
  ])
})

for (const [kept, inSync, words] of [
  [{ state: 'opening' }, [], ''],
  [{ state: 'saved' }, [], 'Saved here'],
  [{ state: 'saving' }, [false], 'Saving…'],
  [{ state: 'unsaved', why: 'full' }, [true, true, false], 'In sync with 2 · not saved here'],
  [{ state: 'saved' }, [true], 'In sync with 1 · saved here'],
] as const) {
  test(`with ${inSync.length} others and the text ${kept.state} it says: ${words}`, () => {
    assert.equal(keptInWords(kept, inSync.map((each) => ({ inSync: each }))), words)
  })
}

test('the way of signaling is named, also when it is a new one', () => {
  assert.equal(linkInWords(open), 'Signaling by a WebSocket')
  assert.equal(linkInWords({ name: 'open', via: 'carrier pigeon' } as unknown as LinkState), 'Signaling by carrier pigeon')
  assert.equal(linkInWords(waiting), '')
})
