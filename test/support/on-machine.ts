// What an operator sees on a machine with Lockgate: its command's answers, the page of an app, what the engine holds.
import type { z } from 'zod'
import type * as resource from '../../src/api/contract/resources.ts'
import type { Machine } from './machine.ts'
import { until } from './until.ts'

export type EnvironmentView = z.output<typeof resource.Environment>
export type DeploymentView = z.output<typeof resource.Deployment>
export type ReleaseView = z.output<typeof resource.Release>

/** Everything has come right by itself this long after a boot. */
export const REPAIR_MS = 300_000

/** What `lockgate <words> --json` answers. */
export async function answerOf<T>(machine: Machine, words: string): Promise<T> {
  return JSON.parse((await machine.type(`lockgate ${words} --json`)).stdout) as T
}

/** Production of an app, as `lockgate status` shows it. */
export async function production(machine: Machine, app: string): Promise<EnvironmentView> {
  const { environments } = await answerOf<z.output<typeof resource.App>>(machine, `status ${app}`)
  const found = environments.find((one) => one.name === 'production')
  if (!found) throw new Error(`${app} has no production`)
  return found
}

/** The newest deployment of an app. */
export async function newestDeployment(machine: Machine, app: string): Promise<DeploymentView | undefined> {
  return (await answerOf<DeploymentView[]>(machine, `deployments ${app} --limit 1`))[0]
}

/** The page of an app through the edge; throws for another status than 200. */
export async function pageOf(machine: Machine, app: string): Promise<string> {
  return (await machine.type(`curl -sSf --max-time 30 http://${app}.localhost/`)).stdout
}

/** The release that an answer of the sample app names. */
export function releaseOn(page: string): string {
  return /\br\d+\b/.exec(page)?.[0] ?? 'no release'
}

/** Waits until apps answer through the edge; gives the seconds since the kernel of the machine began. */
export function secondsUntilAnswer(machine: Machine, apps: readonly string[]): Promise<number> {
  return secondsUntil(
    machine,
    apps.map((app) => `http://${app}.localhost/up`),
  )
}

/** Waits until the server answers, which may be later than the apps; gives the seconds since the kernel of the machine began. */
export function secondsUntilServer(machine: Machine): Promise<number> {
  return secondsUntil(machine, ['http://127.0.0.1:7070/v1/health'])
}

async function secondsUntil(machine: Machine, urls: readonly string[]): Promise<number> {
  const one = (url: string): string => `until curl -sf --max-time 10 -o /dev/null ${url}; do sleep 0.2; done`
  const { stdout } = await machine.type(`${urls.map(one).join('; ')}; cut -d ' ' -f 1 /proc/uptime`, { timeoutMs: REPAIR_MS })
  return Number(stdout)
}

/** Waits until `lockgate doctor` finds nothing; throws with what it still finds at the bound. */
export async function doctorIsFine(machine: Machine): Promise<void> {
  let said = ''
  await until(
    'lockgate doctor is fine',
    async () => {
      const { status, stdout, stderr } = await machine.type('lockgate doctor', { anyStatus: true })
      said = stdout + stderr
      return status === 0
    },
    REPAIR_MS,
  ).catch((cause: unknown) => {
    throw new Error(`lockgate doctor is not fine:\n${said}`, { cause })
  })
}

/** What the engine answers to a GET with a label as filter. Debian's docker.io brings no command of that name. */
async function fromEngine<T>(machine: Machine, path: string, label: string): Promise<T> {
  const filters = encodeURIComponent(JSON.stringify({ label: [label] }))
  const { stdout } = await machine.type(`curl -sSf --unix-socket /run/docker.sock 'http://engine${path}${path.includes('?') ? '&' : '?'}filters=${filters}'`)
  return JSON.parse(stdout) as T
}

/** Containers with our label, by name and by whether they run. */
export async function containersOnMachine(machine: Machine): Promise<{ readonly all: string[]; readonly running: string[] }> {
  const found = await fromEngine<{ Names: string[]; State: string }[]>(machine, '/containers/json?all=1', 'lockgate.installation')
  const names = (of: typeof found): string[] => of.map((one) => (one.Names[0] ?? '').replace(/^\//, '')).toSorted()
  return { all: names(found), running: names(found.filter((one) => one.State === 'running')) }
}

/** Everything in the engine with a label of ours, by kind. */
export async function oursInEngine(machine: Machine): Promise<Record<'containers' | 'networks' | 'volumes' | 'images', number>> {
  const networks = await fromEngine<unknown[]>(machine, '/networks', 'lockgate.installation')
  const volumes = await fromEngine<{ Volumes: unknown[] | null }>(machine, '/volumes', 'lockgate.installation')
  const images = await fromEngine<unknown[]>(machine, '/images/json', 'lockgate.image')
  return {
    containers: (await containersOnMachine(machine)).all.length,
    networks: networks.length,
    volumes: (volumes.Volumes ?? []).length,
    images: images.length,
  }
}

/** Containers that must be there: one for each instance that the status of the apps shows. */
export async function wantedContainers(machine: Machine, apps: readonly string[]): Promise<string[]> {
  const environments: EnvironmentView[] = []
  for (const app of apps) environments.push(await production(machine, app))
  return environments.flatMap((one) => one.instances.map((instance) => instance.name)).toSorted()
}
