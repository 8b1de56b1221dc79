import assert from 'node:assert/strict'
import type { RosterEntry } from '../frames.ts'
import type { Json } from '../json.ts'
import type { LinkKind } from '../link.ts'
import type { JoinOptions } from '../options.ts'
import type { LinkState } from '../room.ts'
import type { JoinReply } from '../session.ts'
import { Signaling } from '../signaling.ts'
import type { Who } from '../who.ts'
import { Network } from './network.ts'
import { until } from './waiting.ts'

/** Whom a member is made as, and where. */
export interface MemberOptions {
  url: string
  room: string
  who?: Who
  storage?: Storage | null
  token?: NonNullable<JoinOptions['token']>
  links?: readonly LinkKind[]
}

/** Somebody in the room, and all that happened to them. */
export class Member {
  readonly network = new Network()
  readonly signaling: Signaling
  readonly replies: JoinReply[] = []
  readonly links: LinkState[] = []
  readonly received: { from: string; data: Json }[] = []
  readonly log: string[] = []
  readonly roster = new Map<string, RosterEntry>()

  constructor({ url, room, who = {}, storage = null, token, links }: MemberOptions) {
    this.signaling = new Signaling({ server: url, room, ...(token && { token }), ...(links && { links }) }, who, storage, this.network.environment)
    const { events } = this.signaling
    events.on('link', (state) => this.links.push(state))
    events.on('session', (reply) => this.replies.push(reply))
    events.on('refused', (frame) => this.log.push(`refused ${frame.code}`))
    events.on('roster', (entries) => {
      this.roster.clear()
      for (const entry of entries) this.roster.set(entry.peer, entry)
    })
    events.on('frame', (frame) => {
      switch (frame.kind) {
        case 'signal':
          this.received.push({ from: frame.from, data: frame.data })
          break
        case 'joined':
          this.roster.set(frame.peer, frame)
          break
        case 'changed':
          this.log.push(`changed ${frame.peer} ${JSON.stringify({ presence: frame.presence, name: frame.name, meta: frame.meta })}`)
          break
        case 'left':
          this.log.push(`left ${frame.peer} ${frame.reason}`)
          if (this.roster.get(frame.peer)?.epoch === frame.epoch) this.roster.delete(frame.peer)
      }
    })
  }

  /** Starts, and waits for the link. */
  async join(): Promise<this> {
    this.signaling.start()
    await until('the link', () => this.signaling.state.name === 'open')
    return this
  }

  /** Waits until this kind of link is in use. */
  async uses(via: LinkKind, within?: number): Promise<void> {
    await until(`a link: ${via}`, () => this.signaling.state.name === 'open' && this.signaling.state.via === via, within)
  }

  get id(): string {
    return this.replies.at(-1)!.peer
  }

  knows(other: Member): boolean {
    return this.roster.get(other.id)?.epoch === other.replies.at(-1)!.epoch
  }

  send(to: Member, data: Json): void {
    assert.ok(this.signaling.send({ kind: 'signal', to: to.id, epoch: this.roster.get(to.id)!.epoch, data }))
  }

  get data(): Json[] {
    return this.received.map(({ data }) => data)
  }
}

/** A storage that lives as long as the test. */
export function storage(): Storage {
  const items = new Map<string, string>()
  return {
    getItem: (key: string) => items.get(key) ?? null,
    setItem: (key: string, value: string) => void items.set(key, value),
    removeItem: (key: string) => void items.delete(key),
    get length() {
      return items.size
    },
  } as Storage
}
