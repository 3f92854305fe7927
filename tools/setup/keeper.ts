// Who keeps the programs alive: systemd where it runs the machine, our supervisor elsewhere.
import { existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pause } from '../../src/lib/clock.ts'
import { livePid } from '../../src/lib/pid-file.ts'
import { signal } from '../../src/lib/processes.ts'
import { detach, run } from '../../src/lib/run.ts'
import { type Kept, pidFile } from '../../src/supervisor.ts'
import { hasSystemd, type Places, ROOT, SetupError } from './places.ts'

export const NODE = join(ROOT, 'node_modules/.bin/node')
const UNITS = '/etc/systemd/system'

export interface Keeper {
  readonly name: 'systemd' | 'supervisor'
  /** Has exactly these programs kept alive, in this order. True when something was started. */
  keep(processes: readonly Kept[]): Promise<boolean>
  /** Ends one program; it is started again at once. */
  restart(name: string): Promise<void>
  /** Ends one program and keeps it alive no more, until `keep` names it again. */
  drop(name: string): Promise<void>
  /** Ends all of them, last first, and keeps none alive any more. */
  stop(): Promise<void>
  /** Pid of a program, or null. */
  pidOf(name: string): Promise<number | null>
}

export function keeperOf(places: Places): Keeper {
  return places.system && hasSystemd() ? systemd() : supervisor(places)
}

function unitName(name: string): string {
  return name === 'server' ? 'lockgate.service' : `lockgate-${name}.service`
}

/** The unit that holds the sockets of a program: they stay open while it is started again. */
export function socketUnitText(kept: Kept): string {
  return [
    '[Unit]',
    `Description=Lockgate: the sockets of the ${kept.name}`,
    '',
    '[Socket]',
    // In this order they are the program's files 3, 4 and so on.
    ...kept.listen.map(({ address, port }) => `ListenStream=${address.includes(':') ? `[${address}]` : address}:${port}`),
    'BindIPv6Only=ipv6-only',
    `FileDescriptorName=${kept.name}`,
    `Service=${unitName(kept.name)}`,
    'Backlog=65535',
    'FreeBind=true',
    // A program that ends again and again must not end its sockets.
    'TriggerLimitIntervalSec=0',
    '',
    '[Install]',
    'WantedBy=sockets.target',
    '',
  ].join('\n')
}

/** The unit of one program. The edge must outlive the server: neither needs the other. */
export function unitText(kept: Kept): string {
  const socket = kept.listen.length > 0 ? ` ${socketUnitName(kept.name)}` : ''
  return [
    '[Unit]',
    `Description=Lockgate: ${kept.name}`,
    `After=network-online.target docker.service${socket}`,
    'Wants=network-online.target',
    ...(socket === '' ? [] : [`Requires=${socket.trim()}`]),
    'StartLimitIntervalSec=0',
    '',
    '[Service]',
    `ExecStart=${[kept.file, ...kept.args].map(quoted).join(' ')}`,
    ...Object.entries(kept.env).map(([key, value]) => `Environment=${quoted(`${key}=${value}`)}`),
    ...kept.listen.map(({ variable }, index) => `Environment=${quoted(`${variable}=${index + 3}`)}`),
    ...(socket === '' ? [] : [`Sockets=${socket.trim()}`]),
    'Restart=always',
    'RestartSec=200ms',
    'KillMode=mixed',
    'TimeoutStopSec=30',
    'LimitNOFILE=1048576',
    // The server tells systemd that it is alive, as soon as it has started (and then every 10 s, see src/main.ts). One that is stopped
    // takes no other signal.
    ...(kept.alive === undefined ? [] : ['WatchdogSec=300', 'WatchdogSignal=SIGKILL', 'NotifyAccess=all']),
    '',
    '[Install]',
    'WantedBy=multi-user.target',
    '',
  ].join('\n')
}

function socketUnitName(name: string): string {
  return `lockgate-${name}.socket`
}

function quoted(text: string): string {
  return `"${text.replace(/[\\"]/g, '\\$&').replaceAll('%', '%%').replaceAll('$', '$$$$')}"`
}

