// A peer by hand, from the TCP socket up: multistream, Noise XX, Yamux. It can stop at any step and break any rule.

import crypto from 'node:crypto'
import net from 'node:net'

// just 32 bytes, so it is its own hash (Noise, section 5.2)
const NAME = Buffer.from('Noise_XX_25519_ChaChaPoly_SHA256')
const DER = { public: Buffer.from('302a300506032b656e032100', 'hex') }
const TAG = 16

export const varint = (n) => {
  let left = BigInt(n)
  const out = []
  while (left > 127n) {
    out.push(Number(left & 127n) | 128)
    left >>= 7n
  }
  return Buffer.from([...out, Number(left)])
}
export const delimited = (bytes) => Buffer.concat([varint(bytes.length), bytes])
export const line = (text) => delimited(Buffer.from(`${text}\n`))
export const frame = (bytes) => {
  const prefix = Buffer.alloc(4)
  prefix.writeUInt32BE(bytes.length)
  return Buffer.concat([prefix, bytes])
}

const x25519 = () => {
  const pair = crypto.generateKeyPairSync('x25519')
  return { secret: pair.privateKey, public: pair.publicKey.export({ format: 'der', type: 'spki' }).subarray(12) }
}
const agree = (secret, key) =>
  crypto.diffieHellman({
    privateKey: secret,
    publicKey: crypto.createPublicKey({ key: Buffer.concat([DER.public, key]), format: 'der', type: 'spki' }),
  })
const hmac = (key, ...parts) => parts.reduce((mac, part) => mac.update(part), crypto.createHmac('sha256', key)).digest()

/** One direction's cipher: ChaCha20-Poly1305 with a counter. */
class Cipher {
  constructor(key) {
    this.key = key
    this.counter = 0n
  }

  nonce() {
    const nonce = Buffer.alloc(12)
    nonce.writeBigUInt64LE(this.counter++, 4)
    return nonce
  }

  seal(aad, plain) {
    const cipher = crypto.createCipheriv('chacha20-poly1305', this.key, this.nonce(), { authTagLength: TAG })
    cipher.setAAD(aad, { plaintextLength: plain.length })
    return Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()])
  }

  open(aad, sealed) {
    const cipher = crypto.createDecipheriv('chacha20-poly1305', this.key, this.nonce(), { authTagLength: TAG })
    cipher.setAAD(aad, { plaintextLength: sealed.length - TAG })
    cipher.setAuthTag(sealed.subarray(-TAG))
    return Buffer.concat([cipher.update(sealed.subarray(0, -TAG)), cipher.final()])
  }
}

/** Noise's symmetric state. */
class Symmetric {
  constructor() {
    this.hash = NAME
    this.chain = NAME
    this.cipher = null
    this.mix(Buffer.alloc(0))
  }

  mix(bytes) {
    this.hash = crypto.createHash('sha256').update(this.hash).update(bytes).digest()
  }

  expand(secret) {
    const temp = hmac(this.chain, secret)
    const first = hmac(temp, Buffer.from([1]))
    return [first, hmac(temp, first, Buffer.from([2]))]
  }

  key(secret) {
    const [chain, key] = this.expand(secret)
    this.chain = chain
    this.cipher = new Cipher(key)
  }

  seal(plain) {
    const sealed = this.cipher.seal(this.hash, plain)
    this.mix(sealed)
    return sealed
  }

  open(sealed) {
    const plain = this.cipher.open(this.hash, sealed)
    this.mix(sealed)
    return plain
  }
}

/** Yamux: types of frames and their flags. */
export const DATA = 0
export const WINDOW = 1
export const PING = 2
export const GOAWAY = 3
export const SYN = 1
export const ACK = 2
export const FIN = 4
export const RST = 8

export const yamux = (type, flags, stream, length, body = Buffer.alloc(0)) => {
  const head = Buffer.alloc(12)
  head.writeUInt8(type, 1)
  head.writeUInt16BE(flags, 2)
  head.writeUInt32BE(stream, 4)
  head.writeUInt32BE(length, 8)
  return Buffer.concat([head, body])
}

