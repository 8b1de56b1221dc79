// Two pages of any browsers that connect through relays only, the tests carrying what they say to each other.
import assert from 'node:assert/strict'

export const size = 1 << 20 // bytes, each way: of text, and of binary data

/** Connects two pages, each by its own ICE servers, and returns what each knows of the path that was chosen. */
export async function connect(left, right) {
  await Promise.all([left, right].map(({ page }) => page.evaluate(prepare)))
  await Promise.all([left, right].map(({ page, iceServers }) => page.evaluate((servers) => lab.open(servers), iceServers)))
  const offer = await left.page.evaluate(() => lab.describe())
  const answer = await right.page.evaluate((offer) => lab.describe(offer), offer)
  await left.page.evaluate((answer) => lab.connection.setRemoteDescription(answer), answer)
  await Promise.all([left, right].map(({ page }) => page.evaluate(() => lab.connected())))
  return Promise.all([left, right].map(({ page }) => page.evaluate(() => lab.path())))
}

/** Sends text and binary data both ways at once, and checks each byte where it arrives. */
export async function exchange(...pages) {
  const seeds = [3, 5]
  const each = pages.map((page, i) => page.evaluate((given) => lab.exchange(...given), [seeds[i], seeds[1 - i], size]))
  assert.deepEqual(await Promise.all(each), [null, null])
}

/** Closes both connections, so that their allocations end. */
export function close(...pages) {
  return Promise.all(pages.map((page) => page.evaluate(() => lab.connection.close())))
}

/** What a page gathers with these servers: candidates, and the errors on the way. */
export async function gather(page, iceServers) {
  await page.evaluate(prepare)
  return page.evaluate(async (servers) => {
    lab.open(servers)
    const { sdp } = await lab.describe()
    lab.connection.close()
    return { candidates: sdp.match(/^a=candidate:.*$/gm) ?? [], errors: lab.errors }
  }, iceServers)
}

/** Runs in the page: puts what the tests need there, as `lab`. */
function prepare() {
  const within = 20_000 // ms
  const piece = 1 << 14 // bytes of a message

  const deadline = (what, promise) => {
    const late = new Promise((_, reject) => setTimeout(() => reject(new Error(`waited ${within} ms in vain: ${what}; errors: ${JSON.stringify(lab.errors)}`)), within))
    return Promise.race([promise, late])
  }

  const when = (target, event, condition) =>
    new Promise((resolve) => {
      const check = () => condition() && resolve()
      target.addEventListener(event, check)
      check()
    })

  /** Bytes that tell their place, so that a wrong order or a lost piece shows. */
  const pattern = (seed, size) => Uint8Array.from({ length: size }, (_, i) => (i * 31 + seed * 17 + (i >> 8)) & 255)
  /** Two bytes of text for each of these. */
  const words = (bytes) => Array.from(bytes, (byte) => String.fromCharCode(0x100 + byte)).join('')

  const lab = {
    errors: [],

    open(iceServers) {
      this.connection = new RTCPeerConnection({ iceServers, iceTransportPolicy: 'relay' })
      this.channel = this.connection.createDataChannel('test', { negotiated: true, id: 1 })
      this.channel.binaryType = 'arraybuffer'
      this.connection.addEventListener('icecandidateerror', ({ errorCode, url }) => this.errors.push({ errorCode, url }))
    },

    /** Answers the offer, or makes one, with all candidates in it. */
    async describe(offer) {
      const { connection } = this
      if (offer !== undefined) await connection.setRemoteDescription(offer)
      await connection.setLocalDescription()
      await deadline('candidates', when(connection, 'icegatheringstatechange', () => connection.iceGatheringState === 'complete'))
      return { type: connection.localDescription.type, sdp: connection.localDescription.sdp }
    },

    connected() {
      return deadline('the channel', when(this.channel, 'open', () => this.channel.readyState === 'open'))
    },

    /** The chosen pair of candidates. */
    async path() {
      const stats = await this.connection.getStats()
      const all = [...stats.values()]
      const chosen = all.find(({ type }) => type === 'transport')?.selectedCandidatePairId
      const pair = chosen === undefined ? all.find(({ type, selected }) => type === 'candidate-pair' && selected) : stats.get(chosen)
      const [local, remote] = [stats.get(pair.localCandidateId), stats.get(pair.remoteCandidateId)]
      return { local: local.candidateType, by: local.relayProtocol, remote: remote.candidateType }
    },

    /** Sends all of one's own and receives all of the other's; null, or what was wrong. */
    async exchange(own, other, size) {
      const got = { text: '', bytes: new Uint8Array(size), length: 0 }
      const all = new Promise((resolve) => {
        this.channel.onmessage = ({ data }) => {
          if (typeof data === 'string') got.text += data
          else got.bytes.set(new Uint8Array(data), got.length), (got.length += data.byteLength)
          if (got.text.length >= size / 2 && got.length >= size) resolve()
        }
      })
      const mine = pattern(own, size)
      for (let at = 0; at < size; at += piece) {
        this.channel.send(mine.slice(at, at + piece))
        this.channel.send(words(mine.slice(at / 2, (at + piece) / 2)))
      }
      await deadline('all messages', all)
      const theirs = pattern(other, size)
      if (got.text !== words(theirs.slice(0, size / 2))) return 'the text is another'
      if (got.length !== size || got.bytes.some((byte, i) => byte !== theirs[i])) return 'the bytes are others'
      return null
    },
  }
  globalThis.lab = lab
}
