// What doctor says of apps: environments that should run and do not, releases found worse, networks that are gone.
import type { z } from 'zod'
import { EVERYTHING, type Scope } from '../core/actor/actor.ts'
import type { ObservedInstance } from '../core/instance/instance.ts'
import { durationText } from '../lib/duration.ts'
import type { Handling } from './call.ts'
import type * as resource from './contract/resources.ts'
import { showApp } from './status.ts'

type Check = z.input<typeof resource.Check>
type Environment = z.input<typeof resource.Environment>
type Instance = Environment['instances'][number]

/** One environment as status shows it, with what only doctor asks for. */
export interface AppFacts {
  readonly environment: Environment
  /** Names of instances that run and that their address does not lead to. */
  readonly detached: ReadonlySet<string>
  /** When its release was found worse (wall ms); null: it was not. */
  readonly worseAt: number | null
  /** How long ago an instance was ready last; null: never since the server started. */
  readonly readyAgoMs: (instance: string) => number | null
}

/** The checks of the apps in the scope. `observed` is null while the engine does not answer. */
export async function examineApps(handling: Handling, observed: readonly ObservedInstance[] | null, scope: Scope): Promise<Check[]> {
  const { read } = handling.store
  const detached = new Set((observed ?? []).filter((one) => one.isAttached === false).map((one) => one.name))
  const facts: AppFacts[] = []
  for (const app of await read.apps.list(scope, { where: { goneAt: null }, orderBy: 'name' })) {
    for (const environment of (await showApp(handling, app)).environments) {
      const where = { environmentId: environment.id, kind: 'release.worse' as const }
      const worse = environment.watch?.worse ? await read.events.list(EVERYTHING, { where, orderBy: 'seq', descending: true, limit: 1 }) : []
      facts.push({ environment, detached, worseAt: worse[0]?.at ?? null, readyAgoMs: (name) => handling.sight.prober.readyAgoMs(name) })
    }
  }
  return appChecks(facts)
}

/** One check for each fault; a single one that is fine where there is none. Pure. */
export function appChecks(facts: readonly AppFacts[]): Check[] {
  const faults = facts.flatMap((one) => [...networkFaults(one), ...stateFaults(one), ...worseFaults(one)])
  if (faults.length > 0) return faults
  const wanted = facts.filter(({ environment }) => environment.state === 'running').length
  return [{ area: 'apps', name: 'ready', ok: true, sentence: `All instances of the environments that should run are ready (${wanted} running)` }]
}

function networkFaults({ environment, detached }: AppFacts): Check[] {
  const cut = environment.instances.filter((instance) => detached.has(instance.name))
  if (cut.length === 0) return []
  const sentence = `${list(cut)} runs without its network, which was deleted or changed: requests do not reach it. Lockgate makes the network and the instance again within seconds; if this line stays, run "${command('restart', environment)}"`
  return [{ area: 'network', name: placeOf(environment), ok: false, sentence }]
}

function stateFaults({ environment, readyAgoMs }: AppFacts): Check[] {
  const { state, ready, count, instances } = environment
  if (state !== 'degraded' && state !== 'crash looping') return []
  const unready = instances.filter((instance) => instance.state !== 'ready' || instance.traffic !== 'in')
  const seen = unready.map((instance) =>
    instance.state === 'ready'
      ? `web.${instance.ordinal} is ready, but the edge does not send it requests`
      : `web.${instance.ordinal} is ${instance.state}${detail(instance)}, ${since(readyAgoMs(instance.name))}`,
  )
  const what = state === 'crash looping' ? 'crashes again and again' : 'is not ready'
  const next = `Read "${command('logs', environment)}", then deploy a corrected release or run "${command('rollback', environment)}"`
  return [
    {
      area: 'apps',
      name: placeOf(environment),
      ok: false,
      sentence: `${placeOf(environment)} ${what}: ${ready} of ${count} instances are ready. ${seen.length === 0 ? 'The others do not exist yet' : seen.join('; ')}. ${next}`,
    },
  ]
}

function worseFaults({ environment, worseAt }: AppFacts): Check[] {
  const worse = environment.watch?.worse ?? null
  if (worse === null) return []
  const at = worseAt === null ? '' : ` since ${new Date(worseAt).toISOString()}`
  const sentence = `The watched release is worse${at}: ${worse}. Run "${command('rollback', environment)}", or deploy a corrected release`
  return [{ area: 'apps', name: placeOf(environment), ok: false, sentence }]
}

function detail({ detail: text, restarts }: Instance): string {
  const facts = [...(text === '' ? [] : [text]), ...(restarts > 0 ? [`${restarts} restarts`] : [])]
  return facts.length === 0 ? '' : ` (${facts.join(', ')})`
}

function since(readyAgoMs: number | null): string {
  return readyAgoMs === null ? 'not ready since the server started' : `last ready ${durationText(readyAgoMs)} ago`
}

function list(instances: readonly Instance[]): string {
  return instances.map(({ ordinal }) => `web.${ordinal}`).join(', ')
}

function placeOf({ app, name }: Environment): string {
  return `${app}/${name}`
}

function command(verb: string, { app, name }: Environment): string {
  return `lockgate ${verb} ${app}${name === 'production' ? '' : ` -e ${name}`}`
}
