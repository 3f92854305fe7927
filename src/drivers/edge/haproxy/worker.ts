// One HAProxy worker: what it holds, and how it is brought to what it should hold by the fewest commands.
import { UnavailableError } from '../../../lib/errors.ts'
import { failpointHalfway } from '../../../lib/failpoint.ts'
import type { Desired, Maps } from './desired.ts'
import { difference, type View, type ViewSlot } from './difference.ts'
import { AGAIN } from './loopback.ts'
import { type Config, MAP_NAMES, type MapName, mapFile } from './schema.ts'
import type { MasterSocket } from './socket.ts'

export interface WorkerParts {
  readonly socket: MasterSocket
  readonly config: Config
  readonly pid: number
}

/** Requests by `backend/server`: in flight and queued. */
export type Load = ReadonlyMap<string, number>

/** Of one server, since its worker began: requests that ended, those that failed, mean milliseconds to the first byte. */
export interface ServerCounts {
  readonly requests: number
  readonly failures: number
  readonly answerMs: number
}

/** What `show stat` lists, as the sum of its types. */
const SERVERS = 4
const BACKENDS_AND_SERVERS = 6

/** A line of `show stat` by the names of its columns. */
type Row = ReadonlyMap<string, string>

/** One worker process of HAProxy, asked and told through the master: only what differs is sent. */
export class Worker {
  readonly #socket: MasterSocket
  readonly #config: Config
  readonly pid: number
  /** What it was last read to hold; null before the first time. */
  #view: View | null = null
  #structure: string | null = null

  constructor(parts: WorkerParts) {
    this.#socket = parts.socket
    this.#config = parts.config
    this.pid = parts.pid
  }

  /** Everything it holds. */
  async view(): Promise<View> {
    this.#view ??= { slots: await this.#readSlots([]), maps: await this.#readMaps(MAP_NAMES) }
    return this.#view
  }

