// Two peers in this page, and real data channels between them.
import { sleep } from './session.ts'

const tripEvery = 10 // ms
const bulkBytes = 1 << 20 // are sent to measure throughput,
const bulkTime = 1500 // ms: or as much as goes in this time
const bulkChunk = 16 << 10
const highWater = 256 << 10

/** How many small messages are sent to measure round trips and losses. */
export const tripCount = 50

export class Channel {
  readonly left: RTCPeerConnection
  readonly right: RTCPeerConnection
  /** What was told while gathering. */
  readonly errors: RTCPeerConnectionIceErrorEvent[] = []
  /** Whether there was a candidate on both sides. */
  gathered = { left: false, right: false }
  readonly #sure: RTCDataChannel // loses nothing
  readonly #quick: RTCDataChannel // sends nothing twice
  readonly #ends: RTCDataChannel[]
  #received = 0
  #answer: (data: ArrayBuffer) => void = () => {}

  constructor(config: RTCConfiguration) {
    this.left = new RTCPeerConnection(config)
    this.right = new RTCPeerConnection(config)
    const open = (pc: RTCPeerConnection): [RTCDataChannel, RTCDataChannel] => {
      const sure = pc.createDataChannel('sure', { negotiated: true, id: 0 })
      const quick = pc.createDataChannel('quick', { negotiated: true, id: 1, ordered: false, maxRetransmits: 0 })
      sure.binaryType = quick.binaryType = 'arraybuffer'
      return [sure, quick]
    }
    const [sure, quick] = open(this.left)
    const [farSure, farQuick] = open(this.right)
    this.#sure = sure
    this.#quick = quick
    this.#ends = [sure, quick, farSure, farQuick]
    sure.bufferedAmountLowThreshold = highWater / 4
    farSure.onmessage = ({ data }: MessageEvent<ArrayBuffer>) => (this.#received += data.byteLength)
    farQuick.onmessage = ({ data }: MessageEvent<ArrayBuffer>) => {
      if (farQuick.readyState === 'open') farQuick.send(data)
    }
    quick.onmessage = ({ data }: MessageEvent<ArrayBuffer>) => this.#answer(data)
    this.#trickle('left', this.left, this.right)
    this.#trickle('right', this.right, this.left)
  }

  #trickle(side: 'left' | 'right', from: RTCPeerConnection, to: RTCPeerConnection): void {
    from.onicecandidate = ({ candidate }) => {
      if (candidate === null || candidate.candidate === '') return
      this.gathered[side] = true
      const add = (): void => void to.addIceCandidate(candidate).catch(() => {})
      if (to.remoteDescription !== null) add()
      else to.addEventListener('signalingstatechange', add, { once: true })
    }
    from.onicecandidateerror = (error) => this.errors.push(error)
  }

  /** Connects; resolves with whether all ends opened in time, before `hopeless` says that they will not. */
  async connect(timeout: number, hopeless: () => boolean = () => false): Promise<boolean> {
    await this.#negotiate()
    const until = performance.now() + timeout
    while (this.#ends.some(({ readyState }) => readyState !== 'open')) {
      if (performance.now() > until || this.left.connectionState === 'failed' || hopeless()) return false
      await sleep(10)
    }
    return true
  }

  async #negotiate(): Promise<void> {
    await this.left.setLocalDescription()
    await this.right.setRemoteDescription(this.left.localDescription!)
    await this.right.setLocalDescription()
    await this.left.setRemoteDescription(this.right.localDescription!)
  }

  /** Restarts ICE; resolves with whether there is a new one. */
  async restart(): Promise<boolean> {
    const before = fragment(this.left)
    this.left.restartIce()
    await this.#negotiate()
    return fragment(this.left) !== before
  }

  /** Sends small messages there and back; resolves with how long each took that came back, the shortest first. */
  async trips(): Promise<number[]> {
    const took: number[] = []
    const begun = performance.now()
    this.#answer = (data) => void took.push(performance.now() - begun - new DataView(data).getFloat64(0))
    for (let sent = 0; sent < tripCount; sent++) {
      const message = new DataView(new ArrayBuffer(200))
      message.setFloat64(0, performance.now() - begun)
      try {
        this.#quick.send(message.buffer)
      } catch {
        break // it is closed: what is not sent does not come back
      }
      await sleep(tripEvery)
    }
    for (const until = performance.now() + 1000; took.length < tripCount && performance.now() < until; ) await sleep(tripEvery)
    this.#answer = () => {}
    return took.sort((a, b) => a - b)
  }

  /** Resolves with how many bits a second went from left to right. */
  async throughput(): Promise<number> {
    const chunk = new ArrayBuffer(bulkChunk)
    const before = this.#received
    const begun = performance.now()
    const late = (): boolean => performance.now() - begun > bulkTime
    for (let sent = 0; sent < bulkBytes && !late() && this.#sure.readyState === 'open'; ) {
      if (this.#sure.bufferedAmount > highWater) {
        await sleep(5)
        continue
      }
      this.#sure.send(chunk)
      sent += bulkChunk
    }
    while (this.#received - before < bulkBytes && !late()) await sleep(2)
    return ((this.#received - before) * 8000) / (performance.now() - begun)
  }

  close(): void {
    for (const pc of [this.left, this.right]) {
      pc.onicecandidate = pc.onicecandidateerror = null
      pc.close()
    }
  }
}

function fragment(pc: RTCPeerConnection): string | undefined {
  return /^a=ice-ufrag:(\S+)/m.exec(pc.localDescription?.sdp ?? '')?.[1]
}
