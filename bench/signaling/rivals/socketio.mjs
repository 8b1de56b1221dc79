// A signaling server on Socket.IO, after its documentation's "private messaging" and "rooms".
import { createServer } from 'node:http'
import { Server } from 'socket.io'

const http = createServer()
const io = new Server(http, { serveClient: false })

io.on('connection', (socket) => {
  socket.on('join', (room, done) => {
    socket.join(room)
    if (done) done()
  })
  socket.on('signal', (to, data) => socket.to(to).emit('signal', socket.id, data))
  socket.on('broadcast', (room, data) => socket.to(room).emit('signal', socket.id, data))
})

http.listen(Number(process.env.PORT), '127.0.0.1')
