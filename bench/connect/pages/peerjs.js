// PeerJS has no rooms: a page calls all whose number is lower, again while they are not there yet.
import { Peer } from 'peerjs'
import { fault, hear, number, ready, room, rtc } from './heard.js'

const id = (of) => `${room}-${of}`
const peer = new Peer(id(number), { host: location.hostname, port: Number(location.port), path: '/', config: rtc })

const use = (connection) => {
  connection.on('open', () => connection.send('hello'))
  connection.on('data', () => hear(connection.peer))
}
const call = (of) => use(peer.connect(of))

peer.on('connection', use)
peer.on('open', () => {
  ready()
  for (let other = 0; other < number; other++) call(id(other))
})
peer.on('error', (error) => {
  const missing = error.type === 'peer-unavailable' && /[^ ]+$/.exec(error.message)?.[0]
  if (missing) setTimeout(() => call(missing), 200)
  else fault(error)
})
