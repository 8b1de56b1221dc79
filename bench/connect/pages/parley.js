import { join } from '../../../web/client/index.ts'
import { fault, hear, ready, room } from './heard.js'

const hello = new TextEncoder().encode('hello')
const it = join({ server: location.origin, room, channels: { chat: {} }, storage: null })
it.on('open', (peer, channel) => peer.send(channel, hello))
it.on('message', (peer) => hear(peer.id))
it.on('error', fault)
it.on('link', ({ name }) => name === 'open' && ready())
