// Builds: against the same commands in a plain container, again after a small change, many at once, and beside traffic.
import { readFileSync } from 'node:fs'
import type { z } from 'zod'
import { endpoints } from '../../src/api/contract/endpoints.ts'
import type { Build } from '../../src/api/contract/resources.ts'
import { pause } from '../../src/lib/clock.ts'
import { startDisruption } from '../../test/support/disruption/index.ts'
import type { Tally } from '../../test/support/disruption/types.ts'
import { ask } from '../../test/support/edge.ts'
import { testImage } from '../../test/support/images.ts'
import { anInstallation, type Installation } from '../../test/support/installation.ts'
import { aPerson, type Person, well } from '../../test/support/person.ts'
import { type Figure, median, ms } from './figure.ts'
import { rawBuild } from './raw.ts'

const ROUNDS = 3
const AT_ONCE = 20
const BUSY_SECONDS = 20
const RATE = 200
type BuildView = z.output<typeof Build>

export async function builds(): Promise<Figure[]> {
  const lockgate = await anInstallation({ range: '10.224.0.0/16', built: true, settings: { logLevel: 'info' } })
  const ada = await aPerson(lockgate.apiUrl, lockgate.token)
  try {
    return [
      ...(await againstPlain(lockgate, ada)),
      ...(await makefile(lockgate, ada)),
      ...(await atOnce(lockgate, ada)),
      ...(await besideTraffic(lockgate, ada)),
    ]
  } finally {
    await ada.leave()
    await lockgate.stop()
  }
}

const here = (app: string) => ({ params: { app, environment: 'production' } as never })
const tookOf = (build: BuildView): number => (build.finishedAt ?? 0) - (build.startedAt ?? 0)

async function lastBuild(lockgate: Installation, app: string): Promise<BuildView> {
  const [build] = await lockgate.call(endpoints.listBuilds, here(app))
  if (build?.status !== 'succeeded') throw new Error(`the build of ${app} is ${build?.status}: ${build?.message}`)
  return build
}

async function anApp(ada: Person, name: string, example: string): Promise<string> {
  const folder = await ada.repository(name, { example })
  await well(ada.lockgate(['create', name], { cwd: folder }))
  return folder
}

/** Each round a new app: nothing of it is in any cache, here or there. */
async function againstPlain(lockgate: Installation, ada: Person): Promise<Figure[]> {
  const firsts: number[] = []
  const raws: number[] = []
  const agains: number[] = []
  const unchanged: number[] = []
  for (let round = 0; round <= ROUNDS; round++) {
    const app = `express-${round}`
    const folder = await anApp(ada, app, 'express-hello')
    await well(ada.git(folder, 'push', 'lockgate', 'main'))
    const first = await lastBuild(lockgate, app)
    const raw = await rawBuild(lockgate, { folder, command: first.steps.map((step) => step.name).join(' && '), cache: null })
    await ada.commit(folder, { 'greeting.txt': 'one line\n' })
    await well(ada.git(folder, 'push', 'lockgate', 'main'))
    const again = await lastBuild(lockgate, app)
    await ada.commit(folder, {})
    const began = performance.now()
    await well(ada.git(folder, 'push', 'lockgate', 'main'))
    const took = performance.now() - began
    // The first round fills what a machine has once: base images, the engine's own caches.
    if (round === 0) continue
    firsts.push(tookOf(first))
    raws.push(raw.ms)
    agains.push(tookOf(again))
    unchanged.push(took)
  }
  const ratio = median(firsts) / median(raws)
  const share = median(agains) / median(firsts)
  return [
    {
      what: 'first build of the Express sample, nothing cached',
      measured: `${ms(median(firsts))}, ratio ${ratio.toFixed(2)} (median of ${ROUNDS}: ${firsts.map(ms).join(', ')})`,
      beside: `the same commands in a plain container, and its image: ${ms(median(raws))}`,
      reach: '≤ 1.2 ×',
      reached: ratio <= 1.2,
    },
    {
      what: 'build again with one changed source line',
      measured: `${ms(median(agains))}, ratio ${share.toFixed(2)}`,
      beside: `its first build: ${ms(median(firsts))}`,
      reach: '≤ 0.5 ×',
      reached: share <= 0.5,
    },
    {
      what: 'push of an unchanged tree to running',
      measured: `${ms(median(unchanged))} (${unchanged.map(ms).join(', ')})`,
      beside: 'git push to its end, deployment and all',
      reach: '≤ 3 s',
      reached: median(unchanged) <= 3_000,
    },
  ]
}

