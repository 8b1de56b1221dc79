import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SignalError } from './errors.ts'
import { afterEndedLink, afterRefusedJoin } from './remedy.ts'

test('after a refused join', () => {
  const cases: [code: string, wanted: boolean, remedy: string][] = [
    ['network', true, 'again'],
    ['unavailable', true, 'again'],
    ['draining', false, 'again'],
    ['internal', false, 'again'],
    ['room_full', false, 'again'],
    ['too_many_sessions', false, 'again'],
    ['rate_limited', false, 'again'],
    ['busy', false, 'again'],
    ['attempt_reused', true, 'rejoin'],
    ['lost', true, 'rejoin'],
    ['expired', true, 'rejoin'],
    ['token', true, 'again'],
    ['left', true, 'rejoin'],
    ['peer_taken', true, 'start over'],
    ['peer_taken', false, 'rejoin'],
    ['resume_used', true, 'start over'],
    ['bad_room', true, 'stop'],
    ['not_json', true, 'stop'],
    ['not_found', true, 'stop'],
    ['unauthorized', true, 'stop'],
    ['origin_denied', true, 'stop'],
  ]
  for (const [code, wanted, remedy] of cases) assert.equal(afterRefusedJoin(new SignalError(code, ''), wanted), remedy, code)
})

test('after the end of a link', () => {
  const cases: [code: string, remedy: string][] = [
    ['network', 'again'],
    ['silent', 'again'],
    ['stalled', 'again'],
    ['drain', 'again'],
    ['no_session', 'rejoin'],
    ['slow', 'rejoin'],
    ['expired', 'rejoin'],
    ['unconfirmed', 'again'],
    ['history_lost', 'rejoin'],
    ['left', 'rejoin'],
    ['superseded', 'stop'],
    ['resumed', 'stop'],
    ['kicked', 'stop'],
    ['wrong_secret', 'stop'],
  ]
  for (const [code, remedy] of cases) assert.equal(afterEndedLink(new SignalError(code, '')), remedy, code)
})
