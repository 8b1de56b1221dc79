import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bunched } from './links.ts'
import { checkIpv6, urlsOf } from './ice.ts'
import { checkExpiry, expiryOf } from './relay.ts'
import { markdownOf, redacted, type Report } from './report.ts'
import { checkClock } from './server.ts'

for (const [text, want] of [
  ['seen as 203.0.113.9:40732', 'seen as 203.0.x.x:40732'],
  ['turn:198.51.100.7:3478?transport=udp', 'turn:198.51.x.x:3478?transport=udp'],
  ['at [2001:db8:17::9]:443', 'at [2001:db8:x]:443'],
  ['from 2001:db8:1:2:3:4:5:6 on', 'from 2001:db8:x on'],
  ['fe80::1%eth0 and ::1', 'fe80::x and ::x'],
  ['at 12:30:59, relay.example:3478', 'at 12:30:59, relay.example:3478'],
  ['version 1.2.3 and 1.2', 'version 1.2.3 and 1.2'],
] as const) {
  test(`a report says “${want}” for “${text}”`, () => assert.equal(redacted(text), want))
}

test('a report has no secret that got into a text', () => {
  assert.equal(redacted('status 500 at /sessions/s3ssion of 17:user', ['s3ssion', '17:user', '']), 'status 500 at /sessions/… of …')
})

test('a report is a table that nothing breaks', () => {
  const report: Report = {
    tool: 'doctor page', version: 'Browser | 1', server: 'https://parley.example/', at: '2026-01-02T03:04:05Z', ms: 8100, note: 'A note.',
    verdict: { outcome: 'pass', path: 'direct', text: 'All is well.' },
    rows: [
      { id: 'a', group: 'One', title: 'A', outcome: 'pass', ms: 1.25, found: 'a|b' },
      { id: 'b', group: 'Two', title: 'B', outcome: 'fail', ms: 2, cause: 'it\nbroke', cure: 'mend it' },
    ],
  }
  const text = markdownOf(report)
  assert.match(text, /^\*\*All is well\.\*\*$/m)
  assert.match(text, /^\| ok \| A \| 1\.[23] \| a\\\|b \|$/m)
  assert.match(text, /^\| FAIL \| B \| 2\.0 \| \*cause:\* it broke<br>\*cure:\* mend it \|$/m)
  assert.match(text, /^### Two$/m)
})

for (const [name, took, want] of [
  ['each at once', [5, 4, 6], false],
  ['each late, as on a slow network', [700, 690, 710], false],
  ['all together, when the last is sent', [640, 340, 40], true],
  ['all together, and late', [2600, 2300, 2000], true],
] as const) {
  test(`events that come ${name} are ${want ? '' : 'not '}taken for held back`, () => assert.equal(bunched(took), want))
}

test('the URLs of the join are told apart', () => {
  const { stuns, turns } = urlsOf([
    { urls: 'stun:a.example' },
    { urls: ['turn:a.example?transport=udp', 'turn:a.example:80?transport=tcp', 'turns:a.example', 'turns:a.example?transport=udp'], username: '2000000000:u', credential: 'c' },
  ])
  assert.deepEqual(stuns.map(({ title }) => title), ['STUN over UDP, a.example:3478'])
  assert.deepEqual(turns.map(({ title }) => title), ['TURN over UDP, a.example:3478', 'TURN over TCP, a.example:80', 'TURN over TLS, a.example:5349', 'TURN over DTLS, a.example:5349'])
  assert.deepEqual(turns[1]?.server, { urls: 'turn:a.example:80?transport=tcp', username: '2000000000:u', credential: 'c' })
})

test('a time-limited user name says when it expires', () => {
  assert.equal(expiryOf('1795350000:alice'), 1795350000)
  for (const name of [undefined, 'alice', '17:alice', '1795350000x']) assert.equal(expiryOf(name), null)
})

const minted = (until: number) => urlsOf([{ urls: 'turn:a.example', username: `${until}:u`, credential: 'c' }]).turns
for (const [name, turns, ttl, outcome, text] of [
  ['are good as long as the server says', minted(1_800_000_600), 600, 'pass', /good for 10 minutes/],
  ['have expired', minted(1_799_999_000), 600, 'fail', /expired 17 minutes ago/],
  ['last by another clock', minted(1_800_040_000), 600, 'warn', /two clocks differ/],
  ['are short-lived', minted(1_800_000_060), 60, 'warn', /that is short/],
  ['do not expire', urlsOf([{ urls: 'turn:a.example', username: 'u', credential: 'c' }]).turns, 0, 'pass', /do not expire/],
  ['are not needed', [], 0, 'skipped', /no TURN server/],
] as const) {
  test(`credentials that ${name} are ${outcome}`, () => {
    const result = checkExpiry(turns, ttl, 1_800_000_000)
    assert.equal(result.outcome, outcome)
    assert.match(`${result.found} ${result.cause}`, text)
  })
}

for (const [skew, outcome, text] of [
  [0.4, 'pass', /the same/],
  [-12, 'pass', /12 seconds ahead of/],
  [90, 'warn', /90 seconds behind/],
  [-7200, 'fail', /2 hours ahead of/],
  [null, 'skipped', /no Date/],
] as const) {
  test(`a clock that is off by ${skew} s is ${outcome}`, () => {
    const result = checkClock(skew)
    assert.equal(result.outcome, outcome)
    assert.match(`${result.found} ${result.cause}`, text)
  })
}

test('IPv6 is seen in candidates, and loopback is not taken for it', () => {
  globalThis.location ??= { hostname: 'parley.example' } as Location
  const of = (address: string): RTCIceCandidate[] => [{ address } as RTCIceCandidate]
  assert.equal(checkIpv6(of('[2001:db8::7]')).outcome, 'pass')
  assert.equal(checkIpv6(of('2001:db8::7')).outcome, 'pass')
  for (const address of ['[::1]', 'fe80::1', '192.0.2.1', 'x.local']) assert.equal(checkIpv6(of(address)).outcome, 'skipped')
})
