// What a killed test run left: its processes, containers, networks and folders. Only of runs whose process is gone.
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { removeFilter } from '../../src/drivers/runtime/docker/build-filter.ts'
import { removeVolumeFiles } from '../../src/drivers/runtime/docker/volumes.ts'
import { pause } from '../../src/lib/clock.ts'
import { findProcessesFor, signal } from '../../src/lib/processes.ts'
import { run } from '../../src/lib/run.ts'
import { FOLDERS } from '../../test/support/folder.ts'
import { ENGINE_BRIDGE } from '../../test/support/own-engine.ts'
import { engineAnswers } from '../setup/engine.ts'
import { findOurs, installationOf, removeOurs } from '../setup/ours.ts'
import { placesOf } from '../setup/places.ts'

/** Folders of whole installations and of what stands beside them; `lockgate-<installation>` holds the disks of builds in a suite without a server. */
const FOLDER = /^lockgate-(?:(?:e2e|edge|bench|git-host|home|machine|proof|registry|sshd)-.+|(t[a-z0-9]{8}))$/

const END_MS = 10_000

/** Removes them; says what it found. */
export async function removeLeftovers(): Promise<void> {
  for (const name of readdirSync('/sys/class/net')) {
    const pid = new RegExp(`^${ENGINE_BRIDGE}(\\d+)$`).exec(name)?.[1]
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) await run('ip', ['link', 'delete', name], { anyStatus: true })
  }
  const folders = [...new Set(FOLDERS)].flatMap((place) => readdirSync(place).map((name) => ({ name, folder: join(place, name) })))
  for (const { name, folder } of folders.filter((one) => FOLDER.test(one.name))) {
    if (ownerLives(folder)) continue
    process.stderr.write(`· removing what a killed run left in ${name}\n`)
    await endProcesses(folder)
    const installation = FOLDER.exec(name)?.[1] ?? (existsSync(join(folder, 'data')) ? installationOf(placesOf(folder)) : null)
    if (installation !== null && (await engineAnswers())) await removeOurs(await findOurs(installation))
    if (installation !== null) await removeFilter(installation)
    for (const volumes of [folder, join(folder, 'data', 'volumes')]) await removeVolumeFiles(volumes)
    for (const path of mountsBelow(folder)) await run('umount', ['--lazy', '--quiet', path], { anyStatus: true }).catch(() => undefined)
    rmSync(folder, { recursive: true, force: true })
  }
}

/** The innermost first. */
function mountsBelow(folder: string): string[] {
  const paths = readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '')
  return paths.filter((path) => path.startsWith(`${folder}/`)).toReversed()
}

function ownerLives(folder: string): boolean {
  const path = join(folder, 'owner')
  const pid = existsSync(path) ? Number(readFileSync(path, 'utf8')) : 0
  return pid > 0 && existsSync(`/proc/${pid}`)
}

/** Ends processes that were started for this folder: its server, its HAProxy, its engine. */
async function endProcesses(folder: string): Promise<void> {
  const find = async () => (await findProcessesFor([`${folder}/`])).filter(({ pid }) => pid !== process.pid)
  const deadline = performance.now() + END_MS
  for (let left = await find(); left.length > 0; left = await find()) {
    if (performance.now() > deadline) throw new Error(`still running: ${left.map(({ pid, args }) => `${pid} (${args.join(' ')})`).join(', ')}`)
    for (const { pid } of left) signal(pid, 'SIGKILL')
    await pause(50)
  }
}
