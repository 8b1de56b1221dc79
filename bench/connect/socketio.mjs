// A signaling server on Socket.IO, after its documentation's rooms and private messages.
import { createServer } from 'node:http'
import { Server } from 'socket.io'

const http = createServer()
const io = new Server(http, { serveClient: false })

io.on('connection', (socket) => {
  socket.on('join', (room, done) => {
    const others = [...(io.sockets.adapter.rooms.get(room) ?? [])]
    socket.join(room)
    done(others)
  })
  socket.on('signal', (to, data) => socket.to(to).emit('signal', socket.id, data))
})

http.listen(Number(process.env.PORT), '127.0.0.1')
