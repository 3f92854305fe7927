// The keeper of last resort, as a process of its own, with programs that die and a disk that is full.
import { writeFileSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { ownFolder } from '../test/support/folder.ts'
import { freePort } from '../test/support/haproxy.ts'
import { until } from '../test/support/until.ts'
import { livePid } from './lib/pid-file.ts'
import { launch, run } from './lib/run.ts'
import { type Kept, pidFile } from './supervisor.ts'

let home: string
let port: number
let mounted = false
const children: ReturnType<typeof launch>[] = []

beforeEach(async () => {
  home = join(ownFolder('home'), 'keeper')
  port = await freePort()
  await mkdir(home, { recursive: true })
})
afterEach(async () => {
  for (const child of children.splice(0)) {
    const gone = new Promise((resolve) => (child.exitCode !== null || child.signalCode !== null ? resolve(null) : child.once('exit', resolve)))
    child.kill('SIGTERM')
    await gone
  }
  if (mounted) await run('umount', ['--lazy', home], { anyStatus: true })
  mounted = false
})

/** Answers with its pid; `/heard` with how often it was asked for a sign of life. */
const PROGRAM =
  "let n = 0; require('http').createServer((q, r) => r.end(String(q.url === '/heard' ? n : q.url === '/alive' ? ++n : process.pid))).listen(Number(process.env.PORT), '127.0.0.1')"

async function prepare(): Promise<void> {
  for (const folder of ['run', 'log']) await mkdir(join(home, folder), { recursive: true })
  const kept: Kept = {
    name: 'program',
    file: process.execPath,
    args: ['-e', PROGRAM],
    env: { PORT: String(port) },
    listen: [],
    alive: `http://127.0.0.1:${port}/alive`,
  }
  await writeFile(join(home, 'processes.json'), JSON.stringify([kept]))
}

function supervise(): ReturnType<typeof launch> {
  const child = launch(process.execPath, [new URL('supervisor.ts', import.meta.url).pathname, home])
  child.stdout?.resume()
  child.stderr?.resume()
  children.push(child)
  return child
}

async function ask(path: string): Promise<number> {
  return Number(await (await fetch(`http://127.0.0.1:${port}${path}`)).text())
}

function pidThatAnswers(): Promise<number | null> {
  return ask('/').catch(() => null)
}

async function replaced(pid: number | null): Promise<number> {
  let now: number | null = null
  await until('the program answers again, as another process', async () => {
    now = await pidThatAnswers()
    return now !== null && now !== pid
  })
  return now ?? 0
}

test('a program that was well and is killed again and again comes back at once each time', async () => {
  await prepare()
  supervise()
  const said: string[] = []
  children.at(-1)?.stderr?.on('data', (chunk: Buffer) => said.push(chunk.toString()))
  let pid = await replaced(null)
  for (let kill = 0; kill < 4; kill += 1) {
    await until('the supervisor has heard it', async () => (await ask('/heard')) > 0)
    process.kill(pid, 'SIGKILL')
    pid = await replaced(pid)
  }

  const waits = [...said.join('').matchAll(/"waitMs":(\d+)/g)].map((match) => Number(match[1]))
  expect(waits).toEqual([0, 0, 0, 0])
}, 60_000)

test('a second supervisor on the same home ends, and starts nothing', async () => {
  await prepare()
  supervise()
  const pid = await replaced(null)

  const second = supervise()
  await new Promise((resolve) => second.once('exit', resolve))

  expect(second.exitCode).toBe(0)
  expect(await pidThatAnswers()).toBe(pid)
  expect(livePid(pidFile(home, 'supervisor'), 'node')).not.toBe(second.pid)
})

test('on a full disk what is killed is started again', async () => {
  await run('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', home])
  mounted = true
  await prepare()
  supervise()
  const pid = await replaced(null)
  let written = 0
  try {
    for (; written < 64; written += 1) writeFileSync(join(home, `filler-${written}`), Buffer.alloc(16_384))
  } catch {
    // Full.
  }
  expect(written).toBeLessThan(64)

  process.kill(pid, 'SIGKILL')
  const second = await replaced(pid)
  process.kill(second, 'SIGKILL')

  expect(await replaced(second)).not.toBe(second)
})
