// The records and messages of docs/protocol.md, written a second time: CBOR, hashes, signatures, hello, binding.

import crypto from 'node:crypto'
import fs from 'node:fs'
import { decode as decodeCbor, encode } from 'cborg'
import { blake3 } from '@noble/hashes/blake3'

export { encode }
export const decode = (bytes) => decodeCbor(bytes, { useMaps: true, allowBigInt: true })
export const hash = (context, bytes) => blake3(bytes, { context: `lapwing/1 ${context}` })

const PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex')
const SPKI_PREFIX = 12

/** An Ed25519 key (RFC 8032) of this seed. */
export class Key {
  constructor(seed) {
    this.seed = Uint8Array.from(seed)
    this.secret = crypto.createPrivateKey({ key: Buffer.concat([PKCS8, seed]), format: 'der', type: 'pkcs8' })
    const spki = crypto.createPublicKey(this.secret).export({ format: 'der', type: 'spki' })
    this.public = Uint8Array.from(spki.subarray(SPKI_PREFIX))
    this.kid = hash('key', this.public)
  }

  static random() {
    return new Key(crypto.randomBytes(32))
  }

  /** From a key file that no passphrase covers: [[version, kind, public, created, kdf], secret, check]. */
  static ofFile(path) {
    return new Key(Buffer.from(decode(fs.readFileSync(path))[1]))
  }

  sign(bytes) {
    return Uint8Array.from(crypto.sign(null, bytes, this.secret))
  }

  /** The libp2p peer id of a node with this key: an identity multihash of the key's protobuf. */
  get peer() {
    return Uint8Array.from([0x00, 0x24, 0x08, 0x01, 0x12, 0x20, ...this.public])
  }

  /** COSE_Sign1 for one network and use (docs/protocol.md §1). */
  sign1(network, use, payload) {
    const head = Uint8Array.from([0xa2, 0x01, 0x27, 0x04, 0x58, 0x20, ...this.kid])
    const aad = encode(['lapwing', 1, network, use])
    return [head, {}, payload, this.sign(encode(['Signature1', head, aad, payload]))]
  }
}

export const LOG_ID = 0
export const LOG_PUB = 1
const NODE_BINDING = 18
const DAY = 86_400_000

/** An id as people see it: lower-case base32 without padding. */
export function ofBase32(text) {
  let [bits, held] = [0n, 0]
  const out = []
  for (const letter of text) {
    bits = (bits << 5n) | BigInt('abcdefghijklmnopqrstuvwxyz234567'.indexOf(letter))
    held += 5
    if (held >= 8) {
      out.push(Number((bits >> BigInt(held - 8)) & 255n))
      held -= 8
      bits &= (1n << BigInt(held)) - 1n
    }
  }
  return Uint8Array.from(out)
}

/** What an entry's header says. */
export function headerOf(entry) {
  const bytes = entry[0][0][2]
  const [, pid, log, epoch, seq, prev, clock, kind] = decode(bytes)
  return { pid, log, epoch, seq, prev, clock, kind, id: hash('entry', bytes) }
}

/** An entry: [[Sign1(header)], body]. */
export function entry(network, feed, { pid, log, epoch = 0, seq, prev, clock = Date.now(), kind, body }) {
  const header = encode([1, pid, log, epoch, seq, prev, clock, kind, false, body.length, hash('body', body), []])
  return [[feed.sign1(network, 'entry', header)], body]
}

/** The binding of a peer to a participant, valid for a day. */
export function binding(network, feed, place, peer, days = 1) {
  const body = encode([peer, [], Date.now() + days * DAY, false])
  return entry(network, feed, { ...place, log: LOG_PUB, kind: NODE_BINDING, body })
}

/** A hello: [network, pid, schema, clock, log 0, binding]. */
export const hello = (network, pid, idLog = [], bound = null, clock = Date.now()) =>
  encode([network, pid, 1, clock, idLog, bound])

/** Requests of the other protocols. */
export const syncRoot = (plane = 0) => encode([0, [plane, new Uint8Array(32)]])
export const syncWant = (pid, log, from = 0, epoch = 0) => encode([2, [[pid, log, epoch, from]]])
export const submit = (application) => encode([0, application])
export const status = (pid) => encode([1, pid])

/** What `lapwing init` wrote of an applicant: its application. */
export function applicationOf(folder) {
  // the content, and a hash of it behind it
  const [content] = decode(fs.readFileSync(`${folder}/identity.cbor`))
  const [, entries, endorsement, statement] = decode(content)
  return { pid: headerOf(entries[0]).pid, application: [entries, endorsement, statement] }
}
