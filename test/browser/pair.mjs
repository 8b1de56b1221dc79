// Two pages of any browsers that connect through relays only, the tests carrying what they say to each other.
import assert from 'node:assert/strict'
import { until } from './browser.mjs'

const size = 1 << 20 // bytes, each way: of text, and of binary data

/**
 * Lets two pages meet through their relays, and nowhere else: each with the one TURN URL that it is given. They send each
 * other text and binary data at once; each byte is checked, and that it came that way. `server` is the relays' process.
 */
export async function meet(server, ...sides) {
  const paths = await connect(...sides)
  assert.deepEqual(paths, sides.map(({ turn }) => ({ local: 'relay', by: transportOf(turn), remote: 'relay' })))
  const seeds = [3, 5]
  const exchanged = sides.map(({ page }, i) => page.evaluate((given) => lab.exchange(...given), [seeds[i], seeds[1 - i], size]))
  assert.deepEqual(await Promise.all(exchanged), [null, null])
  await Promise.all(sides.map(({ page }) => page.evaluate(() => lab.connection.close())))
  await Promise.all(sides.map(({ turn }) => wentThrough(server, turn)))
}

/** Connects two pages, each by its own relay, and returns what each knows of the path that was chosen. */
async function connect(left, right) {
  await Promise.all([left, right].map(({ page }) => page.evaluate(prepare)))
  await Promise.all([left, right].map(({ page, turn }) => page.evaluate((turn) => lab.open([turn]), turn)))
  const offer = await left.page.evaluate(() => lab.describe())
  const answer = await right.page.evaluate((offer) => lab.describe(offer), offer)
  await left.page.evaluate((answer) => lab.connection.setRemoteDescription(answer), answer)
  await Promise.all([left, right].map(({ page }) => page.evaluate(() => lab.connected())))
  return Promise.all([left, right].map(({ page }) => page.evaluate(() => lab.path())))
}

/** Fails unless the server, too, says that this user came that way, got a relay of IPv4, and had all relayed. */
async function wentThrough(server, turn) {
  const user = turn.username.replace(/^\d+:/, '')
  const said = (message) => {
    const lines = server.output.split('\n').filter((line) => line.startsWith('{') && line.endsWith('}'))
    return lines.map((line) => JSON.parse(line)).filter((line) => line.msg === message && line.user === user)
  }
  const made = said('allocation made')
  assert.ok(made.length > 0)
  for (const { transport, client, relayed } of made) {
    assert.equal(transport.toLowerCase(), transportOf(turn))
    assert.equal(client.startsWith('['), turn.urls.includes('['), `by ${turn.urls}, it came from ${client}`)
    assert.match(relayed, /^127\.0\.0\.1:\d+$/)
  }
  await until(async () => assert.equal(said('allocation ended').length, made.length), 15_000)
  const sum = (what) => said('allocation ended').reduce((bytes, ended) => bytes + ended[what], 0)
  for (const way of ['bytes_to_peers', 'bytes_from_peers']) assert.ok(sum(way) > 2 * size, `${way}: ${sum(way)}`)
}

/** The transport that a TURN URL means, in the words of candidates' statistics. */
function transportOf({ urls }) {
  return urls.startsWith('turns:') ? 'tls' : urls.endsWith('=tcp') ? 'tcp' : 'udp'
}

/** What a page gathers with this relay: candidates, and the errors on the way. */
export async function gather(page, turn) {
  await page.evaluate(prepare)
  return page.evaluate(async (turn) => {
    lab.open([turn])
    const { sdp } = await lab.describe()
    lab.connection.close()
    return { candidates: sdp.match(/^a=candidate:.*$/gm) ?? [], errors: lab.errors }
  }, turn)
}

/** Runs in the page: puts what the tests need there, as `lab`. */
function prepare() {
  const within = 40_000 // ms
  const piece = 1 << 14 // bytes of a message
  const ahead = 4 // messages on their way: more than fit into a socket's buffer are lost on a busy machine, and come late

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
      this.receipts = this.connection.createDataChannel('receipts', { negotiated: true, id: 2 })
      this.underWay = 0
      this.receipts.addEventListener('message', () => this.underWay--)
      this.got = { text: '', bytes: [], size: 0 }
      this.channel.addEventListener('message', ({ data }) => {
        if (typeof data === 'string') this.got.text += data
        else this.got.bytes.push(data), (this.got.size += data.byteLength)
        this.receipts.send('')
      })
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
      const open = [this.channel, this.receipts].map((channel) => when(channel, 'open', () => channel.readyState === 'open'))
      return deadline('the channels', Promise.all(open))
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
      const { channel, receipts, got } = this
      const mine = pattern(own, size)
      const messages = []
      for (let at = 0; at < size; at += piece) messages.push(mine.slice(at, at + piece), words(mine.slice(at / 2, (at + piece) / 2)))
      const send = () => {
        while (messages.length > 0 && ahead > this.underWay) this.underWay++, channel.send(messages.shift())
      }
      receipts.addEventListener('message', send)
      send()
      await deadline('all messages', when(channel, 'message', () => got.text.length >= size / 2 && got.size >= size))
      const theirs = pattern(other, size)
      if (got.text !== words(theirs.slice(0, size / 2))) return 'the text is another'
      const bytes = new Uint8Array(await new Blob(got.bytes).arrayBuffer())
      if (bytes.length !== size || bytes.some((byte, i) => byte !== theirs[i])) return 'the bytes are others'
      return null
    },
  }
  globalThis.lab = lab
}
