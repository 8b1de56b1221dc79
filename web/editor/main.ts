// The editor page: wires the room, the shared text and what is on the screen.
import { Awareness } from 'y-protocols/awareness'
import * as Y from 'yjs'
import { join, type Clock, type JoinOptions } from '../client/index.ts'
import { encode, type Access } from './access.ts'
import { ownLink, readAddress, shareLink, type Address } from './address.ts'
import { wireActions } from './actions.ts'
import { wireLineNumbers, wireTheme } from './appearance.ts'
import { Notary } from './edit.ts'
import { Editor } from './editor.ts'
import { byId, setText } from './element.ts'
import { loadIdentity, saveIdentity, type Identity } from './identity.ts'
import { Keeping } from './keeping.ts'
import { textName } from './messages.ts'
import { otherColour } from './palette.ts'
import type { Person } from './person.ts'
import { wireProfile } from './profile.ts'
import { channels, Provider } from './provider.ts'
import { RoomView } from './roomview.ts'
import { showLinks, wireShare } from './share.ts'
import { wireSheet } from './sheet.ts'
import { openShelf } from './shelf.ts'
import { openSignature, type Signature } from './signature.ts'

const clock: Clock = {
  now: () => performance.now(),
  after: (delay, call) => {
    const timer = setTimeout(call, delay)
    return () => clearTimeout(timer)
  },
}

/** What is said below the links. Old links have no keys. */
const shareNotes: Readonly<Record<Access['kind'], string>> = {
  write: 'The keys are in the links, behind the #, which browsers do not send to the server. Whoever has only the link to read cannot change anything: every change is signed.',
  read: 'You have the link to read. Each change is checked to come from somebody with the link to write.',
  open: 'This link has no keys: whoever knows the room’s name can read and write. A text started anew has a link to read only, too.',
}

/** Whether this page came over plain http from another machine, where browsers give no means to use keys. */
const isBare = globalThis.crypto.subtle === undefined

const shelf = openShelf()
const address = readAddress(new URL(location.href), chance, (bytes) => crypto.getRandomValues(bytes))
wireTheme(shelf)
if (address.kind === 'room') start(address)
else showBadLink(address)
addEventListener('hashchange', () => location.reload()) // another key is another text

