// How long it takes until a hostname leads somewhere else, with few and with many hostnames configured.
import { pause } from '../../src/lib/clock.ts'
import { type Figure, median, ms } from './figure.ts'
import { ask, ensureRivals, type Rival, startApps, startCaddy, startEdge, startNginx, startPlainHaproxy, type Wanted } from './rivals.ts'

const ROUTES = [1, 100, 1_000, 10_000]
const APPS = 10
const CHANGES = 7
/** Before each change: a HAProxy that has only just started, or reloads, does not hear that it is to reload. */
const REST_MS = 500

const RIVALS: Readonly<Record<string, (wanted: Wanted) => Promise<Rival>>> = {
  'HAProxy reload': startPlainHaproxy,
  'nginx reload': startNginx,
  'Caddy admin API': startCaddy,
}

/** From telling the proxy to the first answer of the other app: the median of seven changes, one proxy after another. */
export async function routes(): Promise<Figure[]> {
  await ensureRivals()
  const apps = await startApps(APPS)
  try {
    const figures: Figure[] = []
    for (const count of ROUTES) figures.push(await figure({ routes: count, apps: apps.ports }))
    return figures
  } finally {
    await apps.stop()
  }
}

async function figure(wanted: Wanted): Promise<Figure> {
  const ours = await changeTime(await startEdge(wanted))
  const others: string[] = []
  let reload = Number.NaN
  for (const [name, start] of Object.entries(RIVALS)) {
    const time = await changeTime(await start(wanted))
    if (name === 'HAProxy reload') reload = time
    others.push(`${name} ${ms(time)} (${(time / ours).toFixed(1)} ×)`)
  }
  return {
    what: `a route changes, ${wanted.routes.toLocaleString('en')} configured`,
    measured: `${ms(ours)} (median of ${CHANGES})`,
    beside: others.join(', '),
    reach: 'quicker than a HAProxy reload',
    reached: ours < reload,
  }
}

async function changeTime(proxy: Rival): Promise<number> {
  try {
    const times: number[] = []
    // The first change finds nothing prepared; those after it are what an operator sees.
    for (let change = 0; change <= CHANGES; change += 1) {
      const app = change % 2 === 0 ? 1 : 0
      await pause(REST_MS)
      const began = performance.now()
      await proxy.move(app)
      while ((await ask(proxy.port).catch(() => '')) !== `app ${app}`) {
        if (performance.now() - began > 60_000) throw new Error(`change ${change} of a route was not there within a minute`)
      }
      if (change > 0) times.push(performance.now() - began)
    }
    return median(times)
  } finally {
    await proxy.stop()
  }
}
