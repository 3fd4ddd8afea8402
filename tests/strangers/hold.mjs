// Holds a node against peers of another implementation. Prints one line for each thing held, and a table of numbers.

import './promise.mjs'
import os from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { World } from './world.mjs'
import { strangers } from './stranger.mjs'
import { members } from './member.mjs'
import { floods } from './flood.mjs'

const only = process.argv[3]
const world = await World.begin(process.argv[2])
// on one machine the attackers must not win by taking the processors: they are somebody else's
os.setPriority(process.pid, 10)
let failed = 0
const run = async (name, work) => {
  if (only && !name.includes(only)) return
  const begun = performance.now()
  try {
    const said = await work()
    console.log(`ok    ${name}${said ? `: ${said}` : ''} (${((performance.now() - begun) / 1000).toFixed(1)} s)`)
  } catch (error) {
    failed++
    console.log(`FAIL  ${name}: ${error.stack}`)
  }
}
try {
  for (const part of [strangers, members, floods]) await part(world, run)
  await run('the node is the process that it was, and said nothing of a panic', async () => {
    await sleep(200)
    world.sound()
  })
  world.report()
} finally {
  world.end()
}
console.log(failed ? `${failed} failed` : 'all held')
process.exit(failed ? 1 : 0)