  /**
   * Brings it to what is desired and reads back that it is. Throws UnavailableError `edge.unconfirmed` when what it holds
   * differs after two rounds, with what it answered.
   */
  async sync(desired: Desired): Promise<void> {
    await this.#refresh(desired)
    let answer = ''
    for (let round = 1; round <= 2; round += 1) {
      const commands = difference(await this.view(), desired, this.#mapPath)
      if (commands.length === 0) return
      await failpointHalfway('edge.half-told', () => this.#socket.tell(this.pid, commands.slice(0, Math.ceil(commands.length / 2))))
      answer = await this.#socket.tell(this.pid, commands)
      await this.#readAgain(commands, round === 2)
      if (difference(await this.view(), desired, this.#mapPath).length === 0) return
    }
    this.#view = null
    throw new UnavailableError('edge.unconfirmed', `HAProxy did not take a change (${answer.replace(/\s+/g, ' ').trim().slice(0, 300)}). Lockgate tries again.`)
  }

  /** The structure it was started with, or null when it is not ours. A worker keeps it for life. */
  async structure(): Promise<string | null> {
    this.#structure ??= /^description: lockgate-([0-9a-f]{16})$/m.exec(await this.#socket.tell(this.pid, ['show info']))?.[1] ?? null
    return this.#structure
  }

  /** How many files it may have open: connections, listening sockets, and one for each server that is checked. */
  async openFiles(): Promise<number> {
    const said = /^Ulimit-n: (\d+)$/m.exec(await this.#socket.tell(this.pid, ['show info']))?.[1]
    if (said === undefined) throw new UnavailableError('edge.worker_silent', `Worker ${this.pid} of HAProxy did not say its limits. Lockgate asks it again.`)
    return Number(said)
  }

  async generation(): Promise<number | null> {
    const answer = await this.#socket.tell(this.pid, [`get map ${this.#mapPath('generation')} generation`])
    const value = /found=yes.*value="(\d+)"/.exec(answer)?.[1]
    return value === undefined ? null : Number(value)
  }

  /** In-flight requests of these backends; one it does not have has none. */
  async load(backends: readonly string[]): Promise<Load> {
    const load = new Map<string, number>()
    for (const [server, row] of await this.#stats(backends)) load.set(server, number(row, 'scur') + number(row, 'qcur'))
    return load
  }

  /** What it counted of every server of these backends since it began. */
  async counts(backends: readonly string[]): Promise<ReadonlyMap<string, ServerCounts>> {
    const counts = new Map<string, ServerCounts>()
    for (const [server, row] of await this.#stats(backends)) {
      const { statuses, broken } = brokenOf(row)
      const failures = number(row, 'hrsp_5xx') + number(row, 'srv_abrt') + broken
      counts.set(server, { requests: statuses + broken, failures, answerMs: number(row, 'rtime') })
    }
    return counts
  }

  /** How many requests of each backend got a 5xx that no server gave and that counts for none: by backend, since it began. */
  async unanswered(backends: readonly string[]): Promise<ReadonlyMap<string, number>> {
    const rows = [...(await this.#stats(backends, BACKENDS_AND_SERVERS))]
    return new Map(
      backends.map((backend) => {
        const all = rows.filter(([name]) => name === `${backend}/BACKEND`).reduce((sum, [, row]) => sum + number(row, 'hrsp_5xx'), 0)
        // What came in again found nobody: its answer is the edge's.
        const servers = rows.filter(([name]) => backendIn(name) === backend && name !== `${backend}/BACKEND` && name !== `${backend}/${AGAIN}`)
        const theirs = servers.reduce((sum, [, row]) => sum + number(row, 'hrsp_5xx') + brokenOf(row).broken, 0)
        return [backend, Math.max(0, all - theirs)]
      }),
    )
  }

  async #stats(backends: readonly string[], types = SERVERS): Promise<ReadonlyMap<string, Row>> {
    const rows = new Map<string, Row>()
    if (backends.length === 0) return rows
    const csv = await this.#socket.tell(
      this.pid,
      backends.map((name) => `show stat ${name} ${types} -1`),
    )
    let names: readonly string[] = []
    for (const line of csv.split('\n')) {
      const fields = line.replace(/^# /, '').split(',')
      if (line.startsWith('# ')) names = fields
      else if (fields.length > 2) rows.set(`${fields[0]}/${fields[1]}`, new Map(names.map((name, at) => [name, fields[at] ?? ''])))
    }
    return rows
  }

  /** How many requests of the environment wait because of its hold. */
  async held(word: string): Promise<number> {
    return Number.parseInt(await this.#socket.tell(this.pid, [`lockgate held ${word}`]), 10) || 0
  }

  /** Servers of these backends that are in traffic but were taken out by their check. */
  async takenOut(backends: readonly string[]): Promise<ReadonlySet<string>> {
    // In the absence of the server HAProxy puts instances in again by itself: this says that it is there.
    await this.#socket.tell(this.pid, ['lockgate alive'])
    const slots = backends.length === 0 ? [] : [...(await this.#readSlots(backends))]
    return new Set(slots.flatMap(([name, slot]) => (slot.down ? [name] : [])))
  }

  /** Ends every session to these servers. */
  async shutSessions(servers: readonly string[]): Promise<void> {
    await this.#socket.tell(
      this.pid,
      servers.map((server) => `shutdown sessions server ${server}`),
    )
  }

  #mapPath = (name: MapName): string => mapFile(this.#config, name)

  /** Health changes by itself: what is in use is read anew. */
  async #refresh(desired: Desired): Promise<void> {
    if (!this.#view) return
    const inUse = new Set<string>()
    for (const [name, slot] of desired.slots) if (slot.port !== 1) inUse.add(backendIn(name))
    if (inUse.size > 0) this.#remember({ slots: await this.#readSlots([...inUse]) })
  }

  async #readAgain(commands: readonly string[], everything: boolean): Promise<void> {
    if (everything) {
      this.#view = null
      return
    }
    const backends = new Set<string>()
    const maps = new Set<MapName>()
    for (const command of commands) {
      const [, kind, name = ''] = command.split(' ')
      if (kind === 'server') backends.add(backendIn(name))
      for (const map of MAP_NAMES) if (kind === 'map' && this.#mapPath(map) === name) maps.add(map)
    }
    const slots = backends.size > 0 ? await this.#readSlots([...backends]) : new Map<string, ViewSlot>()
    this.#remember({ slots, maps: { ...(await this.view()).maps, ...(await this.#readMaps([...maps])) } })
  }

  #remember(part: { readonly slots: ReadonlyMap<string, ViewSlot>; readonly maps?: Maps }): void {
    if (this.#view) this.#view = { slots: new Map([...this.#view.slots, ...part.slots]), maps: part.maps ?? this.#view.maps }
  }

  /** No names: all backends. */
  async #readSlots(backends: readonly string[]): Promise<ReadonlyMap<string, ViewSlot>> {
    const commands = backends.length === 0 ? ['show servers state'] : backends.map((name) => `show servers state ${name}`)
    const slots = new Map<string, ViewSlot>()
    for (const line of (await this.#socket.tell(this.pid, commands)).split('\n')) {
      const column = line.split(' ')
      if (column.length < 19 || line.startsWith('#')) continue
      const maint = (Number(column[6]) & 1) === 1
      slots.set(`${column[1]}/${column[3]}`, { address: column[4] ?? '', port: Number(column[18]), ready: !maint, down: column[5] === '0' && !maint })
    }
    return slots
  }

  async #readMaps(names: readonly MapName[]): Promise<Record<MapName, ReadonlyMap<string, string>>> {
    const maps: Partial<Record<MapName, ReadonlyMap<string, string>>> = {}
    for (const name of names) {
      const text = await this.#socket.tell(this.pid, [`show map ${this.#mapPath(name)}`])
      maps[name] = new Map([...text.matchAll(/^0x[0-9a-f]+ (\S+) (\S+)$/gm)].map((match) => [match[1] ?? '', match[2] ?? ''] as const))
    }
    return maps as Record<MapName, ReadonlyMap<string, string>>
  }
}

/** What ended without a status was broken off by the server or by its visitor; only the former count as errors of the server, some of them twice (seen with 2.6.12). */
function brokenOf(row: Row): { readonly statuses: number; readonly broken: number } {
  const statuses = ['hrsp_1xx', 'hrsp_2xx', 'hrsp_3xx', 'hrsp_4xx', 'hrsp_5xx', 'hrsp_other'].reduce((sum, name) => sum + number(row, name), 0)
  const silent = Math.max(0, number(row, 'stot') - number(row, 'scur') - statuses)
  return { statuses, broken: Math.min(silent, number(row, 'eresp') + number(row, 'econ')) }
}

function number(row: Row, name: string): number {
  return Number(row.get(name) || 0)
}

function backendIn(server: string): string {
  return server.split('/')[0] ?? ''
}
