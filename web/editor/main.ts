// The editor page: wires the room, the shared text and what is on the screen.
import { Awareness } from 'y-protocols/awareness'
import * as Y from 'yjs'
import { join, type Clock, type Room, type SignalError } from '../client/index.ts'
import { ownLink, readAddress, shareLink, type Address } from './address.ts'
import { wireLineNumbers, wireTheme } from './appearance.ts'
import { Editor } from './editor.ts'
import { byId, setText } from './element.ts'
import { loadIdentity, saveIdentity, type Identity, type Shelf } from './identity.ts'
import { textName } from './messages.ts'
import { otherColour } from './palette.ts'
import { People } from './people.ts'
import { isThere, personOf, type Person } from './person.ts'
import { wireProfile } from './profile.ts'
import { channels, Provider } from './provider.ts'
import { wireShare } from './share.ts'
import { wireSheet } from './sheet.ts'
import { describe, StatusLine, troubleAfter } from './status.ts'

const clock: Clock = {
  now: () => performance.now(),
  after: (delay, call) => {
    const timer = setTimeout(call, delay)
    return () => clearTimeout(timer)
  },
}

const shelf = openShelf()
const address = readAddress(new URL(location.href), chance)
wireTheme(shelf)
if (address.kind === 'bad') showBadRoom(address.room, address.fault)
else start(address)

function start({ room: roomName, made, relayOnly, name }: Extract<Address, { kind: 'room' }>): void {
  if (made) history.replaceState(history.state, '', ownLink(new URL(location.href), roomName))
  document.title = `${roomName} – Parley`
  setText(byId('room', HTMLElement), roomName)
  wireShare(shareLink(new URL(location.href), roomName))
  wireSheet()

  let identity = loadIdentity(shelf, chance, name)
  const doc = new Y.Doc()
  const awareness = new Awareness(doc)
  awareness.setLocalStateField('user', identity)

  const room = join({
    server: new URL('.', location.href),
    room: roomName,
    ...rosterEntry(identity),
    ...(relayOnly ? { iceTransportPolicy: 'relay' } : {}),
    channels,
    environment: { clock },
  })
  const provider = new Provider({ room, doc, awareness, clock, random: chance, fault: (error) => console.error(error) })

  const editor = new Editor({
    parent: byId('editor', HTMLElement),
    text: doc.getText(textName),
    awareness,
    clock,
    lineNumbers: wireLineNumbers(shelf, (shown) => editor.showLineNumbers(shown)),
    placeholder: emptyText(),
    resized: ({ characters, lines }) => setText(byId('size', HTMLElement), sizeInWords(characters, lines)),
  })

  const become = (next: Identity): void => {
    identity = next
    room.change(rosterEntry(identity))
    awareness.setLocalStateField('user', identity)
  }
  const showProfile = wireProfile(identity, (next) => {
    become(next)
    saveIdentity(shelf, identity)
    show()
  })
  /** Nobody need look like somebody else, unless they want to. */
  const giveWay = (people: readonly Person[]): void => {
    if (room.self === null) return
    const colour = otherColour({ id: room.self.id, ...identity }, people)
    if (colour === null) return
    become({ ...identity, colour })
    showProfile(identity)
  }
  const show = showRoom(room, provider, () => identity, giveWay)

  /** The app behind the server may decide what one is called. */
  const beCalled = (): void => {
    const name = room.self?.name
    if (name === undefined || name === identity.name) return
    identity = { ...identity, name }
    awareness.setLocalStateField('user', identity)
    showProfile(identity)
    show()
  }
  room.on('link', beCalled)
  room.on('error', beCalled)

  addEventListener('pagehide', () => awareness.setLocalState(null))
  addEventListener('pageshow', () => {
    if (awareness.getLocalState() === null) awareness.setLocalState({ user: identity })
  })
  if (matchMedia('(min-width: 821px)').matches) editor.focus() // a phone would put its keyboard over the page
}

/** Keeps the list and the status line as the room is; returns what brings them up to date. `seen` is told who is there. */
function showRoom(room: Room, provider: Provider, self: () => Identity, seen: (people: readonly Person[]) => void): () => void {
  const people = new People()
  const status = new StatusLine(clock)
  let trouble: SignalError | null = null
  let relayMissing = false
  const show = (): void => {
    const present = [...room.peers.values()].filter(isThere).map((peer) =>
      personOf(peer, { identity: provider.identityOf(peer.id), synced: provider.synced(peer.id), dropped: provider.dropped(peer.id) }),
    )
    seen(present)
    people.show(self(), present, room.self !== null)
    const capable = typeof RTCPeerConnection !== 'undefined'
    const situation = { link: room.link, trouble, people: present, online: navigator.onLine, capable, relayMissing }
    status.show(describe(situation), room.link.name)
  }
  room.on('link', (link) => (trouble = troubleAfter(trouble, link)))
  room.on('error', ({ code }) => {
    if (code === 'no_relay') relayMissing = true
    show()
  })
  for (const event of ['link', 'joined', 'left', 'changed', 'open'] as const) room.on(event, show)
  provider.onChange(show)
  addEventListener('online', show)
  addEventListener('offline', show)
  show()
  return show
}

function rosterEntry({ name, colour, chosen }: Identity): { name: string; meta: { colour: string; chosen: boolean } } {
  return { name, meta: { colour, chosen } }
}

function emptyText(): HTMLElement {
  const template = byId('empty-text', HTMLTemplateElement)
  const hint = document.createElement('div')
  hint.append(template.content.cloneNode(true))
  return hint
}

function sizeInWords(characters: number, lines: number): string {
  const number = new Intl.NumberFormat('en')
  if (characters === 0) return 'Empty'
  return `${number.format(lines)} ${lines === 1 ? 'line' : 'lines'}, ${number.format(characters)} ${characters === 1 ? 'character' : 'characters'}`
}

function showBadRoom(room: string, fault: string): void {
  document.body.dataset['view'] = 'bad-room'
  setText(byId('bad-room-name', HTMLElement), room === '' ? '(nothing)' : room)
  setText(byId('bad-room-fault', HTMLElement), fault)
  byId('bad-room', HTMLElement).hidden = false
  byId('page', HTMLElement).hidden = true
  byId('panel', HTMLElement).hidden = true
}

/** A number from 0 to below 1 that nobody can foresee. */
function chance(): number {
  return crypto.getRandomValues(new Uint32Array(1))[0]! / 2 ** 32
}

/** The browser's storage, or null where it is forbidden. */
function openShelf(): Shelf | null {
  try {
    return localStorage
  } catch {
    return null
  }
}
