// Throughput and p99 through the edge, beside other proxies and the app alone: everything a ratio within one run.
import { run } from '../../src/lib/run.ts'
import { type Figure, median, ms } from './figure.ts'
import { ensureRivals, hostOf, type Rival, startApps, startCaddy, startEdge, startNginx, startPlainHaproxy } from './rivals.ts'

// Many short rounds: on a shared machine one of five could decide.
const ROUNDS = 21
const SECONDS = 1
const CONNECTIONS = 32

interface Round {
  readonly perSecond: number
  readonly p99: number
}

/** Short rounds of all in turns, so that what else the machine does falls on all alike; about two minutes. */
export async function proxies(): Promise<Figure[]> {
  await ensureRivals()
  const apps = await startApps(1)
  const wanted = { routes: 1, apps: apps.ports }
  const started: Record<string, Rival> = {}
  try {
    started['the edge'] = await startEdge(wanted)
    started['static HAProxy'] = await startPlainHaproxy(wanted)
    started['nginx'] = await startNginx(wanted)
    started['Caddy'] = await startCaddy(wanted)
    const ports = { direct: apps.ports[0] ?? 0, ...Object.fromEntries(Object.entries(started).map(([name, { port }]) => [name, port])) }
    return figures(await measure(ports))
  } finally {
    for (const proxy of Object.values(started)) await proxy.stop()
    await apps.stop()
  }
}

async function measure(ports: Readonly<Record<string, number>>): Promise<Readonly<Record<string, readonly Round[]>>> {
  const rounds: Record<string, Round[]> = Object.fromEntries(Object.keys(ports).map((name) => [name, []]))
  for (let round = 0; round < ROUNDS; round += 1) {
    const order = round % 2 === 0 ? Object.entries(ports) : Object.entries(ports).toReversed()
    for (const [name, port] of order) rounds[name]?.push(await drive(port))
  }
  return rounds
}

async function drive(port: number): Promise<Round> {
  const args = ['-t1', `-c${CONNECTIONS}`, `-d${SECONDS}s`, '--latency', '-H', `Host: ${hostOf(0)}`, `http://127.0.0.1:${port}/`]
  const { stdout } = await run('wrk', args)
  const [, amount = '', unit = ''] = /99%\s+([\d.]+)(us|ms|s)/.exec(stdout) ?? []
  if (/Non-2xx/.test(stdout)) throw new Error(`not every answer on port ${port} was a good one: ${stdout}`)
  return {
    perSecond: Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1]),
    p99: Number(amount) * (unit === 'us' ? 0.001 : unit === 's' ? 1_000 : 1),
  }
}

function figures(rounds: Readonly<Record<string, readonly Round[]>>): Figure[] {
  const of = (name: string, what: keyof Round): number => median((rounds[name] ?? []).map((round) => round[what]))
  /** Of neighbours in one round: the machine's load falls out. */
  const ratio = (name: string, what: keyof Round, to: string): number =>
    median((rounds[name] ?? []).map((round, at) => round[what] / (rounds[to]?.[at]?.[what] ?? Number.NaN)))
  const others = Object.keys(rounds).filter((name) => name !== 'the edge')
  const toHaproxy = ratio('the edge', 'perSecond', 'static HAProxy')
  const slower = ratio('the edge', 'p99', 'static HAProxy')
  return [
    {
      what: `requests a second through the edge, ${CONNECTIONS} connections`,
      measured: `${Math.round(of('the edge', 'perSecond'))}, ${ratio('the edge', 'perSecond', 'direct').toFixed(2)} × direct, ${toHaproxy.toFixed(2)} × static HAProxy`,
      beside: others.map((name) => `${name} ${Math.round(of(name, 'perSecond'))} (${ratio(name, 'perSecond', 'direct').toFixed(2)} ×)`).join(', '),
      reach: '≥ 0.9 × static HAProxy',
      reached: toHaproxy >= 0.9,
    },
    {
      what: `p99 through the edge, ${CONNECTIONS} connections`,
      measured: `${ms(of('the edge', 'p99'))}, ${slower.toFixed(2)} × static HAProxy`,
      beside: others.map((name) => `${name} ${ms(of(name, 'p99'))}`).join(', '),
      reach: '≤ 1.5 × static HAProxy',
      reached: slower <= 1.5,
    },
  ]
}