/** A connection that has come as far as it was asked to. */
export class Raw {
  constructor(socket) {
    this.socket = socket
    this.closed = new Promise((resolve) => socket.once('close', () => resolve((this.over = true))))
    this.over = false
    this.arrived = Buffer.alloc(0)
    this.waiting = null
    this.streams = new Map()
    this.frames = 0
    this.next = 1
    socket.on('error', () => {})
    socket.on('data', (bytes) => this.take(bytes))
    socket.once('close', () => this.end())
  }

  static tcp(port, host = '127.0.0.1') {
    return new Promise((resolve, reject) => {
      const socket = net.connect({ port, host, noDelay: true })
      socket.once('connect', () => resolve(new Raw(socket)))
      socket.once('error', reject)
    })
  }

  /** Up to Yamux, as the node with this key. */
  static async open(port, key) {
    const raw = await Raw.tcp(port)
    await raw.noise(key)
    await raw.mux()
    return raw
  }

  // -- bytes in

  end() {
    this.over = true
    this.waiting?.()
    for (const stream of this.streams.values()) stream.wake()
  }

  take(bytes) {
    this.arrived = this.arrived.length ? Buffer.concat([this.arrived, bytes]) : bytes
    if (this.ciphers) this.decipher()
    else this.waiting?.()
  }

  decipher() {
    while (this.arrived.length >= 2) {
      const length = this.arrived.readUInt16BE()
      if (this.arrived.length < 2 + length) break
      const plain = this.ciphers.in.open(Buffer.alloc(0), this.arrived.subarray(2, 2 + length))
      this.arrived = this.arrived.subarray(2 + length)
      this.plain = this.plain.length ? Buffer.concat([this.plain, plain]) : plain
    }
    if (this.muxed) this.demux()
    else this.waiting?.()
  }

  demux() {
    while (this.plain.length >= 12) {
      const [type, flags] = [this.plain.readUInt8(1), this.plain.readUInt16BE(2)]
      const [id, length] = [this.plain.readUInt32BE(4), this.plain.readUInt32BE(8)]
      const size = type === DATA ? 12 + length : 12
      if (this.plain.length < size) break
      const body = this.plain.subarray(12, size)
      this.plain = this.plain.subarray(size)
      this.frames++
      if (type === PING && flags & SYN) this.write(yamux(PING, ACK, 0, length))
      else if (type === GOAWAY) this.goaway = length
      else this.streams.get(id)?.hear(flags, body)
    }
  }

  /** The next `count` bytes, before Yamux. */
  async read(count) {
    const from = () => (this.ciphers ? this.plain : this.arrived)
    while (from().length < count) {
      if (this.over) throw new Error('closed')
      await new Promise((resolve) => (this.waiting = resolve))
    }
    const bytes = from().subarray(0, count)
    if (this.ciphers) this.plain = this.plain.subarray(count)
    else this.arrived = this.arrived.subarray(count)
    return bytes
  }

  async readLine() {
    const [length] = await this.read(1)
    return (await this.read(length)).toString().trimEnd()
  }

  async expect(text) {
    const read = await this.readLine()
    if (read !== text) throw new Error(`${read} in place of ${text}`)
  }

  // -- bytes out

  /** Writes, under the cipher if there is one. Resolves when the kernel has room again. */
  write(bytes) {
    if (this.over) return Promise.resolve()
    let out = bytes
    if (this.ciphers) {
      const parts = []
      for (let at = 0; at < bytes.length; at += 65_000) {
        const sealed = this.ciphers.out.seal(Buffer.alloc(0), bytes.subarray(at, at + 65_000))
        const prefix = Buffer.alloc(2)
        prefix.writeUInt16BE(sealed.length)
        parts.push(prefix, sealed)
      }
      out = Buffer.concat(parts)
    }
    if (this.socket.write(out)) return Promise.resolve()
    return new Promise((resolve) => {
      const done = () => {
        this.socket.off('drain', done)
        this.socket.off('close', done)
        resolve()
      }
      this.socket.once('drain', done)
      this.socket.once('close', done)
    })
  }

  // -- the steps

  /** Says the first word of Noise, and stops. */
  async halfNoise() {
    await this.write(Buffer.concat([line('/multistream/1.0.0'), line('/noise')]))
    const hello = x25519()
    await this.write(Buffer.concat([Buffer.from([0, 32]), hello.public]))
    return hello
  }

