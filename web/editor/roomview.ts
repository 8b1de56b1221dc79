// Shows the room: who is there, how things are, what is kept, and whom one follows.
import type { Clock, Room, SignalError } from '../client/index.ts'
import { announce } from './announce.ts'
import { byId, setText } from './element.ts'
import type { Identity } from './identity.ts'
import type { Kept } from './keeping.ts'
import { People } from './people.ts'
import { isThere, personOf, type Person } from './person.ts'
import type { Provider } from './provider.ts'
import { describe, keptInWords, StatusLine, troubleAfter } from './status.ts'

export interface RoomViewOptions {
  readonly room: Room
  readonly provider: Provider
  readonly clock: Clock
  readonly self: () => Identity
  /** Told who is there. */
  readonly seen: (people: readonly Person[]) => void
  /** Follows whoever speaks for a document client, or nobody. */
  readonly follow: (client: number | null) => void
  readonly caution: (words: string) => void
  /** Whether this page has a key that it cannot use. */
  readonly isBare: boolean
  readonly readOnly: boolean
}

export class RoomView {
  readonly #options: RoomViewOptions
  readonly #people = new People(
    (peer) => this.#toggleFollowing(peer),
    (peer) => this.#admit(peer),
  )
  readonly #admitted = new Set<string>() // also when their pages are reloaded
  readonly #status: StatusLine
  #trouble: SignalError | null = null
  #relayMissing = false
  #kept: Kept = { state: 'opening' }
  #followed: { readonly peer: string; readonly name: string } | null = null
  #followedFrom: Element | null = null // had the focus when following began

  constructor(options: RoomViewOptions) {
    this.#options = options
    this.#status = new StatusLine(options.clock)
    const { room, provider } = options
    const show = (): void => this.show()
    room.on('link', (link) => (this.#trouble = troubleAfter(this.#trouble, link)))
    room.on('error', ({ code }) => {
      if (code === 'no_relay') this.#relayMissing = true
      show()
    })
    for (const event of ['link', 'joined', 'left', 'changed', 'open'] as const) room.on(event, show)
    provider.onChange(show)
    addEventListener('online', show)
    addEventListener('offline', show)
    byId('unfollow', HTMLButtonElement).addEventListener('click', () => this.unfollow())
    document.addEventListener('keydown', ({ key, defaultPrevented }) => key === 'Escape' && !defaultPrevented && this.unfollow())
    show()
  }

  /** Keeps the list and the status line as the room is. */
  show(): void {
    const { room, self, seen, isBare, readOnly } = this.#options
    for (const { id, trust } of room.peers.values()) if (trust === 'verified') this.#admitted.delete(id)
    for (const peer of room.peers.values()) if (peer.trust === 'unsigned' && this.#admitted.has(peer.id)) peer.admit()
    const present = [...room.peers.values()].filter(isThere).map((peer) => this.#personOf(peer.id))
    const people = present.filter((person) => person !== null)
    seen(people)
    if (this.#followed !== null && !people.some(({ id, client }) => id === this.#followed?.peer && client !== null)) {
      this.#endFollowing(`${this.#followed.name} is gone`)
    }
    this.#people.show(self(), people, room.self !== null, this.#followed?.peer ?? null)
    const { link } = room
    const situation = { link, trouble: this.#trouble, people, isBare, readOnly, online: navigator.onLine, relayMissing: this.#relayMissing, kept: this.#kept.state }
    this.#status.show(describe(situation), link)
    setText(byId('kept', HTMLElement), keptInWords(this.#kept, people))
    setText(byId('kept-note', HTMLElement), keptNote(this.#kept))
  }

  showKept(kept: Kept): void {
    this.#kept = kept
    this.show()
  }

  /** Stops following, since one moved about or wrote oneself, or said so. */
  unfollow(): void {
    if (this.#followed === null) return
    this.#endFollowing(`No longer following ${this.#followed.name}`)
    this.show()
  }

  #personOf(id: string): Person | null {
    const { room, provider, caution, isBare } = this.#options
    const peer = room.peers.get(id)
    if (peer === undefined) return null
    if (provider.doubts(id, 'unchecked') > 0) {
      caution('This link has no key, and the others sign what they write: your changes stay here. Ask for the whole link, with what follows the #.')
    }
    return personOf(peer, {
      identity: provider.identityOf(id),
      inSync: provider.inSync(id),
      client: provider.clientOf(id),
      isBare,
      dropped: provider.dropped(id),
      unsigned: provider.doubts(id, 'unsigned'),
    })
  }

  #admit(peer: string): void {
    this.#admitted.add(peer)
    this.show()
  }

  #toggleFollowing(peer: string): void {
    if (this.#followed?.peer === peer) {
      this.unfollow()
      return
    }
    const person = this.#personOf(peer)
    if (person === null || person.client === null) return
    this.#followed = { peer, name: person.name }
    this.#followedFrom = document.activeElement
    this.#options.follow(person.client)
    this.#showFollowing()
    announce(`Following ${person.name}. Write, scroll or press Escape to stop.`)
    this.show()
  }

  #endFollowing(words: string): void {
    this.#followed = null
    this.#options.follow(null)
    this.#showFollowing()
    announce(`${words}.`)
  }

  #showFollowing(): void {
    const banner = byId('following', HTMLElement)
    const hadFocus = banner.contains(document.activeElement)
    banner.hidden = this.#followed === null
    if (banner.hidden && hadFocus && this.#followedFrom instanceof HTMLElement) this.#followedFrom.focus()
    if (this.#followed !== null) setText(byId('following-whom', HTMLElement), `Following ${this.#followed.name}`)
  }
}

/** Where the text lives, in whole sentences. */
function keptNote(kept: Kept): string {
  switch (kept.state) {
    case 'opening':
      return 'Looking for what was written here before…'
    case 'saving':
    case 'saved':
      return 'All changes are saved in this browser as well, also without a network.'
    case 'unsaved':
      return `Not saved here: ${kept.why}. The text is gone when the last page with it is closed.`
  }
}
