// Throughput and p99 through the edge, beside other proxies and the app alone: everything a ratio within one run.
import { run } from '../../src/lib/run.ts'
import { type Figure, median, ms } from './figure.ts'
import { ensureRivals, hostOf, type Rival, startApps, startCaddy, startEdge, startNginx, startPlainHaproxy } from './rivals.ts'

interface Load {
  readonly what: string
  readonly connections: number
}

const LOADS: readonly Load[] = [
  { what: '32 connections', connections: 32 },
  { what: '256 connections', connections: 256 },
  { what: 'one connection', connections: 1 },
]
// Two processes of one program with the same file differ by more than a tenth, for as long as they live: every contender is
// started anew so often. And many short rounds: on a shared machine one of five could decide.
const LIVES = 7
const ROUNDS = 3
const SECONDS = 1

/** One program for a second, under one load. */
interface Round {
  readonly load: Load
  readonly name: string
  readonly perSecond: number
  /** Milliseconds. */
  readonly p99: number
}

/** Short rounds of all in turns, so that what else the machine does falls on all alike; about six minutes. */
export async function proxies(): Promise<Figure[]> {
  await ensureRivals()
  const rounds: Round[] = []
  for (let life = 0; life < LIVES; life += 1) rounds.push(...(await liveOnce()))
  return LOADS.flatMap((load) =>
    figures(
      load,
      rounds.filter((round) => round.load === load),
    ),
  )
}

/** Starts all, measures them under every load, and stops them. */
async function liveOnce(): Promise<Round[]> {
  const apps = await startApps(1)
  const wanted = { routes: 1, apps: apps.ports }
  const started: Record<string, Rival> = {}
  try {
    started['the edge'] = await startEdge(wanted)
    started['static HAProxy'] = await startPlainHaproxy(wanted)
    started['nginx'] = await startNginx(wanted)
    started['Caddy'] = await startCaddy(wanted)
    const ports = { direct: apps.ports[0] ?? 0, ...Object.fromEntries(Object.entries(started).map(([name, { port }]) => [name, port])) }
    return await measure(ports)
  } finally {
    for (const proxy of Object.values(started)) await proxy.stop()
    await apps.stop()
  }
}

async function measure(ports: Readonly<Record<string, number>>): Promise<Round[]> {
  const rounds: Round[] = []
  for (const load of LOADS)
    for (let round = 0; round < ROUNDS; round += 1) {
      const order = round % 2 === 0 ? Object.entries(ports) : Object.entries(ports).toReversed()
      for (const [name, port] of order) rounds.push({ load, name, ...(await drive(port, load)) })
    }
  return rounds
}

async function drive(port: number, load: Load): Promise<Pick<Round, 'perSecond' | 'p99'>> {
  const args = ['-t1', `-c${load.connections}`, `-d${SECONDS}s`, '--latency', '-H', `Host: ${hostOf(0)}`, `http://127.0.0.1:${port}/`]
  const { stdout } = await run('wrk', args)
  const [, amount = '', unit = ''] = /99%\s+([\d.]+)(us|ms|s)/.exec(stdout) ?? []
  if (/Non-2xx/.test(stdout)) throw new Error(`not every answer on port ${port} was a good one: ${stdout}`)
  return {
    perSecond: Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1]),
    p99: Number(amount) * (unit === 'us' ? 0.001 : unit === 's' ? 1_000 : 1),
  }
}

function figures(load: Load, rounds: readonly Round[]): Figure[] {
  type What = 'perSecond' | 'p99'
  const all = (name: string, what: What): number[] => rounds.filter((round) => round.name === name).map((round) => round[what])
  const of = (name: string, what: What): number => median(all(name, what))
  /** To its neighbour in each round: the machine's load falls out. */
  const ratio = (what: What, to: string): number => {
    const others = all(to, what)
    return median(all('the edge', what).map((value, at) => value / (others[at] ?? Number.NaN)))
  }
  const others = [...new Set(rounds.map((round) => round.name))].filter((name) => name !== 'the edge')
  const times = Object.fromEntries(others.map((name) => [name, ratio('perSecond', name)]))
  const slower = ratio('p99', 'static HAProxy')
  const isAhead = (name: string): boolean => (times[name] ?? 0) > 1
  return [
    {
      what: `requests a second through the edge, ${load.what}`,
      measured: `${Math.round(of('the edge', 'perSecond'))}: ${others.map((name) => `${times[name]?.toFixed(2)} × ${name}`).join(', ')}`,
      beside: others.map((name) => `${name} ${Math.round(of(name, 'perSecond'))}`).join(', '),
      reach: '≥ 0.9 × static HAProxy, ahead of nginx and Caddy',
      reached: (times['static HAProxy'] ?? 0) >= 0.9 && isAhead('nginx') && isAhead('Caddy'),
    },
    {
      what: `p99 through the edge, ${load.what}`,
      measured: `${ms(of('the edge', 'p99'))}, ${slower.toFixed(2)} × static HAProxy`,
      beside: others.map((name) => `${name} ${ms(of(name, 'p99'))}`).join(', '),
      reach: '≤ 1.5 × static HAProxy',
      reached: slower <= 1.5,
    },
  ]
}
