// A relay of Nostr, as far as trystero uses one (NIP-01): events of the kinds that are not kept go to whoever asked for
// such, and to nobody later.
import { WebSocketServer } from 'ws'

const server = new WebSocketServer({ port: Number(process.env.PORT), host: '127.0.0.1' })
const sockets = new Map() // each with its filters by subscription

const fits = ({ kinds, '#x': topics }, { kind, tags }) =>
  (kinds === undefined || kinds.includes(kind)) && (topics === undefined || tags.some(([name, value]) => name === 'x' && topics.includes(value)))

server.on('connection', (socket) => {
  const filters = new Map()
  sockets.set(socket, filters)
  socket.on('close', () => sockets.delete(socket))
  socket.on('message', (text) => {
    const [verb, id, ...rest] = JSON.parse(text)
    if (verb === 'CLOSE') filters.delete(id)
    if (verb === 'REQ') {
      filters.set(id, rest)
      socket.send(JSON.stringify(['EOSE', id]))
    }
    if (verb !== 'EVENT') return
    socket.send(JSON.stringify(['OK', id.id, true, '']))
    for (const [other, wanted] of sockets) {
      for (const [subscription, any] of wanted) if (any.some((filter) => fits(filter, id))) other.send(JSON.stringify(['EVENT', subscription, id]))
    }
  })
})
