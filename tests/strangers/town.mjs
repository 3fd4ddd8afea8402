// A federation of real processes in a temporary folder, on ports that the system chooses.

import { spawn, spawnSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Key } from './records.mjs'

const PATIENCE = 60_000

/** Waits until something is so. */
export async function until(what, attempt, patience = PATIENCE) {
  const begun = performance.now()
  while (performance.now() - begun < patience) {
    try {
      const found = await attempt()
      if (found) return found
    } catch {
      // not yet
    }
    await sleep(20)
  }
  throw new Error(`not within ${patience / 1000} s: ${what}`)
}

export class Town {
  constructor(program) {
    this.program = program
    this.folder = fs.mkdtempSync(path.join(os.tmpdir(), 'lapwing-strangers-'))
    this.running = new Map()
  }

  verb(...args) {
    const done = spawnSync(this.program, [...args, '--json'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
    if (done.status !== 0) throw new Error(`lapwing ${args.join(' ')}: ${done.stdout}${done.stderr}`)
    return JSON.parse(done.stdout)
  }

  at(...parts) {
    return path.join(this.folder, ...parts)
  }

  init(name, ...more) {
    this.verb(
      ...['--data', this.at(name), 'init', '--short-name', name, '--legal-name', name, '--country', 'GB'],
      ...['--category', 'consumer_protection', '--keys-out', this.at(`${name}-keys`), '--insecure-no-passphrase'],
      ...more,
    )
  }

  found(names) {
    for (const name of names) this.init(name, '--founder')
    const inceptions = names.map((name) => `"${name}-keys/${name}.inception"`).join(', ')
    const charter = this.at('charter.toml')
    fs.writeFileSync(charter, `name = "Test"\nfounders = [${inceptions}]\n[params]\nwindow = "1s"\ngrace = "1s"\n`)
    this.verb('charter', 'new', charter, '-o', this.at('unsigned'))
    const signed = names.map((name) => {
      const [root, out] = [this.at(`${name}-keys`, 'root-1.key'), this.at(`${name}.sig`)]
      this.verb('charter', 'sign', this.at('unsigned'), '--root-key', root, '--yes', '-o', out)
      return out
    })
    this.verb('charter', 'join', this.at('unsigned'), ...signed, '-o', this.at('charter.lapwing'))
    for (const name of names) this.verb('--data', this.at(name), 'charter', 'install', this.at('charter.lapwing'))
  }

  async start(name, bootstrap = []) {
    fs.rmSync(this.at(name, 'run', 'api.address'), { force: true })
    const log = fs.openSync(this.at(`${name}.log`), 'a')
    const args = ['--data', this.at(name), 'run', '--insecure-no-passphrase', '--api-listen', '127.0.0.1:0']
    args.push('--listen', '127.0.0.1:0', ...bootstrap.flatMap((addr) => ['--bootstrap', addr]))
    const child = spawn(this.program, args, { stdio: ['ignore', 'ignore', log] })
    this.running.set(name, child)
    return until(`${name} answers`, () => this.ask(name, 'GET', '/status'))
  }

  async stop(name) {
    const child = this.running.get(name)
    this.running.delete(name)
    const ended = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGTERM')
    await ended
  }

  api(name) {
    return `http://${fs.readFileSync(this.at(name, 'run', 'api.address'), 'utf8').trim()}`
  }

  token(name) {
    return fs.readFileSync(this.at(name, 'run', 'api.token'), 'utf8').trim()
  }

  async ask(name, method, where, body) {
    const headers = { authorization: `Bearer ${this.token(name)}`, 'content-type': 'application/json' }
    const options = { method, headers, body: body && JSON.stringify(body), signal: AbortSignal.timeout(10_000) }
    const answer = await fetch(`${this.api(name)}/api/v1${where}`, options)
    if (!answer.ok) throw new Error(`${method} ${where}: ${answer.status} ${await answer.text()}`)
    return answer.json()
  }

  /** The port that a node listens on for its peers. */
  async port(name) {
    const { listening } = await this.ask(name, 'GET', '/status')
    return Number(listening[0].split('/tcp/')[1])
  }

  key(name, kind) {
    return Key.ofFile(this.at(name, 'keys', `${kind}.key`))
  }

  log(name) {
    return fs.readFileSync(this.at(`${name}.log`), 'utf8')
  }

  /** Ends every process and removes the folder. */
  end() {
    for (const child of this.running.values()) child.kill('SIGKILL')
    fs.rmSync(this.folder, { recursive: true, force: true })
  }
}

/** A contact as the API takes it. */
export const contact = (slot) => ({
  ...{ slot, role: 'case_intake', name: 'Intake', areas: [], channels: [], languages: ['en'], hours: [] },
  ...{ time_zone: 'Europe/London', ways: [{ kind: 'email', value: 'x@agency.example' }], deputy: null },
  ...{ reconfirm_by: 4_102_444_800_000, withdrawn: false },
})
