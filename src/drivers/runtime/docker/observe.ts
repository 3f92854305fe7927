import type { ContainerState, ObservedInstance } from '../../../core/instance/instance.ts'
import { inspect, type Place } from './containers.ts'
import { wasOutOfMemory } from './events.ts'
import { LABEL, labelFilter } from './labels.ts'
import { hostAddresses } from './networks.ts'
import { type Inspected, Listed } from './schema.ts'

/** Its network still gives it its address, and this machine has not taken that for itself. */
function isAttached(listed: Listed, address: string): boolean {
  const own = Object.values(listed.NetworkSettings?.Networks ?? {}).some(({ IPAddress }) => IPAddress === address)
  return own && !hostAddresses().includes(address)
}

const STATES: Readonly<Record<string, ContainerState>> = {
  created: 'created',
  running: 'running',
  paused: 'running',
  restarting: 'restarting',
  removing: 'exited',
  exited: 'exited',
  dead: 'exited',
}

interface Details {
  readonly state: string
  readonly exitCode: number | null
  readonly oomKilled: boolean
  readonly restarts: number
  readonly startedAt: number | null
}

/**
 * Full listings. A poll in which nothing changed is one call: exit codes, restarts and start times come from an inspection
 * that is kept by container until its state, or the time it is up, says that something happened.
 */
export class Observer {
  readonly #place: Pick<Place, 'client' | 'installation' | 'guard'>
  readonly #known = new Map<string, Details>()

  constructor(place: Pick<Place, 'client' | 'installation' | 'guard'>) {
    this.#place = place
  }

  async observe(environmentId?: string): Promise<ObservedInstance[]> {
    const labels = environmentId === undefined ? {} : { [LABEL.environment]: environmentId }
    const listed = await this.#place.client.json(Listed, {
      path: '/containers/json',
      query: { all: 'true', ...labelFilter(this.#place.installation, labels) },
    })
    const observed = await Promise.all(listed.map((container) => this.#one(container)))
    if (environmentId === undefined) {
      this.#forget(listed)
      await this.#place.guard.stand()
    }
    return observed.filter((instance) => instance !== null).toSorted((a, b) => (a.name < b.name ? -1 : 1))
  }

  async #one(listed: Listed): Promise<ObservedInstance | null> {
    const kind = listed.Labels[LABEL.kind]
    const environmentId = listed.Labels[LABEL.environment]
    const key = listed.Labels[LABEL.key]
    if ((kind !== 'instance' && kind !== 'one-off') || !environmentId || !key) return null
    const details = await this.#details(listed)
    if (!details) return null
    const address = listed.Labels[LABEL.address] || Object.values(listed.NetworkSettings?.Networks ?? {})[0]?.IPAddress
    return {
      name: (listed.Names[0] ?? '').replace(/^\//, ''),
      environmentId,
      kind,
      set: Number(listed.Labels[LABEL.set] ?? 0),
      ordinal: Number(listed.Labels[LABEL.ordinal] ?? 0),
      key,
      state: STATES[details.state] ?? 'exited',
      exitCode: details.exitCode,
      oomKilled: details.oomKilled,
      restarts: details.restarts,
      digest: listed.ImageID,
      address: address || null,
      ...(kind === 'instance' && details.state === 'running' && address ? { isAttached: isAttached(listed, address) } : {}),
      startedAt: details.startedAt,
    }
  }

  async #details(listed: Listed): Promise<Details | null> {
    const known = this.#known.get(listed.Id)
    if (known && known.state === listed.State && isSameRun(listed, known.startedAt, Date.now())) return known
    const inspected = await inspect(this.#place.client, listed.Id)
    if (!inspected) return null
    const details = await this.#read(inspected)
    // The inspection is newer than the list: its state counts, and is kept only where both agree.
    if (details.state === listed.State) this.#known.set(listed.Id, details)
    return details
  }

  async #read(inspected: Inspected): Promise<Details> {
    const { State } = inspected
    const startedAt = wallTime(State.StartedAt)
    const ended = State.Status === 'exited' || State.Status === 'dead' || State.Status === 'restarting'
    const hasEnded = ended && State.ExitCode !== 0 && startedAt !== null
    // One that was started again has forgotten how it ended, but not when.
    const endedBefore = State.Status === 'running' && inspected.RestartCount > 0 ? wallTime(State.FinishedAt) : null
    const oomKilled =
      State.OOMKilled ||
      (hasEnded && (await this.#sawOom(inspected, startedAt))) ||
      (endedBefore !== null && (await wasOutOfMemory(this.#place.client, inspected.Id, { sinceMs: endedBefore - 1_000, untilMs: endedBefore + OOM_NEWS_MS })))
    return { state: State.Status, exitCode: ended ? State.ExitCode : null, oomKilled, restarts: inspected.RestartCount, startedAt }
  }

  #sawOom({ Id, State }: Inspected, startedAt: number): Promise<boolean> {
    const finishedAt = Math.max(startedAt, wallTime(State.FinishedAt) ?? 0)
    return wasOutOfMemory(this.#place.client, Id, { sinceMs: startedAt, untilMs: finishedAt + (State.ExitCode === SIGKILLED ? OOM_NEWS_MS : 0) })
  }

  #forget(listed: readonly Listed[]): void {
    const present = new Set(listed.map((container) => container.Id))
    for (const id of this.#known.keys()) if (!present.has(id)) this.#known.delete(id)
  }
}

/** 128 + 9: what the kernel does where memory is short, and the engine after a grace. */
const SIGKILLED = 137
const OOM_NEWS_MS = 500

const UNITS: Readonly<Record<string, number>> = { second: 1, minute: 60, hour: 3_600, day: 86_400, week: 604_800, month: 2_592_000, year: 31_536_000 }

/**
 * Whether a listed container may still be the run that was inspected: the engine's list says only how long it is up, in
 * words ("Up 3 seconds", "Up About a minute"). Young ones are always inspected: a crash loop is faster than the words.
 */
export function isSameRun(listed: Pick<Listed, 'State' | 'Status'>, startedAt: number | null, now: number): boolean {
  if (listed.State === 'restarting') return false
  if (listed.State !== 'running') return true
  if (startedAt === null) return false
  const [, number, unit] = /^Up (?:About )?(an?|\d+) (second|minute|hour|day|week|month|year)s?\b/.exec(listed.Status) ?? []
  if (number === undefined || unit === undefined) return false
  const count = number.startsWith('a') ? 1 : Number(number)
  const upAtMost = (count + 1) * (UNITS[unit] ?? 0)
  const upExpected = (now - startedAt) / 1000
  return upExpected >= 15 && upExpected <= upAtMost + 2
}

/** Wall milliseconds of the engine's times; its zero time is null. */
export function wallTime(text: string): number | null {
  const time = Date.parse(text)
  return Number.isNaN(time) || time <= 0 ? null : time
}