function systemd(): Keeper {
  const control = (...args: string[]) => run('systemctl', args, { timeoutMs: 120_000 })
  return {
    name: 'systemd',
    keep: async (processes) => {
      let changed = false
      for (const kept of processes) {
        const file = kept.file.startsWith('/') ? kept.file : (await run('which', [kept.file])).stdout.trim()
        const units = {
          [unitName(kept.name)]: unitText({ ...kept, file }),
          ...(kept.listen.length > 0 ? { [socketUnitName(kept.name)]: socketUnitText(kept) } : {}),
        }
        for (const [name, text] of Object.entries(units)) {
          const path = join(UNITS, name)
          if (existsSync(path) && readFileSync(path, 'utf8') === text) continue
          writeFileSync(path, text)
          changed = true
        }
      }
      if (changed) await control('daemon-reload')
      for (const kept of processes) {
        const active = await run('systemctl', ['is-active', '--quiet', unitName(kept.name)], { anyStatus: true })
        if (active.status !== 0) changed = true
        // A program that runs already has its sockets itself: systemd opens them before it is started the next time.
        if (kept.listen.length > 0) await control('enable', ...(active.status === 0 ? [] : ['--now']), '--quiet', socketUnitName(kept.name))
        await control('enable', '--now', '--quiet', unitName(kept.name))
      }
      return changed
    },
    restart: async (name) => void (await control('restart', unitName(name))),
    drop: async (name) => void (await run('systemctl', ['disable', '--now', '--quiet', unitName(name)], { anyStatus: true, timeoutMs: 120_000 })),
    stop: async () => {
      for (const name of ['server', 'edge', 'engine']) {
        // The sockets first: a caller in them would start the program again.
        for (const unit of [socketUnitName(name), unitName(name)]) {
          if (!existsSync(join(UNITS, unit))) continue
          await control('disable', '--now', '--quiet', unit)
          rmSync(join(UNITS, unit))
        }
      }
      await control('daemon-reload')
    },
    pidOf: async (name) => {
      const { stdout } = await run('systemctl', ['show', '--property=MainPID', '--value', unitName(name)], { anyStatus: true })
      return Number(stdout.trim()) || null
    },
  }
}

function supervisor(places: Places): Keeper {
  const list = join(places.home, 'processes.json')
  const supervisorPid = (): number | null => livePid(pidFile(places.home, 'supervisor'), 'node')
  const listed = (): Kept[] => (existsSync(list) ? (JSON.parse(readFileSync(list, 'utf8')) as Kept[]) : [])
  const textOf = (processes: readonly Kept[]): string => JSON.stringify(processes, null, 2)
  const fileOf = (name: string): string => listed().find((kept) => kept.name === name)?.file ?? ''
  const pidOf = (name: string): number | null => livePid(pidFile(places.home, name), fileOf(name))
  return {
    name: 'supervisor',
    keep: async (processes) => {
      for (const folder of ['run', 'log']) mkdirSync(join(places.home, folder), { recursive: true, mode: 0o750 })
      const text = textOf(processes)
      const before = existsSync(list) ? readFileSync(list, 'utf8') : ''
      // A supervisor of another build may not understand the list: it is replaced before it reads it. What it keeps alive outlives it.
      const build = readFileSync(join(ROOT, 'dist/build-id'), 'utf8').trim()
      const mark = join(places.home, 'run', 'supervisor.build')
      if (supervisorPid() !== null && (existsSync(mark) ? readFileSync(mark, 'utf8').trim() : '') !== build) await killSupervisor(supervisorPid)
      if (before !== text) writeFileSync(list, text)
      const started = supervisorPid() === null || processes.some((kept) => pidOf(kept.name) === null)
      if (supervisorPid() === null) {
        const log = openSync(join(places.home, 'log', 'supervisor.log'), 'a', 0o640)
        detach(NODE, [join(ROOT, 'dist/supervisor.js'), places.home], { log })
        writeFileSync(mark, `${build}\n`)
      }
      const deadline = performance.now() + 20_000
      while (supervisorPid() === null || processes.some((kept) => pidOf(kept.name) === null)) {
        if (performance.now() > deadline)
          throw new SetupError(`${processes.find((kept) => pidOf(kept.name) === null)?.name ?? 'the supervisor'} does not start; ${places.home}/log/ says why.`)
        await pause(50)
      }
      return started
    },
    restart: async (name) => endProcess(() => pidOf(name), END_MS),
    drop: async (name) => {
      const pid = pidOf(name)
      if (existsSync(list)) writeFileSync(list, textOf(listed().filter((kept) => kept.name !== name)))
      // The supervisor reads the list before it starts anything again.
      await endProcess(() => livePid(pidFile(places.home, name), 'node') ?? (pid !== null && existsSync(`/proc/${pid}`) ? pid : null), END_MS)
    },
    // It ends what it keeps, one after the other; each of them has its own time to end.
    stop: () => endProcess(supervisorPid, 4 * END_MS),
    pidOf: async (name) => pidOf(name),
  }
}

const END_MS = 30_000

/** Ends a process and waits for it: SIGTERM, and SIGKILL when it is still there after `patienceMs`. */
async function endProcess(find: () => number | null, patienceMs: number): Promise<void> {
  const pid = find()
  if (pid === null) return
  signal(pid, 'SIGTERM')
  const deadline = performance.now() + patienceMs
  while (find() === pid) {
    if (performance.now() > deadline) signal(pid, 'SIGKILL')
    await pause(50)
  }
}

/** Ends a supervisor and nothing that it keeps. */
async function killSupervisor(find: () => number | null): Promise<void> {
  const pid = find()
  if (pid === null) return
  signal(pid, 'SIGKILL')
  while (find() === pid) await pause(20)
}
