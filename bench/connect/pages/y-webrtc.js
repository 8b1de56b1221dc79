// Its messages are those of the shared document: each page writes its number there.
import { WebrtcProvider } from 'y-webrtc'
import * as Y from 'yjs'
import { hear, number, ready, room, rtc } from './heard.js'

const doc = new Y.Doc()
const numbers = doc.getMap('numbers')
numbers.set(String(number), true)
numbers.observe((event) => {
  for (const key of event.keysChanged) if (key !== String(number)) hear(key)
})
const provider = new WebrtcProvider(room, doc, {
  signaling: [`ws://${location.host}/`],
  peerOpts: { config: rtc },
  maxConns: 100,
  filterBcConns: false,
})
for (const connection of provider.signalingConns) {
  if (connection.connected) ready()
  else connection.on('connect', ready)
}
