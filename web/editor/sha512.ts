// SHA-512 (FIPS 180-4), for pages that the browser gives none: those that came over plain http from another machine.
// Each 64-bit word is two numbers of 32 bits, which browsers add much faster than they add bigints.

const rounds = 80
const initial = words(8, 2)
const constants = words(rounds, 3)

/** The first 64 fractional bits of the square or cube roots of the first primes, as the standard has them. */
function words(count: number, degree: 2 | 3): Int32Array {
  const found = new Int32Array(count * 2)
  const isPrime = (candidate: number): boolean => {
    for (let divisor = 2; divisor * divisor <= candidate; divisor++) if (candidate % divisor === 0) return false
    return true
  }
  for (let candidate = 2, i = 0; i < count; candidate++) {
    if (!isPrime(candidate)) continue
    const power = BigInt(degree)
    const square = BigInt(candidate) << (64n * power)
    let low = 0n
    let high = 1n << 69n
    while (high - low > 1n) {
      const middle = (low + high) >> 1n
      if (middle ** power <= square) low = middle
      else high = middle
    }
    found[2 * i] = Number(BigInt.asIntN(32, low >> 32n))
    found[2 * i + 1] = Number(BigInt.asIntN(32, low))
    i++
  }
  return found
}

/** The digest of a message, 64 bytes. */
export function sha512(message: Uint8Array): Uint8Array<ArrayBuffer> {
  const state = initial.slice()
  const schedule = new Int32Array(rounds * 2)
  const whole = message.length >>> 7
  const block = new DataView(message.buffer, message.byteOffset, message.byteLength)
  for (let i = 0; i < whole; i++) absorb(state, schedule, block, i << 7)

  const rest = message.subarray(whole << 7)
  const tail = new Uint8Array(rest.length < 112 ? 128 : 256)
  tail.set(rest)
  tail[rest.length] = 0x80
  const end = new DataView(tail.buffer)
  end.setBigUint64(tail.length - 8, BigInt(message.length) << 3n)
  for (let at = 0; at < tail.length; at += 128) absorb(state, schedule, end, at)

  const digest = new DataView(new ArrayBuffer(64))
  state.forEach((word, i) => digest.setInt32(i * 4, word))
  return new Uint8Array(digest.buffer)
}

function absorb(state: Int32Array, w: Int32Array, block: DataView, start: number): void {
  for (let i = 0; i < 32; i++) w[i] = block.getInt32(start + i * 4)
  let high = 0
  let low = 0
  // Adds a word to the sum; what is carried stays exact, since the low halves are summed as unsigned numbers.
  const add = (h: number, l: number): void => {
    high += h
    low += l >>> 0
  }
  const settle = (): void => {
    high = (high + Math.floor(low / 2 ** 32)) | 0
    low |= 0
  }
  const at = (values: Int32Array, i: number): number => values[i] as number

  for (let i = 32; i < rounds * 2; i += 2) {
    const [ah, al, bh, bl] = [at(w, i - 30), at(w, i - 29), at(w, i - 4), at(w, i - 3)]
    high = low = 0
    add(turn(ah, al, 1) ^ turn(ah, al, 8) ^ (ah >>> 7), turn(al, ah, 1) ^ turn(al, ah, 8) ^ ((al >>> 7) | (ah << 25)))
    add(turn(bh, bl, 19) ^ turn(bl, bh, 29) ^ (bh >>> 6), turn(bl, bh, 19) ^ turn(bh, bl, 29) ^ ((bl >>> 6) | (bh << 26)))
    add(at(w, i - 14), at(w, i - 13))
    add(at(w, i - 32), at(w, i - 31))
    settle()
    w[i] = high
    w[i + 1] = low
  }

  const v = state.slice() // a to h, each as two halves
  for (let i = 0; i < rounds * 2; i += 2) {
    const [ah, al, bh, bl, ch, cl] = [at(v, 0), at(v, 1), at(v, 2), at(v, 3), at(v, 4), at(v, 5)]
    const [eh, el, fh, fl, gh, gl] = [at(v, 8), at(v, 9), at(v, 10), at(v, 11), at(v, 12), at(v, 13)]
    high = low = 0
    add(at(v, 14), at(v, 15))
    add(turn(eh, el, 14) ^ turn(eh, el, 18) ^ turn(el, eh, 9), turn(el, eh, 14) ^ turn(el, eh, 18) ^ turn(eh, el, 9))
    add((eh & fh) ^ (~eh & gh), (el & fl) ^ (~el & gl))
    add(at(constants, i), at(constants, i + 1))
    add(at(w, i), at(w, i + 1))
    settle()
    const [firstHigh, firstLow] = [high, low]
    high += at(v, 6)
    low = (firstLow >>> 0) + (at(v, 7) >>> 0)
    settle()
    const [nextHigh, nextLow] = [high, low]
    high = low = 0
    add(firstHigh, firstLow)
    add(turn(ah, al, 28) ^ turn(al, ah, 2) ^ turn(al, ah, 7), turn(al, ah, 28) ^ turn(ah, al, 2) ^ turn(ah, al, 7))
    add((ah & bh) ^ (ah & ch) ^ (bh & ch), (al & bl) ^ (al & cl) ^ (bl & cl))
    settle()
    v.copyWithin(2, 0, 14)
    v[0] = high
    v[1] = low
    v[8] = nextHigh
    v[9] = nextLow
  }
  for (let i = 0; i < 16; i += 2) {
    high = low = 0
    add(at(state, i), at(state, i + 1))
    add(at(v, i), at(v, i + 1))
    settle()
    state[i] = high
    state[i + 1] = low
  }
}

/** One half of a word turned right by fewer than 32 bits: the half that `a` is; with the halves swapped, by 32 more. */
function turn(a: number, b: number, bits: number): number {
  return (a >>> bits) | (b << (32 - bits))
}
