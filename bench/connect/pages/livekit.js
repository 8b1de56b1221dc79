// LiveKit's messages go through its server. Its token is in the page's address, so that none has to be asked for; and its
// hello says from whom it is, since it may come before its sender is known.
import { Room, RoomEvent } from 'livekit-client'
import { fault, hear, number, ready, rtc, token } from './heard.js'

const it = new Room()
const hello = new TextEncoder().encode(String(number))
const greet = ({ identity }) => it.localParticipant.publishData(hello, { reliable: true, destinationIdentities: [identity] }).catch(fault)
it.on(RoomEvent.DataReceived, (from) => hear(new TextDecoder().decode(from)))
it.on(RoomEvent.ParticipantConnected, greet)
it.on(RoomEvent.ParticipantActive, greet)
it.connect(`ws://${location.host}`, token, { rtcConfig: rtc }).then(() => {
  ready()
  for (const other of it.remoteParticipants.values()) greet(other)
}, fault)
