// The node under test and everybody around it.
//
//   harbour   the node under test       polder   another founder's real node, connected all the time
//   heron     a founder whose node key the witness has: the honest peer
//   vulture   a founder whose node key and feed key the attackers have: the rogue member

import { fork } from 'node:child_process'
import { Raw } from './raw.mjs'
import { LOG_ID, LOG_PUB, applicationOf, binding, decode, encode, headerOf, hello, ofBase32, syncWant } from './records.mjs'
import { Town, contact, until } from './town.mjs'

const MIB = 1 << 20

export class World {
  static async begin(program) {
    const world = new World()
    const town = (world.town = new Town(program))
    try {
      await world.people()
      await world.rogue()
      await world.witnessed()
    } catch (error) {
      console.log(town.running.has('harbour') ? town.log('harbour').slice(-2000) : '')
      world.end()
      throw error
    }
    return world
  }

  async people() {
    const { town } = this
    const names = ['harbour', 'polder', 'heron', 'vulture']
    town.found(names)
    town.init('newcomer', '--charter', town.at('charter.lapwing'))
    let bootstrap = []
    this.pids = {}
    this.peers = {}
    for (const name of names) {
      const { me, peer_id: peer } = await town.start(name, bootstrap)
      this.pids[name] = ofBase32(me.pid)
      this.peers[name] = peer
      bootstrap = (await town.ask('harbour', 'GET', '/status')).listening
    }
    // each has published its node and its encryption key
    await until('all are known at harbour', async () => {
      const members = await Promise.all(names.slice(1).map((name) => town.ask('harbour', 'GET', `/members/${name}`)))
      return members.every((member) => member.sealable)
    })
    for (const name of ['heron', 'vulture']) await town.stop(name)
    const status = await town.ask('harbour', 'GET', '/status')
    this.network = ofBase32(status.network_id)
    this.short = status.network_id.slice(0, 13)
    this.port = await town.port('harbour')
    this.pid = town.running.get('harbour').pid
    this.newcomer = applicationOf(town.at('newcomer'))
  }

  /** Reads the rogue's log from the node, as its node would. */
  async rogue() {
    const key = this.town.key('vulture', 'node')
    const raw = await Raw.open(this.port, key)
    this.idLogs = {}
    for (const [name, pid] of Object.entries(this.pids)) this.idLogs[name] = await this.entries(raw, pid, LOG_ID)
    this.tip = headerOf((await this.entries(raw, this.pids.vulture, LOG_PUB)).at(-1))
    this.rogueKey = key
    this.feed = this.town.key('vulture', 'feed')
    raw.destroy()
  }

  async entries(raw, pid, log) {
    return until('entries of a member', async () => {
      const [what, batch] = decode(await raw.ask(this.protocol('sync'), syncWant(pid, log)))
      return what === 3 && batch[0].length && batch[0]
    })
  }

  /** The next entry of the rogue's own log: the binding of another node. */
  next(peer) {
    const { pid, seq, id } = this.tip
    const made = binding(this.network, this.feed, { pid, seq: seq + 1, prev: id }, peer)
    return { made, header: headerOf(made) }
  }

  protocol(name) {
    return `/lapwing/${this.short}/${name}/1`
  }

  hello(name, bound = null) {
    return hello(this.network, this.pids[name], this.idLogs[name], bound)
  }

  async witnessed() {
    this.witness = fork(new URL('./witness.mjs', import.meta.url).pathname)
    const ready = new Promise((resolve) => this.witness.once('message', resolve))
    const hex = (bytes) => Buffer.from(bytes).toString('hex')
    this.witness.send({
      ...{ pid: this.pid, port: this.port, api: this.town.api('harbour'), short: this.short },
      ...{ seed: hex(this.town.key('heron', 'node').seed), network: hex(this.network) },
      ...{ participant: hex(this.pids.heron), idLog: hex(encode(this.idLogs.heron)) },
    })
    await ready
    this.rows = []
  }

  /**
   * What the node does while `attack` runs. It must stay the process that it is, answer /readyz, serve an honest peer that
   * connects anew within a second, and keep within the bounds given: MiB of growth, files more, lines of log.
   */
  async during(name, attack, { grows = 64, files = 700, lines = 150 } = {}) {
    const { town, witness } = this
    const foreign = () => town.log('harbour').split('\n').filter((line) => !line.includes(this.peers.heron)).length
    const before = foreign()
    const told = new Promise((resolve) => witness.once('message', resolve))
    witness.send('begin')
    const said = await attack()
    // and what another founder publishes meanwhile is here at once
    const begun = performance.now()
    const slot = `slot${this.rows.length}`
    await town.ask('polder', 'POST', '/contacts', contact(slot))
    await until('an entry of another founder', async () => {
      const { contacts } = await town.ask('harbour', 'GET', '/members/polder')
      return contacts.some((c) => c.slot === slot || c.contact?.slot === slot)
    }, 10_000)
    const entry = performance.now() - begun
    witness.send('end')
    const seen = await told
    const grew = Math.round((seen.resident - seen.before.resident) / MIB)
    const more = seen.files - seen.before.files
    const written = foreign() - before
    const worst = Math.max(...seen.visits)
    const row = {
      name, visits: seen.visits.length, worst: Math.round(worst), ready: Math.round(Math.max(...seen.ready)),
      entry: Math.round(entry), grew, peak: Math.round(seen.resident / MIB), files: more, lines: written,
    }
    this.rows.push(row)
    const faults = [...seen.faults]
    if (!(worst < 1000)) faults.push(`an honest peer needed ${worst.toFixed(0)} ms`)
    if (grew > grows) faults.push(`${grew} MiB more, where ${grows} are allowed`)
    if (more > files) faults.push(`${more} files more, where ${files} are allowed`)
    if (written > lines) faults.push(`${written} lines of log, where ${lines} are allowed`)
    if (faults.length) throw new Error(`${said ?? ''}: ${faults.join('; ')} ${JSON.stringify(row)}`)
    this.sound()
    const shown = `honest ${row.worst} ms in ${row.visits}, entry ${row.entry} ms, +${grew} MiB to ${row.peak}, +${more} files, ${written} lines`
    return said ? `${said}; ${shown}` : shown
  }

  sound() {
    const child = this.town.running.get('harbour')
    if (child.exitCode !== null || child.signalCode !== null) throw new Error('the node is gone')
    const log = this.town.log('harbour')
    if (/panicked|network part failed/.test(log)) throw new Error(log.slice(-3000))
  }

  report() {
    if (!this.rows.length) return
    console.log('\n| hostility | honest peers, worst (ms) | /readyz, worst (ms) | entry of another (ms) | grew, to (MiB) | files more | lines of log |')
    console.log('|---|---|---|---|---|---|---|')
    for (const r of this.rows) {
      console.log(`| ${r.name} | ${r.visits}, ${r.worst} | ${r.ready} | ${r.entry} | ${r.grew}, ${r.peak} | ${r.files} | ${r.lines} |`)
    }
  }

  end() {
    this.witness?.kill('SIGKILL')
    this.town.end()
  }
}