async function makefile(lockgate: Installation, ada: Person): Promise<Figure[]> {
  const folder = await anApp(ada, 'made', 'makefile-hello')
  const own: number[] = []
  const totals: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    await ada.commit(folder, { 'round.txt': `${round}\n` })
    await well(ada.git(folder, 'push', 'lockgate', 'main'))
    const build = await lastBuild(lockgate, 'made')
    totals.push(tookOf(build))
    own.push(tookOf(build) - 1_000 * build.steps.reduce((sum, step) => sum + step.seconds, 0))
  }
  return [
    {
      what: "platform's own time per Makefile build, image made and registered",
      measured: `${ms(median(own))} (median of ${ROUNDS})`,
      beside: `the whole build: ${ms(median(totals))}`,
      reach: 'printed',
      reached: true,
    },
  ]
}

async function atOnce(lockgate: Installation, ada: Person): Promise<Figure[]> {
  const apps = ['at-one', 'at-two', 'at-three', 'at-four']
  const folders = await Promise.all(apps.map((app) => anApp(ada, app, 'static-hello')))
  const each = AT_ONCE / apps.length
  for (const folder of folders) for (let at = 1; at < each; at++) await ada.commit(folder, { 'newest.txt': `${at}\n` })
  let residentMb = 0
  const watching = setInterval(() => {
    residentMb = Math.max(residentMb, Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${lockgate.pid()}/status`, 'utf8'))?.[1]) / 1024)
  }, 50)
  const began = performance.now()
  const said = await Promise.all(
    folders.flatMap((folder) => Array.from({ length: each }, (_, back) => ada.git(folder, 'push', 'lockgate', `HEAD~${each - 1 - back}:refs/heads/main`))),
  )
  for (const folder of folders) await ada.git(folder, 'push', 'lockgate', 'main')
  const seconds = (performance.now() - began) / 1_000
  clearInterval(watching)
  const wrong = said.filter((one) => one.status !== 0 && !/takes its place|newer|moved meanwhile/.test(one.all)).length
  const live = await Promise.all(apps.map(async (app) => (await ask(lockgate.edge.config.httpPort, `${app}.localhost`, { path: '/newest.txt' })).body.trim()))
  const newest = live.filter((text) => text === String(each - 1)).length
  return [
    {
      what: `${AT_ONCE} pushes at once, to ${apps.length} apps`,
      measured: `${wrong} ended wrong, newest commit live in ${newest} of ${apps.length}, ${seconds.toFixed(1)} s, server at most ${residentMb.toFixed(0)} MB`,
      beside: '2 builds at a time',
      reach: '0 wrong, all newest, ≤ 200 MB',
      reached: wrong === 0 && newest === apps.length && residentMb <= 200,
    },
  ]
}

async function besideTraffic(lockgate: Installation, ada: Person): Promise<Figure[]> {
  await lockgate.call(endpoints.createApp, { body: { name: 'beside' } })
  await lockgate.deploy('beside', { verb: 'deploy', image: await testImage(lockgate.boxes, 'hello', 'one') })
  const target = { port: lockgate.edge.config.httpPort, host: 'beside.localhost', rate: RATE, kinds: ['kept'] as const }
  const measure = async (seconds: number): Promise<Tally | undefined> => {
    const clients = await startDisruption(target)
    await pause(seconds * 1_000)
    return (await clients.stop()).kinds['kept']
  }
  const rest = await measure(BUSY_SECONDS / 2)
  const busy = `build:\n\tnode -e "const end = Date.now() + ${(BUSY_SECONDS + 10) * 1_000}; while (Date.now() < end) {}"\n\ttouch code.tar.gz\n\ttar -czf code.tar.gz --exclude=./code.tar.gz .\nrun:\n\tnode server.js\n`
  const pushes = await Promise.all(
    ['busy-one', 'busy-two'].map(async (app) => {
      const folder = await ada.repository(app, { files: { Makefile: busy, 'server.js': '' } })
      await well(ada.lockgate(['create', app], { cwd: folder }))
      return ada.start('git', ['push', 'lockgate', 'main'], folder)
    }),
  )
  while ((await lockgate.call(endpoints.listAllBuilds, { query: { status: 'running' } })).length < 2) await pause(50)
  await pause(2_000)
  const during = await measure(BUSY_SECONDS / 2)
  for (const build of await lockgate.call(endpoints.listAllBuilds, { query: { status: 'running' } }))
    await lockgate.call(endpoints.cancelBuild, { params: { id: build.id } })
  await Promise.all(pushes.map((one) => one.ended))
  const ratio = (during?.p99 ?? Number.NaN) / (rest?.p99 ?? Number.NaN)
  return [
    {
      what: 'edge p99 while two builds burn a core each',
      measured: `${ms(during?.p99 ?? Number.NaN)}, ratio ${ratio.toFixed(2)}, ${during?.failed} of ${during?.sent} failed`,
      beside: `at rest: ${ms(rest?.p99 ?? Number.NaN)}, ${rest?.failed} of ${rest?.sent} failed`,
      reach: '≤ 3 ×, 0 failed',
      reached: ratio <= 3 && during?.failed === 0,
    },
  ]
}
