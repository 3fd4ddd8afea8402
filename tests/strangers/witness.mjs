// An honest peer and a look at the process, in a process of its own: what the node does while somebody else attacks it.
//
// Every half second it connects anew as a member's node, says hello, asks for the root of the public plane, and has its
// answer; asks /readyz; and reads memory and descriptors from /proc. Told `end`, it sends what it has seen.

import fs from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { Raw } from './raw.mjs'
import { Key, decode, hello, syncRoot } from './records.mjs'

const EVERY = 500
const [{ pid, port, api, seed, network, short, participant, idLog }] = await once()
const key = new Key(Buffer.from(seed, 'hex'))
const greeting = hello(Buffer.from(network, 'hex'), Buffer.from(participant, 'hex'), decode(Buffer.from(idLog, 'hex')))

function once() {
  return new Promise((resolve) => process.once('message', (message) => resolve([message])))
}

/** Milliseconds from the first packet to the answer of a sync request. */
async function visit() {
  const begun = performance.now()
  const raw = await Raw.open(port, key)
  try {
    await raw.ask(`/lapwing/${short}/hello/1`, greeting)
    const answer = decode(await raw.ask(`/lapwing/${short}/sync/1`, syncRoot()))
    if (answer[0] !== 1) throw new Error(`not synced: ${answer}`)
    return performance.now() - begun
  } finally {
    raw.destroy()
  }
}

async function ready() {
  const begun = performance.now()
  const answer = await fetch(`${api}/readyz`, { signal: AbortSignal.timeout(5_000) })
  await answer.arrayBuffer()
  if (answer.status !== 200) throw new Error(`readyz ${answer.status}`)
  return performance.now() - begun
}

function look() {
  const resident = Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) * 1024
  return { resident, files: fs.readdirSync(`/proc/${pid}/fd`).length }
}

const limited = (what, promise) =>
  Promise.race([promise, sleep(5_000, null, { ref: false }).then(() => Promise.reject(new Error(`${what}: 5 s`)))])

let watching = null
process.on('message', async (word) => {
  if (word === 'begin') {
    const seen = { visits: [], ready: [], resident: 0, files: 0, before: look(), faults: [] }
    watching = { over: false, seen }
    const state = watching
    const eye = setInterval(() => {
      const { resident, files } = look()
      seen.resident = Math.max(seen.resident, resident)
      seen.files = Math.max(seen.files, files)
    }, 50)
    do {
      const next = sleep(EVERY)
      try {
        seen.visits.push(await limited('an honest visit', visit()))
        seen.ready.push(await limited('readyz', ready()))
      } catch (error) {
        seen.faults.push(error.message)
      }
      await next
    } while (!state.over)
    clearInterval(eye)
    process.send({ ...seen, after: look() })
  }
  if (word === 'end') watching.over = true
})
process.on('disconnect', () => process.exit(0))
process.send('ready')
