import type { Clock } from './options.ts'

/** Candidates found within so many milliseconds of the first one go in one message, where each message needs a request. */
const batchTime = 20
const promptTime = 2

/** The most candidates kept that came before their description. */
const earlyLimit = 256

/** What two negotiations tell each other. */
export type Step =
  | { readonly kind: 'description'; readonly description: RTCSessionDescriptionInit }
  | { readonly kind: 'candidates'; readonly candidates: readonly (RTCIceCandidateInit | null)[] }

/** What a negotiation needs and tells. */
export interface NegotiationEvents {
  /** Whether what is sent goes out at once, and needs no request of its own. */
  readonly isPrompt: () => boolean
  /** The first offer of the other side is applied: now is the time to create channels. */
  offered(): void
  send(step: Step): void
  /** A description could not be made or applied. */
  fault(cause: unknown): void
}

/**
 * Perfect negotiation, as the WebRTC specification describes it, of one RTCPeerConnection: either side may offer at any
 * time; when both do, the polite one gives way.
 */
export class Negotiation {
  readonly #pc: RTCPeerConnection
  readonly #polite: boolean
  readonly #events: NegotiationEvents
  #makingOffer = false
  #ignoringOffer = false
  #settingAnswer = false
  #restarting = false // a restart was asked for and is not negotiated yet
  #offered = false
  #early: (RTCIceCandidateInit | null)[] = []
  #batch: (RTCIceCandidateInit | null)[] = []
  #cancelBatch: (() => void) | null = null
  #queue = Promise.resolve()
  #closed = false

  constructor(pc: RTCPeerConnection, polite: boolean, clock: Clock, events: NegotiationEvents) {
    this.#pc = pc
    this.#polite = polite
    this.#events = events
    pc.onnegotiationneeded = () => void this.#offer()
    pc.onicecandidate = ({ candidate }) => {
      this.#batch.push(candidate?.toJSON() ?? null)
      this.#cancelBatch ??= clock.after(events.isPrompt() ? promptTime : batchTime, () => this.#flush())
    }
  }

  /** Takes what the other side sent; one message is dealt with before the next. */
  receive(step: Step): void {
    this.#queue = this.#queue.then(async () => {
      if (this.#closed) return
      try {
        if (step.kind === 'description') await this.#describe(step.description)
        else for (const candidate of step.candidates) await this.#candidate(candidate)
      } catch (cause) {
        if (!this.#closed) this.#events.fault(cause)
      }
    })
  }

  /** Gathers anew; or, while an offer is not answered, sends it again, since it or its answer may be lost. */
  restart(): void {
    if (this.#pc.signalingState === 'have-local-offer') return this.#send()
    this.#restarting = true
    this.#pc.restartIce()
  }

  close(): void {
    this.#closed = true
    this.#cancelBatch?.()
    this.#pc.onnegotiationneeded = this.#pc.onicecandidate = null
  }

  async #offer(): Promise<void> {
    this.#makingOffer = true
    try {
      await this.#pc.setLocalDescription()
      this.#send()
    } catch (cause) {
      if (!this.#closed) this.#events.fault(cause)
    } finally {
      this.#makingOffer = false
    }
  }

  async #describe(description: RTCSessionDescriptionInit): Promise<void> {
    const pc = this.#pc
    const ready = !this.#makingOffer && (pc.signalingState === 'stable' || this.#settingAnswer)
    this.#ignoringOffer = description.type === 'offer' && !ready && !this.#polite
    if (this.#ignoringOffer) return
    if (description.type === 'answer') {
      if (pc.signalingState !== 'have-local-offer') return // to an offer that was sent twice
      this.#settingAnswer = true
      await pc.setRemoteDescription(description).finally(() => (this.#settingAnswer = false))
      this.#restarting = false
    } else {
      const restarted = fragmentOf(pc.remoteDescription) !== fragmentOf(description)
      await pc.setRemoteDescription(description)
      if (!this.#offered) this.#events.offered()
      this.#offered = true
      await pc.setLocalDescription()
      this.#send()
      // A restart asked for here may be lost when the other side's offer takes the place of the one asked for.
      if (restarted) this.#restarting = false
      else if (this.#restarting) pc.restartIce()
    }
    for (const candidate of this.#early.splice(0)) await this.#candidate(candidate)
  }

  async #candidate(candidate: RTCIceCandidateInit | null): Promise<void> {
    if (this.#ignoringOffer) return
    if (this.#pc.remoteDescription === null) {
      if (this.#early.length < earlyLimit) this.#early.push(candidate)
      return
    }
    try {
      await this.#pc.addIceCandidate(candidate ?? undefined)
    } catch {
      // One of a round of gathering that is over, or a kind the browser does not know. If it mattered, ICE fails, and
      // recovery begins anew.
    }
  }

  #send(): void {
    const description = this.#pc.localDescription
    if (this.#closed || description === null) return
    this.#flush() // what is waiting belongs to the description before
    this.#events.send({ kind: 'description', description: { type: description.type, sdp: description.sdp } })
  }

  #flush(): void {
    this.#cancelBatch?.()
    this.#cancelBatch = null
    if (this.#batch.length === 0) return
    const candidates = this.#batch
    this.#batch = []
    this.#events.send({ kind: 'candidates', candidates })
  }
}

/** The user fragment of a description, which changes when ICE restarts. */
function fragmentOf(description: RTCSessionDescriptionInit | null): string | undefined {
  return /^a=ice-ufrag:(.*)$/m.exec(description?.sdp ?? '')?.[1]?.trim()
}
