// Attacks. During each of them the node serves an honest peer within a second, and keeps within its bounds.

import assert from 'node:assert/strict'
import crypto from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import * as rawly from './raw.mjs'
import { Raw, delimited, frame, line, varint, yamux, DATA, FIN, RST, SYN } from './raw.mjs'
import { Key, binding, decode, encode, entry, hello, submit, syncRoot, syncWant } from './records.mjs'

const SILENT = 10_000
/** Of those that cost the attacker's side a key exchange each. */
const PROVEN = 5_000
const open = (port) => Raw.open(port, Key.random())
const select = (protocol) => Buffer.concat([line('/multistream/1.0.0'), line(protocol)])

/** As many connections as there may be, so many at a time; those that came about. */
async function many(count, make, at = 200) {
  const made = []
  let refused = 0
  for (let n = 0; n < count; n += at) {
    const some = await Promise.allSettled(Array.from({ length: Math.min(at, count - n) }, make))
    for (const one of some) one.status === 'fulfilled' ? made.push(one.value) : refused++
  }
  return { made, refused }
}

/** Protobuf of gossipsub's RPC. */
const field = (number, bytes) => Buffer.concat([varint((number << 3) | 2), delimited(bytes)])
const number = (id, value) => Buffer.concat([varint(id << 3), varint(value)])
const subscription = (topic, on = 1) => field(1, Buffer.concat([number(1, on), field(2, Buffer.from(topic))]))
const message = (topic, data) => field(2, Buffer.concat([field(2, data), field(4, Buffer.from(topic))]))
const control = (...parts) => field(3, Buffer.concat(parts))
const ihave = (topic, ids) => field(1, Buffer.concat([field(1, Buffer.from(topic)), ...ids.map((id) => field(2, id))]))
const iwant = (ids) => field(2, Buffer.concat(ids.map((id) => field(1, id))))
const graft = (topic) => field(3, field(1, Buffer.from(topic)))
const prune = (topic) => field(4, field(1, Buffer.from(topic)))
const ids = (count) => Array.from({ length: count }, () => crypto.randomBytes(20))

