// A peer of js-libp2p: TCP, Noise, Yamux, identify, ping and gossipsub as that project wrote them.

import { gossipsub } from '@chainsafe/libp2p-gossipsub'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { identify } from '@libp2p/identify'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { blake3 } from '@noble/hashes/blake3'
import { createLibp2p } from 'libp2p'
import { frame } from './raw.mjs'

export const IDENTIFY = '/ipfs/id/1.0.0'
export const PING = '/ipfs/ping/1.0.0'

/** A peer with this key that speaks the federation's protocols. */
export class Peer {
  static async start(key, network) {
    const gossip = (components) => {
      const service = gossipsub({
        globalSignaturePolicy: 'StrictNoSign',
        msgIdFn: (message) => blake3(message.data).subarray(0, 20),
        allowPublishToZeroTopicPeers: true,
        fallbackToFloodsub: false,
        emitSelf: false,
      })(components)
      service.multicodecs = [`/lapwing/${network}/g-pub/1.1.0`, `/lapwing/${network}/g-pub/1.0.0`]
      return service
    }
    const node = await createLibp2p({
      privateKey: await generateKeyPairFromSeed('Ed25519', key.seed),
      transports: [tcp()],
      connectionEncrypters: [noise()],
      streamMuxers: [yamux()],
      services: { identify: identify({ runOnConnectionOpen: false }), ping: ping(), gossip },
    })
    return new Peer(node, network)
  }

  constructor(node, network) {
    this.node = node
    this.network = network
    this.topic = `${network}/pub`
    this.heard = []
    node.services.gossip.addEventListener('message', ({ detail }) => this.heard.push(Buffer.from(detail.data)))
  }

  async dial(port) {
    this.connection = await this.node.dial(multiaddr(`/ip4/127.0.0.1/tcp/${port}`))
    return this
  }

  name(protocol) {
    return protocol.startsWith('/') ? protocol : `/lapwing/${this.network}/${protocol}/1`
  }

  /** A request and its whole answer: bytes, or why there are none. */
  async ask(protocol, request) {
    const signal = AbortSignal.timeout(10_000)
    const stream = await this.connection.newStream(this.name(protocol), { signal })
    await stream.sink([frame(request)])
    const parts = []
    for await (const part of stream.source) parts.push(part.subarray())
    const bytes = Buffer.concat(parts)
    return bytes.subarray(4, 4 + bytes.readUInt32BE())
  }

  /** Whether the node takes a stream of this protocol from us, waiting for its own word. */
  async takes(protocol) {
    try {
      const options = { signal: AbortSignal.timeout(10_000), negotiateFully: true }
      const stream = await this.connection.newStream(this.name(protocol), options)
      stream.abort(new Error('seen'))
      return true
    } catch (error) {
      if (error.name === 'TimeoutError' || error.name === 'AbortError') throw error
      return false
    }
  }

  async stop() {
    await this.node.stop()
  }
}
