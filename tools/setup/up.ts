// What bin/up does once Node and the build are there: engine, edge, server, sign-in, sample app. Each part first looks.
import { existsSync, lstatSync, readFileSync, readlinkSync, symlinkSync, unlinkSync } from 'node:fs'
import { mkdir, readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { currentServer } from '../../src/cli/account.ts'
import { Config as EdgeConfig, edgeFolder } from '../../src/drivers/edge/haproxy/schema.ts'
import { edgeListens, haproxyArguments, haproxyCheck, writeInitial } from '../../src/drivers/edge/haproxy/start.ts'
import { pause } from '../../src/lib/clock.ts'
import { writeAtomic } from '../../src/lib/files.ts'
import { SERVER_FLAGS } from '../../src/lib/node-flags.ts'
import { run } from '../../src/lib/run.ts'
import type { Settings } from '../../src/settings.ts'
import type { Kept } from '../../src/supervisor.ts'
import { ENGINE, engineAnswers, ensureEngine, waitForEngine } from './engine.ts'
import { type Keeper, keeperOf, NODE } from './keeper.ts'
import { hasSystemd, main, type Places, placesOf, ROOT, SetupError, say } from './places.ts'
import { askThroughEdge, deploySample, lockgate } from './sample.ts'
import { type Asked, readArguments, settle } from './settings.ts'

/** How long a server may take to start; one that ends meanwhile again and again is given up sooner. */
const START_MS = 240_000
const RESTARTS_MS = 30_000

await main(async () => {
  const asked = readArguments(process.argv.slice(2))
  const places = placesOf(asked.home)
  await mkdir(places.home, { recursive: true, mode: 0o755 })
  const keeper = keeperOf(places)
  if (asked.newCode) return newCode(places, keeper)
  const { settings, changed } = await settle(places, asked)
  const text = await readFile(places.settings, 'utf8')
  // Settings are also written by hand: what the server was started with tells.
  const inUse = join(places.home, 'settings-in-use')
  const edited = existsSync(inUse) && (await readFile(inUse, 'utf8')) !== text
  const started = await startAll(places, { keeper, settings, changed: changed || edited })
  await writeAtomic(inUse, text, 0o640)
  const url = apiUrl(settings)
  const env = await signIn(places, url)
  const command = places.system ? putOnPath() : `${ROOT}/bin/lockgate`
  const sample = asked.sample ? await deploySample(places, env) : null
  if (sample !== null) await askThroughEdge(settings, sample)
  await report({ places, asked, keeper, url, sample, started, command })
})

async function startAll(places: Places, how: { readonly keeper: Keeper; readonly settings: Settings; readonly changed: boolean }): Promise<string> {
  const { keeper, settings } = how
  const { ours } = await ensureEngine((await keeper.pidOf('engine')) !== null)
  const edge = EdgeConfig.parse({ ...edgeFolder(settings), ...settings.edge.config })
  await mkdir(places.data, { recursive: true, mode: 0o700 })
  // The worker of the edge gives up root: it must reach its pages and maps.
  await mkdir(edge.directory, { recursive: true, mode: 0o755 })
  await writeInitial(edge)
  if (ours) {
    if (!(await engineAnswers())) say('· starting the Docker engine')
    await keeper.keep([ENGINE])
    await waitForEngine(join(places.home, 'log/engine.log'))
  }
  const server: Kept = {
    name: 'server',
    file: NODE,
    args: [...SERVER_FLAGS, join(ROOT, 'dist/main.js')],
    env: { LOCKGATE_SETTINGS: places.settings, HOME: homedir() },
    listen: [],
    alive: `${apiUrl(settings)}/v1/health`,
  }
  const news = await keeper.keep([
    ...(ours ? [ENGINE] : []),
    { name: 'edge', file: edge.program, args: [...haproxyArguments(edge)], env: {}, listen: [...(await edgeListens(edge))], check: [...haproxyCheck(edge)] },
    server,
  ])
  const built = `${JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')).version}+${readFileSync(join(ROOT, 'dist/build-id'), 'utf8').trim()}`
  const running = await waitForServer(places, apiUrl(settings), how.changed ? null : undefined)
  if (!how.changed && running === built) return news ? 'started' : 'was up already'
  if (running !== null)
    say(
      running === built
        ? '· the settings changed: the server is started anew, traffic flows on'
        : `· upgrading ${running} → ${built}: the database is copied, the server replaced, traffic flows on`,
    )
  await keeper.restart('server')
  await waitForServer(places, apiUrl(settings), built)
  return running === built ? 'started anew with other settings' : `upgraded to ${built}`
}

/** The version of the server that answers. `wanted` null: one look is enough; a version: until that one answers. */
async function waitForServer(places: Places, url: string, wanted: string | null | undefined): Promise<string | null> {
  const began = performance.now()
  const keeper = keeperOf(places)
  let pid: number | null = null
  for (;;) {
    pid ??= await keeper.pidOf('server')
    const version = await fetch(`${url}/v1/health`).then(
      async (answer) => ((await answer.json()) as { version: string }).version,
      () => null,
    )
    if (wanted === null || (version !== null && (wanted === undefined || version === wanted))) return version
    const waitedMs = performance.now() - began
    if (waitedMs > START_MS || (waitedMs > RESTARTS_MS && (await keeper.pidOf('server')) !== pid))
      throw new SetupError(
        `the server does not answer on ${url}. Its log: ${hasSystemd() && places.system ? 'journalctl -u lockgate' : join(places.home, 'log/server.log')}`,
      )
    await pause(100)
  }
}

function apiUrl(settings: Settings): string {
  const { host, port } = settings.listen
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`
}

/** Signs this user's CLI in with the one-time code, the first time. */
async function signIn(places: Places, url: string): Promise<Record<string, string>> {
  const xdg = process.env['XDG_CONFIG_HOME'] ?? join(homedir(), '.config')
  const env = { HOME: homedir(), XDG_CONFIG_HOME: xdg, LOCKGATE_URL: url, PATH: process.env['PATH'] ?? '' }
  const known = await run(join(ROOT, 'bin/lockgate'), ['apps', '--json'], { env, anyStatus: true })
  if (known.status === 0) return env
  const path = join(places.data, 'sign-in-code')
  const code = existsSync(path) ? readFileSync(path, 'utf8').trim() : ''
  const signedIn = await run(join(ROOT, 'bin/lockgate'), ['login', url, '--keep-default', '--code', code], { env, anyStatus: true })
  if (signedIn.status === 0) return env
  await makeCode(places, keeperOf(places))
  await lockgate(['login', url, '--keep-default', '--code', readFileSync(path, 'utf8').trim()], { env })
  return env
}

async function makeCode(places: Places, keeper: Keeper): Promise<string> {
  const path = join(places.data, 'sign-in-code')
  const before = existsSync(path) ? readFileSync(path, 'utf8') : ''
  const pid = await keeper.pidOf('server')
  if (pid === null) throw new SetupError('the server does not run; bin/up starts it.')
  process.kill(pid, 'SIGUSR2')
  const deadline = performance.now() + 10_000
  while (!existsSync(path) || readFileSync(path, 'utf8') === before) {
    if (performance.now() > deadline) throw new SetupError('the server made no code; its log says why.')
    await pause(50)
  }
  return readFileSync(path, 'utf8').trim()
}

async function newCode(places: Places, keeper: Keeper): Promise<void> {
  process.stdout.write(`${await makeCode(places, keeper)}\n`)
}

/** `lockgate` for everybody on this machine; a file of that name that is not ours stays. */
function putOnPath(): string {
  const link = '/usr/local/bin/lockgate'
  const target = join(ROOT, 'bin/lockgate')
  const present = lstatSync(link, { throwIfNoEntry: false })
  if (present && !present.isSymbolicLink()) return target
  if (present && readlinkSync(link) === target) return 'lockgate'
  if (present) {
    say(`· ${link} led to ${readlinkSync(link)}, and leads to this checkout now`)
    unlinkSync(link)
  }
  symlinkSync(target, link)
  return 'lockgate'
}

interface Outcome {
  readonly places: Places
  readonly asked: Asked
  readonly keeper: Keeper
  readonly url: string
  readonly sample: string | null
  readonly started: string
  readonly command: string
}

async function report(outcome: Outcome): Promise<void> {
  const { places, url, sample, keeper } = outcome
  const home = outcome.asked.home === null ? '' : ` --home ${places.home}`
  const current = await currentServer()
  const other = current === url ? null : current
  const command = other === null ? outcome.command : `LOCKGATE_URL=${url} ${outcome.command}`
  const lines = [
    '',
    `Lockgate is up (${outcome.started}).`,
    '',
    ...(other === null ? [] : [`The command talks to ${other} by default, which another installation set; LOCKGATE_URL chooses this one.`, '']),
    ...(sample === null ? [] : [`  the sample app   ${sample}`]),
    `  the API          ${url}`,
    `  its reference    ${url}/openapi.json`,
    `  data             ${places.data}`,
    '  signed in        as this user; another one types',
    `    ${command} login ${url}`,
    '  and the code that this prints:',
    `    ${ROOT}/bin/up${home} --new-code`,
    '',
    'Next:',
    ...(sample === null ? [] : [`  ${command} status hello`, `  ${command} scale hello 2`]),
    '  and in a repository of yours:',
    `  ${command} create shop && git push lockgate main`,
    '',
  ]
  if (keeper.name === 'supervisor')
    lines.push('There is no systemd here for it: after a reboot type bin/up again, or put', "this into root's crontab:", `  @reboot ${ROOT}/bin/up${home}`, '')
  process.stdout.write(lines.join('\n'))
}
