// trystero on its default way to meet, Nostr, with a relay beside the page.
import { getRelaySockets, joinRoom } from 'trystero'
import { fault, hear, ready, room, rtc } from './heard.js'

const config = { appId: 'bench', relayConfig: { urls: [`ws://${location.host}/`] }, rtcConfig: rtc }
const it = joinRoom(config, room, { onJoinError: ({ error }) => fault(error) })
const hello = it.makeAction('hello')
hello.onMessage = (_, { peerId }) => hear(peerId)
it.onPeerJoin = (peerId) => hello.send('hello', { target: peerId })
const waiting = setInterval(() => {
  if (!Object.values(getRelaySockets()).some(({ readyState }) => readyState === WebSocket.OPEN)) return
  clearInterval(waiting)
  ready()
}, 20)
