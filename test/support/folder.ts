// Folders that say whose they are: what a killed run left in them, and started from them, the next one removes (tools/test/leftovers.ts).
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** The disk of a machine: several gigabytes, and /tmp may be memory. */
const LARGE = '/var/tmp'

/** Where such folders are made. */
export const FOLDERS: readonly string[] = [tmpdir(), LARGE]

/** A fresh folder of this process, `lockgate-<kind>-…` below the system's folder for such. */
export function ownFolder(kind: 'edge' | 'e2e' | 'git-host' | 'home' | 'machine' | 'proof' | 'registry' | 'sshd'): string {
  return owned(mkdtempSync(join(kind === 'machine' ? LARGE : tmpdir(), `lockgate-${kind}-`)))
}

/** The folder for volume files of a test's installation. */
export function volumesOf(installation: string): string {
  const folder = join(tmpdir(), `lockgate-${installation}`)
  mkdirSync(folder, { recursive: true })
  return owned(folder)
}

function owned(folder: string): string {
  writeFileSync(join(folder, 'owner'), String(process.pid))
  return folder
}
