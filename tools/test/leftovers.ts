// What a killed test run left: its processes, containers, networks and folders. Only of runs whose process is gone.
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { removeFilter } from '../../src/drivers/runtime/docker/build-filter.ts'
import { removeVolumeFiles } from '../../src/drivers/runtime/docker/volumes.ts'
import { pause } from '../../src/lib/clock.ts'
import { run } from '../../src/lib/run.ts'
import { ENGINE_BRIDGE } from '../../test/support/own-engine.ts'
import { engineAnswers } from '../setup/engine.ts'
import { findOurs, installationOf, removeOurs } from '../setup/ours.ts'
import { placesOf } from '../setup/places.ts'

/** Folders of whole installations and of what stands beside them; `lockgate-<installation>` holds the disks of builds in a suite without a server. */
const FOLDER = /^lockgate-(?:(?:e2e|edge|bench|git-host|home|proof|registry|sshd)-.+|(t[a-z0-9]{8}))$/

/** Removes them; says what it found. */
export async function removeLeftovers(): Promise<void> {
  for (const name of readdirSync('/sys/class/net')) {
    const pid = new RegExp(`^${ENGINE_BRIDGE}(\\d+)$`).exec(name)?.[1]
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) await run('ip', ['link', 'delete', name], { anyStatus: true })
  }
  for (const name of readdirSync(tmpdir()).filter((entry) => FOLDER.test(entry))) {
    const folder = join(tmpdir(), name)
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

/** Processes that were started with this folder in their command line or settings: those are its server and its HAProxy. */
async function endProcesses(folder: string): Promise<void> {
  const pids = readdirSync('/proc').filter((entry) => /^\d+$/.test(entry) && Number(entry) !== process.pid && names(entry, folder))
  for (const pid of pids) {
    try {
      process.kill(Number(pid), 'SIGKILL')
    } catch {
      // It ended by itself meanwhile.
    }
  }
  if (pids.length > 0) await pause(200)
}

function names(pid: string, folder: string): boolean {
  try {
    return (
      readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(`${folder}/`) ||
      readFileSync(`/proc/${pid}/environ`, 'utf8').includes(`LOCKGATE_SETTINGS=${folder}/`)
    )
  } catch {
    return false
  }
}
