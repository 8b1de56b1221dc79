// simple-peer with Socket.IO between: who comes calls all who are there.
import SimplePeer from 'simple-peer/simplepeer.min.js'
import { io } from 'socket.io-client'
import { fault, hear, ready, room, rtc } from './heard.js'

const socket = io()
const peers = new Map()

const meet = (id, initiator) => {
  const peer = new SimplePeer({ initiator, config: rtc })
  peers.set(id, peer)
  peer.on('signal', (data) => socket.emit('signal', id, data))
  peer.on('connect', () => peer.send('hello'))
  peer.on('data', () => hear(id))
  peer.on('error', fault)
  return peer
}

socket.on('signal', (from, data) => (peers.get(from) ?? meet(from, false)).signal(data))
socket.on('connect', () =>
  socket.emit('join', room, (others) => {
    ready()
    for (const id of others) meet(id, true)
  }),
)
