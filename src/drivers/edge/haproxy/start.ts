// Starting HAProxy is the same everywhere: by systemd, by a supervisor of ours, in a test.
import { removeHalfWritten } from '../../../lib/files.ts'
import { findProcesses } from '../../../lib/processes.ts'
import { configPath, type EdgeListen, listenAddresses } from './config.ts'
import { hostFacts, Mirror } from './mirror.ts'
import { emptyPool } from './pool.ts'
import type { Config } from './schema.ts'

/** The master's socket, which is also how we reach the workers. */
export function masterSocketPath(config: Config): string {
  return `${config.directory}/master.sock`
}

/**
 * The arguments HAProxy is started with. The keeper starts it again whenever it ends, and never passes it signals of its
 * own but SIGTERM to end it and SIGUSR1 to end it after the last request.
 */
export function haproxyArguments(config: Config): readonly string[] {
  return ['-W', '-S', `${masterSocketPath(config)},mode,600`, '-f', configPath(config)]
}

/** The arguments with which HAProxy says whether it could start from its files. */
export function haproxyCheck(config: Config): readonly string[] {
  return ['-c', '-f', configPath(config)]
}

/** Pids of the HAProxy masters that serve from this folder. Workers have the command line of their master, and it as parent. */
export async function mastersOf(config: Config): Promise<readonly number[]> {
  const found = await findProcesses((args) => args.includes(configPath(config)) && args.includes('-W') && !args.includes('-c'))
  return found.filter(({ parent }) => !found.some(({ pid }) => pid === parent)).map(({ pid }) => pid)
}

/**
 * The sockets that whoever keeps HAProxy alive may open and hold for it: each is handed on as an open file, whose number stands
 * in the environment variable. HAProxy opens those itself that are not.
 */
export async function edgeListens(config: Config): Promise<readonly EdgeListen[]> {
  return listenAddresses(config, await hostFacts(config))
}

/** Writes a first valid configuration where there is none; what is there stays. Call it before HAProxy is started. */
export async function writeInitial(config: Config): Promise<void> {
  const mirror = new Mirror(config, await hostFacts(config))
  await mirror.prepare((await mirror.readPool()) ?? emptyPool(config.pool))
}

/** The same for the one that writes from now on: what an earlier one left half written goes. */
export async function takeOver(config: Config): Promise<void> {
  for (const folder of ['', '/maps', '/pages']) await removeHalfWritten(`${config.directory}${folder}`)
  await writeInitial(config)
}