  async noise(key) {
    const state = new Symmetric()
    const ours = await this.halfNoise()
    state.mix(ours.public)
    state.mix(Buffer.alloc(0))
    await this.expect('/multistream/1.0.0')
    await this.expect('/noise')
    const second = await this.read((await this.read(2)).readUInt16BE())
    const theirs = second.subarray(0, 32)
    state.mix(theirs)
    state.key(agree(ours.secret, theirs))
    const fixed = state.open(second.subarray(32, 80))
    state.key(agree(ours.secret, fixed))
    state.open(second.subarray(80))
    const own = x25519()
    const third = [state.seal(own.public)]
    state.key(agree(own.secret, theirs))
    const proof = key.sign(Buffer.concat([Buffer.from('noise-libp2p-static-key:'), own.public]))
    const named = Buffer.from([0x08, 0x01, 0x12, 0x20, ...key.public])
    const payload = Buffer.concat([Buffer.from([0x0a]), delimited(named), Buffer.from([0x12]), delimited(proof)])
    third.push(state.seal(payload))
    const message = Buffer.concat(third)
    const prefix = Buffer.alloc(2)
    prefix.writeUInt16BE(message.length)
    await this.write(Buffer.concat([prefix, message]))
    const [out, inward] = state.expand(Buffer.alloc(0))
    this.plain = Buffer.alloc(0)
    this.ciphers = { out: new Cipher(out), in: new Cipher(inward) }
    if (this.arrived.length) this.decipher()
  }

  async mux() {
    await this.write(Buffer.concat([line('/multistream/1.0.0'), line('/yamux/1.0.0')]))
    await this.expect('/multistream/1.0.0')
    await this.expect('/yamux/1.0.0')
    this.muxed = true
    this.demux()
  }

  /** Opens a stream with these bytes in it. */
  async stream(bytes = Buffer.alloc(0)) {
    const stream = new Stream(this, this.next)
    this.next += 2
    this.streams.set(stream.id, stream)
    await this.write(yamux(DATA, SYN, stream.id, bytes.length, bytes))
    return stream
  }

  /** Opens a stream and negotiates a protocol; null if it is refused. */
  async speak(protocol, bytes = Buffer.alloc(0)) {
    const stream = await this.stream(Buffer.concat([line('/multistream/1.0.0'), line(protocol), bytes]))
    try {
      await stream.expect('/multistream/1.0.0')
      return (await stream.readLine()) === protocol ? stream : null
    } catch {
      return null
    }
  }

  /** A request and its whole answer; null if the protocol is refused, empty if there is no answer. */
  async ask(protocol, request) {
    const stream = await this.speak(protocol, frame(request))
    if (!stream) return null
    stream.finish()
    try {
      return await stream.read((await stream.read(4)).readUInt32BE())
    } catch {
      return Buffer.alloc(0)
    }
  }

  destroy() {
    this.socket.destroy()
  }
}

/** A stream of Yamux. It grants window as it is read. */
class Stream {
  constructor(raw, id) {
    this.raw = raw
    this.id = id
    this.bytes = Buffer.alloc(0)
    this.done = false
    this.wake = () => {}
  }

  hear(flags, body) {
    if (body.length) {
      this.bytes = this.bytes.length ? Buffer.concat([this.bytes, body]) : Buffer.from(body)
      this.raw.write(yamux(WINDOW, 0, this.id, body.length))
    }
    if (flags & RST) this.reset = true
    if (flags & (FIN | RST)) this.done = true
    this.wake()
  }

  async read(count) {
    while (this.bytes.length < count) {
      if (this.done || this.raw.over) throw new Error('closed')
      await new Promise((resolve) => (this.wake = resolve))
    }
    const bytes = this.bytes.subarray(0, count)
    this.bytes = this.bytes.subarray(count)
    return bytes
  }

  async readLine() {
    const [length] = await this.read(1)
    return (await this.read(length)).toString().trimEnd()
  }

  async expect(text) {
    const read = await this.readLine()
    if (read !== text) throw new Error(`${read} in place of ${text}`)
  }

  write(bytes) {
    return this.raw.write(yamux(DATA, 0, this.id, bytes.length, bytes))
  }

  finish() {
    return this.raw.write(yamux(DATA, FIN, this.id, 0))
  }
}