export async function floods(world, run) {
  const { short, port, network, newcomer, town, pids } = world
  const hold = (name, attack, bounds) => run(name, () => world.during(name, attack, bounds))
  const hello_ = world.protocol('hello')
  const apply = world.protocol('apply')
  const closeAll = (raws) => raws.forEach((raw) => raw.destroy())

  // -- before anybody has proven who it is

  const silent = (name, what, make, count = SILENT) =>
    hold(name, async () => {
      const begun = performance.now()
      const { made, refused } = await many(count, make)
      const took = performance.now() - begun
      await sleep(1_500)
      const left = made.filter((raw) => !raw.over).length
      closeAll(made)
      return `${made.length} ${what} (${refused} refused) in ${(took / 1000).toFixed(1)} s, ${left} still open at the end`
    })

  await silent('ten thousand silent connections', 'opened', () => Raw.tcp(port))
  await silent('ten thousand that stop in the middle of Noise', 'stopped', async () => {
    const raw = await Raw.tcp(port)
    await raw.halfNoise()
    return raw
  })
  await silent('five thousand that finish Noise and say nothing more', 'finished', async () => {
    const raw = await Raw.tcp(port)
    await raw.noise(Key.random())
    return raw
  }, PROVEN)
  await silent('five thousand that come as far as Yamux and say nothing more', 'came', () => open(port), PROVEN)
  await hold('three thousand half-closed, and as many reset at once', async () => {
    const { made } = await many(3_000, () => Raw.tcp(port))
    for (const raw of made) raw.socket.end()
    const { made: more } = await many(3_000, async () => {
      const raw = await Raw.tcp(port)
      raw.socket.resetAndDestroy()
      return raw
    })
    await sleep(500)
    closeAll(made)
    return `${made.length} and ${more.length}`
  })
  await hold('endless words before Noise', async () => {
    const { made } = await many(200, async () => {
      const raw = await Raw.tcp(port)
      raw.write(Buffer.concat([Buffer.alloc(64, 0xff), crypto.randomBytes(100_000)]))
      return raw
    })
    await sleep(1_000)
    const left = made.filter((raw) => !raw.over).length
    closeAll(made)
    assert.equal(left, 0)
    return `${made.length} closed`
  })

  // -- as a stranger

  await hold('oversized frames, of strangers', async () => {
    let refused = 0
    const raw = await open(port)
    for (const length of [0x80000000, 0xffffffff, 72 * 1024 + 1]) {
      for (const protocol of [hello_, apply]) {
        const prefix = Buffer.alloc(4)
        prefix.writeUInt32BE(length)
        const stream = await raw.speak(protocol, Buffer.concat([prefix, Buffer.alloc(1000)]))
        await stream.read(1).then(() => assert.fail('an answer'), () => refused++)
      }
    }
    assert.equal(raw.over, false)
    raw.destroy()
    return `${refused} refused, the connection stays`
  })
  await hold('lengths of multistream without an end', async () => {
    const raw = await open(port)
    const bad = [varint(2n ** 63n), varint(2n ** 31n), Buffer.alloc(20, 0xff), varint(70_000), Buffer.alloc(300, 0x80)]
    for (const bytes of bad) {
      const stream = await raw.stream(bytes)
      await stream.read(60).catch(() => {})
    }
    raw.destroy()
    return `${bad.length} forms`
  })
  await hold('frames of Yamux that break its rules', async () => {
    const bad = [
      yamux(DATA, SYN, 1, 0xffffffff),
      yamux(DATA, SYN, 2, 0),
      yamux(DATA, 0, 77, 10, Buffer.alloc(10)),
      yamux(9, 0, 1, 0),
      Buffer.alloc(12, 0xff),
      yamux(rawly.WINDOW, SYN, 1, 0xffffffff),
      yamux(rawly.GOAWAY, 0, 0, 0),
      yamux(DATA, SYN, 1, 300_000, Buffer.alloc(300_000)),
      Buffer.concat([yamux(DATA, SYN | FIN | RST, 1, 0), yamux(DATA, 0, 1, 5, Buffer.alloc(5))]),
    ]
    for (const bytes of bad) {
      const raw = await open(port).catch(() => null)
      await raw?.write(bytes)
      await sleep(50)
      raw?.destroy()
    }
    return `${bad.length} forms`
  })
  await hold('thousands of streams on a connection', async () => {
    const raw = await open(port)
    const streams = []
    while (!raw.over && streams.length < 20_000) {
      streams.push(await raw.stream(select(apply)))
      if (streams.length % 500 === 0) await sleep(1)
    }
    await sleep(1_000)
    const open_ = raw.over ? 0 : streams.filter((stream) => !stream.done).length
    const closed = raw.over
    raw.destroy()
    assert(open_ <= 128, `${open_} are open`)
    return `${streams.length} opened, ${closed ? 'then the connection was closed' : `${open_} left open`}`
  })
  await hold('streams that are filled and never speak', async () => {
    let sent = 0
    const raws = []
    for (let n = 0; n < 16; n++) {
      const raw = await open(port).catch(() => null)
      if (!raw) continue
      raws.push(raw)
      for (let m = 0; m < 127 && !raw.over; m++) {
        // a name without an end: the stream waits in negotiation, or for its turn
        await Promise.race([raw.stream(Buffer.concat([Buffer.from([0xfe, 0x7f]), Buffer.alloc(200_000)])), sleep(50)])
        sent += 200_002
      }
    }
    await sleep(2_000)
    closeAll(raws)
    return `${raws.length} connections, ${(sent / (1 << 20)).toFixed(0)} MiB sent`
  }, { grows: 160 })
  await hold('half-written requests and answers that nobody reads', async () => {
    const raws = []
    for (let n = 0; n < 16; n++) {
      const raw = await open(port).catch(() => null)
      if (!raw) continue
      raws.push(raw)
      for (let m = 0; m < 60 && !raw.over; m++) {
        const whole = frame(hello(network, newcomer.pid, newcomer.application[0]))
        const half = Buffer.concat([Buffer.from([0, 1, 0x1f, 0xff]), Buffer.alloc(60_000)])
        await raw.stream(Buffer.concat([select(hello_), m % 2 ? half : whole]))
      }
    }
    await sleep(3_000)
    closeAll(raws)
    return `${raws.length} connections`
  })
  await hold('a flood of hello and apply, right and wrong', async () => {
    let [asked, answered, refused] = [0, 0, 0]
    const until_ = performance.now() + 5_000
    const one = async () => {
      while (performance.now() < until_) {
        const raw = await open(port).catch(() => null)
        if (!raw) {
          refused++
          await sleep(20)
          continue
        }
        for (let n = 0; n < 16; n++) {
          const request = n % 3 ? submit(newcomer.application) : crypto.randomBytes(500)
          const answer = await (n % 2 ? raw.ask(apply, request) : raw.ask(hello_, hello(network, newcomer.pid)))
          asked++
          answered += answer?.length ? 1 : 0
        }
        raw.destroy()
      }
    }
    await Promise.all(Array.from({ length: 24 }, one))
    return `${asked} asked, ${answered} answered, ${refused} connections refused`
  })
  await hold('hellos in a member’s name with long logs, over and over', async () => {
    const log = copies(world.idLogs.polder, 70 * 1024)
    const place = { pid: pids.polder, epoch: 5, seq: 1, prev: new Uint8Array(32) }
    let asked = 0
    const until_ = performance.now() + 6_000
    const one = async () => {
      while (performance.now() < until_) {
        const key = Key.random()
        const raw = await Raw.open(port, key).catch(() => null)
        if (!raw) {
          await sleep(20)
          continue
        }
        // bound by its form to this very peer, in an epoch that only the log could prove
        const forged = hello(network, pids.polder, log, binding(network, key, place, key.peer))
        for (let n = 0; n < 16 && performance.now() < until_; n++) {
          await raw.ask(hello_, forged)
          asked++
        }
        raw.destroy()
      }
    }
    await Promise.all(Array.from({ length: 16 }, one))
    return `${asked} hellos of 70 KiB, ${log.length} entries each`
  }, { grows: 128 })
  await hold('one peer that connects over and over', async () => {
    const key = Key.random()
    let count = 0
    const until_ = performance.now() + 5_000
    const one = async () => {
      while (performance.now() < until_) {
        const raw = await Raw.open(port, key).catch(() => null)
        if (raw) count++
        raw?.destroy()
      }
    }
    await Promise.all(Array.from({ length: 8 }, one))
    return `${count} times`
  })

  // -- as a member

  const member = async () => {
    const raw = await Raw.open(port, world.secondKey)
    await raw.ask(hello_, world.hello('vulture'))
    return raw
  }
  const topic = `${short}/pub`
  const meshed = async (raw) => {
    let stream = null
    for (let n = 0; n < 50 && !stream; n++) {
      stream = await raw.speak(`/lapwing/${short}/g-pub/1.1.0`)
      if (!stream) await sleep(100)
    }
    assert(stream, 'gossip is refused')
    await stream.write(delimited(subscription(topic)))
    await stream.write(delimited(control(graft(topic))))
    return stream
  }
  /** The same words over and over on a stream of gossip, anew when it is closed. */
  const gossips = (what, say, { seconds = 3, bounds } = {}) =>
    hold(what, async () => {
      let [raw, sent, bytes, anew] = [await member(), 0, 0, 0]
      let stream = await meshed(raw)
      const until_ = performance.now() + seconds * 1000
      while (performance.now() < until_) {
        const words = say(sent)
        await Promise.race([stream.write(words), sleep(1_000)])
        sent++
        bytes += words.length
        if (sent % 8 === 0) await sleep(0)
        if (raw.over || stream.done) {
          anew++
          raw.destroy()
          raw = await member().catch(() => raw)
          stream = await meshed(raw).catch(() => stream)
        }
      }
      raw.destroy()
      return `${sent} frames, ${(bytes / (1 << 20)).toFixed(0)} MiB, closed ${anew} times`
    }, bounds)

  await gossips('IHAVE without end', () => delimited(control(ihave(topic, ids(500)))))
  await gossips('IWANT without end', () => delimited(control(iwant(ids(500)))))
  await gossips('GRAFT and PRUNE without end', () => delimited(control(...Array.from({ length: 200 }, (_, n) => (n % 2 ? graft : prune)(topic)))))
  await gossips('control messages for a thousand topics', (n) =>
    delimited(control(...Array.from({ length: 300 }, (_, m) => graft(`t${n}-${m}`)))))
  await gossips('a hundred thousand subscriptions', (n) =>
    delimited(Buffer.concat(Array.from({ length: 500 }, (_, m) => subscription(`t${n * 500 + m}`)))))
  await gossips('frames of gossip longer than allowed', (n) =>
    n % 2 ? Buffer.concat([varint(2n ** 31n), Buffer.alloc(1000)]) : Buffer.concat([varint(2n ** 63n), Buffer.alloc(10)]), { seconds: 2 })
  await gossips('gossip that is no entry', () => delimited(message(topic, crypto.randomBytes(1000))))
  const author = Key.random()
  const body = crypto.randomBytes(15_000)
  const strange = (n) => {
    const pid = new Uint8Array(32)
    new DataView(pid.buffer).setUint32(0, n)
    return encode(entry(network, author, { pid, log: 1, seq: 0, prev: null, kind: 60, body }))
  }
  await gossips('well-formed entries of nobody, as fast as they go', (n) => delimited(message(topic, strange(n))), { seconds: 4 })
  await gossips('small entries of nobody, many in a frame', (n) => {
    const some = Array.from({ length: 40 }, (_, m) => {
      const pid = crypto.randomBytes(32)
      return message(topic, encode(entry(network, author, { pid, log: 1, seq: 0, prev: null, kind: 60, body: varint(n * 40 + m) })))
    })
    return delimited(Buffer.concat(some))
  }, { seconds: 4 })
  await hold('answers of a megabyte that a member asks for and never reads', async () => {
    const raw = await member()
    let asked = 0
    for (let n = 0; n < 120 && !raw.over; n++) {
      const stream = await raw.stream(Buffer.concat([select(world.protocol('sync')), frame(syncWant(pids.polder, 1))]))
      stream.hear = () => {}
      asked++
    }
    await sleep(2_000)
    raw.destroy()
    return `${asked} asked`
  })
  await hold('requests of a member without end', async () => {
    const raw = await member()
    let [asked, answered] = [0, 0]
    const until_ = performance.now() + 4_000
    const one = async () => {
      while (performance.now() < until_ && !raw.over) {
        asked++
        if ((await raw.ask(world.protocol('sync'), syncRoot()))?.length) answered++
      }
    }
    await Promise.all(Array.from({ length: 60 }, one))
    raw.destroy()
    return `${asked} asked, ${answered} answered`
  })
  await hold('a member’s node that connects over and over', async () => {
    let count = 0
    const until_ = performance.now() + 5_000
    while (performance.now() < until_) {
      const raw = await Raw.open(port, world.secondKey).catch(() => null)
      if (raw) count++
      raw?.destroy()
    }
    return `${count} times`
  })
}

/** A log 0 of many copies of its first entry, each of a clock of its own and with a signature that must be looked at. */
function copies(log, limit) {
  const [[[head, , bytes]], body] = log[0]
  const header = decode(bytes)
  const out = [...log]
  for (let size = encode(log[0]).length; ; ) {
    header[6]++
    const copy = [[[head, {}, encode(header), crypto.randomBytes(64)]], body]
    size += encode(copy).length
    if (size > limit) return out
    out.push(copy)
  }
}
