import { cp, mkdir, rm } from 'node:fs/promises'
import { request } from 'node:http'
import { join } from 'node:path'
import { pause } from '../../src/lib/clock.ts'
import { run } from '../../src/lib/run.ts'
import type { Settings } from '../../src/settings.ts'
import { type Places, ROOT, SetupError, say } from './places.ts'

const CLI = join(ROOT, 'bin/lockgate')

/** It also makes the base images: a minute on a server, and 20 were seen on a busy machine with two emulated processors. */
const FIRST_PUSH_MS = 3_600_000

/** Runs the CLI as the person who types bin/up would. Gives its answer. */
export async function lockgate(
  args: readonly string[],
  options: { readonly env: Readonly<Record<string, string>>; readonly cwd?: string; readonly input?: string },
): Promise<string> {
  const result = await run(CLI, args, { ...options, anyStatus: true, timeoutMs: 300_000 })
  if (result.status !== 0) throw new SetupError(`lockgate ${args.join(' ')}: ${(result.stderr || result.stdout).trim()}`)
  return result.stdout.trim()
}

/** Creates the sample app and deploys it by a real git push, the first time; gives its URL. */
export async function deploySample(places: Places, env: Readonly<Record<string, string>>): Promise<string> {
  const apps = JSON.parse(await lockgate(['apps', '--json'], { env })) as { name: string; environments: { release: string | null; urls: string[] }[] }[]
  const known = apps.find((app) => app.name === 'hello')
  if (known?.environments[0]?.release != null) return known.environments[0].urls[0] ?? ''
  const folder = join(places.home, 'hello')
  await rm(folder, { recursive: true, force: true })
  await mkdir(places.home, { recursive: true })
  await cp(join(ROOT, 'examples/node-hello'), folder, { recursive: true })
  const gitEnv = {
    ...env,
    GIT_AUTHOR_NAME: 'Lockgate',
    GIT_AUTHOR_EMAIL: 'lockgate@localhost',
    GIT_COMMITTER_NAME: 'Lockgate',
    GIT_COMMITTER_EMAIL: 'lockgate@localhost',
  }
  const git = (...args: string[]) => run('git', args, { cwd: folder, env: gitEnv, timeoutMs: 600_000 })
  await git('init', '--quiet', '--initial-branch=main')
  await git('add', '--all')
  await git('commit', '--quiet', '--message', 'The sample app')
  // An app that is there from an attempt that failed gets the remote and its credential helper all the same.
  await lockgate([known ? 'remote' : 'create', 'hello'], { env: gitEnv, cwd: folder })
  say('· git push lockgate main (the sample app; the first build also makes the base images)')
  const push = await run('git', ['push', 'lockgate', 'main'], { cwd: folder, env: gitEnv, timeoutMs: FIRST_PUSH_MS, anyStatus: true })
  if (push.status !== 0) throw new SetupError(`the sample app could not be deployed:\n${push.stderr.trim()}`)
  for (const line of push.stderr.split('\n')) if (/✓|live at/.test(line)) say(`  ${line.replace(/^remote:\s*/, '').trim()}`)
  const app = JSON.parse(await lockgate(['status', 'hello', '--json'], { env })) as { environments: { urls: string[] }[] }
  return app.environments[0]?.urls[0] ?? ''
}

/** After everything was killed the engine, the server and the instances come up one after another. */
const PATIENCE_MS = 60_000

/** Asks a route through the edge, on this machine, whatever DNS says, until it answers 200. Throws SetupError when it does not within a minute. */
export async function askThroughEdge(settings: Settings, url: string, patienceMs = PATIENCE_MS): Promise<void> {
  const { hostname } = new URL(url)
  const port = Number((settings.edge.config as { httpPort?: number }).httpPort ?? 80)
  for (const began = performance.now(); ; await pause(500)) {
    const answer = await askOnce(port, hostname)
    if (answer === '200') return
    if (performance.now() - began > patienceMs)
      throw new SetupError(`${url} answers ${answer} through the edge, for ${patienceMs / 1_000} s; "lockgate status hello" and "lockgate doctor" say more.`)
  }
}

/** The status, or what went wrong. */
function askOnce(port: number, hostname: string): Promise<string> {
  return new Promise((resolve) => {
    const asking = request({ host: '127.0.0.1', port, headers: { host: hostname }, timeout: 15_000 }, (response) => {
      response.resume()
      resolve(String(response.statusCode))
    })
    asking.on('timeout', () => asking.destroy(new Error('nothing within 15 s')))
    asking.on('error', (error) => resolve(error.message))
    asking.end()
  })
}