function start({ room: roomName, made, relayOnly, name, access }: Extract<Address, { kind: 'room' }>): void {
  const here = new URL(location.href)
  if (made) history.replaceState(history.state, '', ownLink(here, roomName, access))
  document.title = `${roomName} – Parley`
  setText(byId('room', HTMLElement), roomName)
  const readOnly = access.kind === 'read'
  byId('read-only', HTMLElement).hidden = !readOnly
  const link = shareLink(here, roomName, access)
  showLinks(readOnly ? { write: null, read: link } : { write: link, read: null })
  wireShare()
  wireSheet()

  const signature = access.kind === 'open' ? null : openSignature(access).then((opened) => opened as Signature)
  signature?.then(
    ({ publicKey }) => {
      const reading = shareLink(here, roomName, { kind: 'read', publicKey, roomKey: access.roomKey })
      showLinks(readOnly ? { write: null, read: link } : { write: link, read: reading })
    },
    () => caution('This browser cannot use the keys of this link: nothing can be read or written here.'),
  )
  setText(byId('share-note', HTMLElement), shareNotes[access.kind])

  let identity = loadIdentity(shelf, chance, name)
  const doc = new Y.Doc()
  const awareness = new Awareness(doc)
  awareness.setLocalStateField('user', identity)

  const options: JoinOptions & { readonly key?: string } = {
    server: new URL('.', location.href),
    room: roomName,
    ...rosterEntry(identity),
    ...(relayOnly ? { iceTransportPolicy: 'relay' } : {}),
    ...(access.roomKey === null ? {} : { key: access.roomKey }),
    channels,
    environment: { clock },
  }
  const room = join(options)
  const provider = new Provider({
    room,
    doc,
    awareness,
    clock,
    random: chance,
    notary: signature?.then((keys) => new Notary(keys, roomName)) ?? null,
    isStored: (origin) => keeping.isOrigin(origin),
    fault: (error) => console.error(error),
  })

  const showHistory = wireActions({ room: roomName, text: () => editor.text, undo: () => editor.undo(), redo: () => editor.redo(), readOnly })
  const editor: Editor = new Editor({
    parent: byId('editor', HTMLElement),
    text: doc.getText(textName),
    awareness,
    clock,
    readOnly,
    lineNumbers: wireLineNumbers(shelf, (shown) => editor.showLineNumbers(shown)),
    placeholder: emptyText(readOnly),
    resized: ({ characters, lines }) => setText(byId('size', HTMLElement), sizeInWords(characters, lines)),
    historyChanged: showHistory,
    unfollowed: () => view.unfollow(),
  })

  const become = (next: Identity): void => {
    identity = next
    room.change(rosterEntry(identity))
    awareness.setLocalStateField('user', identity)
  }
  const showProfile = wireProfile(identity, (next) => {
    become(next)
    saveIdentity(shelf, identity)
    view.show()
  })
  /** Nobody need look like somebody else, unless they want to. */
  const giveWay = (people: readonly Person[]): void => {
    if (room.self === null) return
    const colour = otherColour({ id: room.self.id, ...identity }, people)
    if (colour === null) return
    become({ ...identity, colour })
    showProfile(identity)
  }
  const view = new RoomView({ room, provider, clock, self: () => identity, seen: giveWay, follow: (client) => editor.follow(client), caution, isBare: access.roomKey !== null && isBare, readOnly })
  const keeping = new Keeping({ doc, database: databaseOf(roomName, signature), clock, shelf, changed: (kept) => view.showKept(kept) })

  /** The app behind the server may decide what one is called. */
  const beCalled = (): void => {
    const name = room.self?.name
    if (name === undefined || name === identity.name) return
    identity = { ...identity, name }
    awareness.setLocalStateField('user', identity)
    showProfile(identity)
    view.show()
  }
  room.on('link', beCalled)
  room.on('error', beCalled)
  room.on('error', ({ code }) => {
    if (code === 'key_differs') cautionOfKey(access)
  })

  addEventListener('pagehide', () => awareness.setLocalState(null))
  addEventListener('pageshow', () => {
    if (awareness.getLocalState() === null) awareness.setLocalState({ user: identity })
  })
  if (matchMedia('(min-width: 821px)').matches) editor.focus() // a phone would put its keyboard over the page
}

/** The name of the database that holds a text: another text when the keys are others, even if the room's name is the same. */
async function databaseOf(room: string, signature: Promise<Signature> | null): Promise<string> {
  const keys = signature === null ? 'open' : encode((await signature).publicKey)
  return `parley ${new URL('.', location.href).pathname} ${room} ${keys}`
}

function caution(words: string): void {
  const place = byId('caution', HTMLElement)
  place.hidden = false
  setText(place, words)
}

/** Says why this page is refused, where that is to be seen here; who has another key, the list of people says. */
function cautionOfKey({ roomKey }: Access): void {
  if (roomKey === null) caution('This link has no key, and others here have one. Ask for the whole link, with what follows the #.')
  else if (isBare) {
    caution('On a page over plain http this link’s key cannot be used, and others here use it. Open the link over https, or ask them to let you in.')
  }
}

function rosterEntry({ name, colour, chosen }: Identity): { name: string; meta: { colour: string; chosen: boolean } } {
  return { name, meta: { colour, chosen } }
}

function emptyText(readOnly: boolean): HTMLElement {
  const template = byId(readOnly ? 'empty-for-readers' : 'empty-text', HTMLTemplateElement)
  const hint = document.createElement('div')
  hint.append(template.content.cloneNode(true))
  return hint
}

function sizeInWords(characters: number, lines: number): string {
  const number = new Intl.NumberFormat('en')
  if (characters === 0) return 'Empty'
  return `${number.format(lines)} ${lines === 1 ? 'line' : 'lines'}, ${number.format(characters)} ${characters === 1 ? 'character' : 'characters'}`
}

function showBadLink({ kind, room, fault }: Exclude<Address, { kind: 'room' }>): void {
  document.body.dataset['view'] = 'bad-room'
  if (kind === 'bad-key') {
    setText(byId('bad-title', HTMLElement), 'This link’s key is damaged')
    setText(byId('bad-what', HTMLElement), 'The link to')
  }
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
