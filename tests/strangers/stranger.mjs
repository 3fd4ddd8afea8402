// What a stranger gets: hello and apply, a typed refusal for what it says wrongly, and nothing else.

import assert from 'node:assert/strict'
import { IDENTIFY, PING, Peer } from './peer.mjs'
import { Raw, line } from './raw.mjs'
import { Key, binding, decode, encode, headerOf, hello, status, submit, syncRoot } from './records.mjs'

/** What cannot be read as a request of `apply`, and what is wrong with each. */
function unreadable({ application }) {
  const good = Buffer.from(submit(application))
  const nested = Buffer.concat([Buffer.alloc(5000, 0x81), Buffer.from([0])])
  return {
    'an empty frame': Buffer.alloc(0),
    'half a request': good.subarray(0, good.length / 2),
    'a byte too many': Buffer.concat([good, Buffer.from([0])]),
    'a number written longer than needed': Buffer.concat([Buffer.from([0x82, 0x18, 0x00]), good.subarray(2)]),
    'an array of indefinite length': Buffer.concat([Buffer.from([0x9f]), good.subarray(1), Buffer.from([0xff])]),
    'a map': Buffer.from(encode([0, new Map([[1, 2]])])),
    'a float': Buffer.from([0x82, 0x01, 0xfb, 0, 0, 0, 0, 0, 0, 0, 0]),
    'a tag': Buffer.from([0xc0, ...good]),
    'undefined': Buffer.from([0x82, 0x01, 0xf7]),
    'text that is not UTF-8': Buffer.from([0x82, 0x01, 0x62, 0xff, 0xfe]),
    'an array that claims 2^63 items': Buffer.from([0x9b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
    'bytes that claim to be 2^32 long': Buffer.from([0x82, 0x01, 0x5a, 0xff, 0xff, 0xff, 0xff]),
    'five thousand arrays in each other': nested,
    'a request that nobody knows': Buffer.from(encode([7, 1])),
    'another shape': Buffer.from(encode([0, [1, 2, 3]])),
  }
}

export async function strangers(world, run) {
  const { network, short, port, pids, newcomer } = world
  const key = Key.random()
  const peer = await (await Peer.start(key, short)).dial(port)
  const plain = hello(network, newcomer.pid, newcomer.application[0])

  await run('a stranger of js-libp2p is greeted, and learns whose node it is', async () => {
    const [theirs, pid, schema, clock, idLog] = decode(await peer.ask('hello', plain))
    assert.deepEqual(Buffer.from(theirs), Buffer.from(network))
    assert.deepEqual(Buffer.from(pid), Buffer.from(pids.harbour))
    assert.deepEqual(Buffer.from(headerOf(idLog[0]).pid), Buffer.from(pids.harbour))
    assert(schema === 1 && Math.abs(clock - Date.now()) < 10_000)
  })

  const closed = ['sync', 'case', 'blob', 'reach']
  const gossip = ['g-pub', 'g-agy'].flatMap((plane) => ['1.0.0', '1.1.0'].map((v) => `/lapwing/${short}/${plane}/${v}`))
  const others = ['/meshsub/1.1.0', '/floodsub/1.0.0', '/ipfs/kad/1.0.0', '/ipfs/id/push/1.0.0', '/x', '/lapwing/nobody']
  await run('everything but hello and apply is refused to a stranger by name', async () => {
    const names = [...closed, ...gossip, IDENTIFY, PING, ...others]
    for (const name of names) assert.equal(await peer.takes(name), false, name)
    for (const name of ['hello', 'apply']) assert.equal(await peer.takes(name), true, name)
    await assert.rejects(peer.node.services.identify.identify(peer.connection))
    await assert.rejects(peer.node.services.ping.ping(peer.connection.remotePeer))
    return `${names.length} names`
  })

  await run('a stranger that says its request at once, before any answer, is refused the same', async () => {
    const raw = await Raw.open(port, Key.random())
    for (const name of closed) assert.equal(await raw.ask(world.protocol(name), syncRoot()), null, name)
    raw.destroy()
  })

  await run('asked which protocols it has, the node names no more to a stranger than hello and apply', async () => {
    const raw = await Raw.open(port, Key.random())
    const stream = await raw.stream(Buffer.concat([line('/multistream/1.0.0'), line('ls')]))
    await stream.expect('/multistream/1.0.0')
    const listed = await stream.readLine().catch(() => 'closed')
    raw.destroy()
    for (const name of ['sync', 'case', 'blob', 'reach', 'g-pub', 'g-agy', '/ipfs']) assert(!listed.includes(name), listed)
    return JSON.stringify(listed.replace(/[^ -~]+/g, ' ').replaceAll(short, '…').trim())
  })

  await run('what cannot be read is refused with its reason, and the stranger may go on', async () => {
    const bad = unreadable(newcomer)
    const reasons = new Set()
    // sixteen requests are what a stranger has
    let raw = await Raw.open(port, Key.random())
    for (const [what, bytes] of Object.entries(bad)) {
      const answer = decode(await raw.ask(world.protocol('apply'), bytes))
      assert(answer[0] === 1 && answer[1].length > 5 && answer[1].length < 400, `${what}: ${answer}`)
      reasons.add(answer[1])
    }
    raw.destroy()
    return `${Object.keys(bad).length} forms, ${reasons.size} reasons`
  })

  await run('a hello that cannot be read, or is of another network, opens nothing', async () => {
    const raw = await Raw.open(port, Key.random())
    for (const bytes of [Buffer.alloc(0), Buffer.from([0xff]), Buffer.from(encode([1, 2])), Buffer.alloc(70_000, 0x81)]) {
      const answer = await raw.ask(world.protocol('hello'), bytes)
      assert.deepEqual(Buffer.from(decode(answer)[0]), Buffer.from(network))
    }
    assert.equal(await raw.ask(world.protocol('sync'), syncRoot()), null)
    await raw.ask(world.protocol('hello'), hello(new Uint8Array(32), newcomer.pid))
    await raw.closed
    return 'one of another network is closed'
  })

  await run('a hello in a member’s name proves nothing: not by its log, nor by a binding of another key', async () => {
    const feed = Key.random()
    const place = { pid: pids.polder, seq: 3, prev: new Uint8Array(32) }
    const forged = binding(network, feed, place, key.peer)
    for (const bound of [null, forged]) {
      const raw = await Raw.open(port, Key.random())
      await raw.ask(world.protocol('hello'), hello(network, pids.polder, world.idLogs.polder, bound))
      for (const name of closed) assert.equal(await raw.ask(world.protocol(name), syncRoot()), null, name)
      assert.equal(await raw.speak(`/lapwing/${short}/g-pub/1.1.0`), null)
      raw.destroy()
    }
  })

  await run('an application of js-libp2p is taken, once; its state is told to its own node only', async () => {
    const { application, pid } = newcomer
    assert.deepEqual(decode(await peer.ask('apply', submit(application))), [0, 'submitted'])
    assert.deepEqual(decode(await peer.ask('apply', submit(application))), [0, 'submitted'])
    assert.deepEqual(decode(await peer.ask('apply', status(pid))), [0, 'unknown'])
    const feed = world.town.key('newcomer', 'feed')
    const first = headerOf(application[0][0])
    assert.equal(first.seq, 0)
    const bound = binding(network, feed, { pid, seq: 0, prev: null }, key.peer)
    await peer.ask('hello', hello(network, pid, application[0], bound))
    assert.deepEqual(decode(await peer.ask('apply', status(pid))), [0, 'submitted'])
    assert.deepEqual(decode(await peer.ask('apply', status(pids.polder))), [0, 'unknown'])
    const inbox = await world.town.ask('harbour', 'GET', '/applications')
    assert.equal((inbox.items ?? inbox.applications ?? inbox).length, 1)
  })

  await run('an application with a broken signature, of another network or without a log is refused with its reason', async () => {
    const [entries, [endorsement], text] = newcomer.application
    const bent = Uint8Array.from(endorsement[3])
    bent[7] ^= 1
    const wrong = [
      [entries, [[endorsement[0], {}, endorsement[2], bent]], text],
      [[], [endorsement], text],
      [entries, [], text],
      [entries, [endorsement], 'x'.repeat(33 * 1024)],
    ]
    const raw = await Raw.open(port, Key.random())
    for (const application of wrong) {
      const answer = decode(await raw.ask(world.protocol('apply'), submit(application)))
      assert.equal(answer[0], 1, `${answer}`)
      assert.match(answer[1], /\w/)
    }
    raw.destroy()
    return `${wrong.length} kinds`
  })

  await run('a stranger has sixteen requests on a connection, and then no answer', async () => {
    const raw = await Raw.open(port, Key.random())
    const asked = []
    for (let n = 0; n < 20; n++) asked.push((await raw.ask(world.protocol('apply'), status(newcomer.pid))).length)
    raw.destroy()
    assert.deepEqual(asked.map((length) => length > 0), Array.from({ length: 20 }, (_, n) => n < 16))
  })
  await peer.stop()
}
