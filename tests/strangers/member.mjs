// A member's second node of another implementation: bound by an entry that it gossips itself, and then served.

import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { IDENTIFY, PING, Peer } from './peer.mjs'
import { Raw } from './raw.mjs'
import { Key, decode, encode, syncRoot, syncWant } from './records.mjs'
import { contact, until } from './town.mjs'

export async function members(world, run) {
  const { short, port, town, pids } = world
  const first = await (await Peer.start(world.rogueKey, short)).dial(port)
  await first.ask('hello', world.hello('vulture'))
  const second = Key.random()

  const joined = async (peer) => {
    // js-libp2p learns from identify whom it may gossip with
    await peer.node.services.identify.identify(peer.connection)
    peer.node.services.gossip.subscribe(peer.topic)
    await until('harbour in the mesh', () => peer.node.services.gossip.getSubscribers(peer.topic).length === 1)
  }

  await run('a member’s node of js-libp2p may sync, identify and ping, and joins the public plane', async () => {
    assert.equal(await first.takes('sync'), true)
    const told = await first.node.services.identify.identify(first.connection)
    assert.match(told.agentVersion, /^lapwing\//)
    assert.deepEqual(told.listenAddrs, [])
    assert((await first.node.services.ping.ping(first.connection.remotePeer)) < 5_000)
    await joined(first)
    return told.agentVersion
  })

  await run('what a founder publishes is heard by gossip', async () => {
    await town.ask('polder', 'POST', '/contacts', contact('gossiped'))
    await until('the entry', () => first.heard.length > 0, 10_000)
    return `${first.heard.length} entries`
  })

  await run('its own well-formed entry goes through: the binding of a second node', async () => {
    const { made, header } = world.next(second.peer)
    await first.node.services.gossip.publish(first.topic, encode(made))
    world.tip = header
    const found = async (name) => {
      const detail = JSON.stringify(await town.ask(name, 'GET', '/members/vulture'))
      return detail.includes(peerText)
    }
    const stranger = await Peer.start(second, short)
    const peerText = stranger.node.peerId.toString()
    await stranger.stop()
    await until('the binding at harbour', () => found('harbour'), 10_000)
    await until('the binding at polder', () => found('polder'), 10_000)
  })

  await run('the second node is a member by its key alone: sync, both ways of asking who it is, and gossip', async () => {
    const peer = await (await Peer.start(second, short)).dial(port)
    await peer.ask('hello', world.hello('vulture'))
    await until('a member', () => peer.takes('sync'))
    for (const name of [IDENTIFY, PING]) assert.equal(await peer.takes(name), true, name)
    for (const name of ['/meshsub/1.1.0', '/x']) assert.equal(await peer.takes(name), false, name)
    const [what, [rows]] = decode(await peer.ask('sync', syncWant(pids.polder, 1)))
    assert(what === 3 && rows.length > 0)
    await joined(peer)
    // a mesh takes a moment to form
    for (let n = 0; n < 10 && !peer.heard.length; n++) {
      await town.ask('polder', 'POST', '/contacts', contact(`gossiped-${n}`))
      await sleep(1_000)
    }
    assert(peer.heard.length > 0, 'nothing is heard')
    await peer.stop()
  })

  await run('what a member cannot mean is refused with its reason in every protocol', async () => {
    const raw = await Raw.open(port, second)
    await raw.ask(world.protocol('hello'), world.hello('vulture'))
    const bad = {
      'nothing': Buffer.alloc(0),
      'a float': Buffer.from([0xfb, 0, 0, 0, 0, 0, 0, 0, 0]),
      'a longer number than needed': Buffer.from([0x82, 0x18, 0x00, 0x82, 0x00, 0x41, 0x00]),
      'an endless array': Buffer.from([0x9f, 0x00, 0xff]),
      'a byte too many': Buffer.concat([Buffer.from(syncRoot()), Buffer.from([0])]),
      'deep arrays': Buffer.alloc(900, 0x81),
      'an unknown kind': Buffer.from(encode([99, 1])),
      '2^63 items': Buffer.from([0x9b, 0x80, 0, 0, 0, 0, 0, 0, 0]),
    }
    // sync 5, case 2 [3 invalid], blob 2, reach 1
    const refusals = { sync: [5], case: [2, 3], blob: [2], reach: [1] }
    let count = 0
    for (const [protocol, code] of Object.entries(refusals)) {
      for (const [what, bytes] of Object.entries(bad)) {
        const answer = decode(await raw.ask(world.protocol(protocol), bytes)).flat()
        assert.deepEqual(answer.slice(0, code.length), code, `${protocol}, ${what}: ${answer}`)
        assert(answer.at(-1).length > 3)
        count++
      }
    }
    raw.destroy()
    return `${count} refusals`
  })

  await run('another’s message that is said again, or under another name, is passed on to nobody twice', async () => {
    const heard = first.heard.at(-1)
    const before = first.heard.length
    const peer = await (await Peer.start(second, short)).dial(port)
    await peer.ask('hello', world.hello('vulture'))
    await until('a member', () => peer.takes('sync'))
    await joined(peer)
    // the same bytes are the same message; with another envelope they are an entry that is held already
    await peer.node.services.gossip.publish(peer.topic, heard, { ignoreDuplicatePublishError: true })
    const again = decode(heard)
    again[0][0][3] = Uint8Array.from(again[0][0][3])
    again[0][0][3][5] ^= 1
    await peer.node.services.gossip.publish(peer.topic, encode(again))
    await sleep(1_500)
    assert.equal(first.heard.length, before)
    // and it is still a member that is heard
    const { made, header } = world.next(Key.random().peer)
    await peer.node.services.gossip.publish(peer.topic, encode(made))
    await until('its next entry', () => first.heard.length > before, 10_000)
    world.tip = header
    await peer.stop()
  })
  await first.stop()
  world.secondKey = second
}
