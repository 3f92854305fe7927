// The world around one installation, as it is: what the engine holds, whom the edge sends requests to, what lies on disk.
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'vitest'
import { endpoints } from '../../src/api/contract/endpoints.ts'
import { MasterSocket } from '../../src/drivers/edge/haproxy/socket.ts'
import { masterSocketPath } from '../../src/drivers/edge/haproxy/start.ts'
import { holdingsOf } from './engine.ts'
import type { Installation } from './installation.ts'
import { until } from './until.ts'

/** Addresses of the instances that HAProxy gives new requests to, sorted: its other servers lead to itself. */
export async function addressesInTraffic(lockgate: Pick<Installation, 'edge'>): Promise<string[]> {
  const socket = new MasterSocket(masterSocketPath(lockgate.edge.config))
  const { current } = await socket.workers()
  if (current === null) return []
  const lines = (await socket.tell(current, ['show servers state'])).split('\n').map((line) => line.split(' '))
  const named = lines.filter(
    (column) =>
      /^s\d+$/.test(column[3] ?? '') &&
      /^[\d.]+$/.test(column[4] ?? '') &&
      column.length >= 19 &&
      column[18] !== '1' &&
      (Number(column[6]) & 1) === 0 &&
      column[5] !== '0',
  )
  return named.map((column) => `${column[4]}:${column[18]}`).toSorted()
}

/** Files that a write left half done, below the data directory and the edge's. */
export async function halfWritten(lockgate: Pick<Installation, 'edge' | 'directory'>): Promise<string[]> {
  const folders = [lockgate.directory, lockgate.edge.config.directory]
  const names = await Promise.all(folders.map(async (folder) => (await readdir(folder, { recursive: true })).map((name) => join(folder, name))))
  return names.flat().filter((name) => name.endsWith('.tmp'))
}

/** Files that hold a text, below the data directory; the database is one of them. */
export async function filesWith(lockgate: Pick<Installation, 'directory'>, text: string): Promise<string[]> {
  const entries = await readdir(lockgate.directory, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
  const holds = await Promise.all(files.map(async (file) => (await readFile(file).catch(() => Buffer.alloc(0))).includes(text)))
  return files.filter((_, at) => holds[at])
}

/** What of an app must run, in an installation in which nothing is under way. */
export interface Running {
  readonly app: string
  readonly count: number
}

/**
 * The invariants, against the world: instances run and no other containers do (I6), the edge gives requests to exactly those
 * (I3), each has the image of its release (I10), no deployment is active (I1, I2), the chain of events is whole (I7), no file is
 * half written. Waits a moment for what comes right by itself, then says what is wrong; `known`: a fault that is expected, and must be there.
 */
export async function expectWhole(lockgate: Installation, running: readonly Running[], known?: RegExp): Promise<void> {
  let faults: readonly string[] = []
  await until(
    'everything is as recorded',
    async () => {
      const all = await faultsOf(lockgate, running)
      const others = all.filter((fault) => known?.test(fault) !== true)
      faults = known !== undefined && others.length === all.length ? [...others, `${known} is not among the faults`] : others
      return faults.length === 0
    },
    8_000,
  ).catch(() => undefined)
  expect(faults).toEqual([])
}

async function faultsOf(lockgate: Installation, running: readonly Running[]): Promise<string[]> {
  const faults: string[] = []
  const names: string[] = []
  const addresses: string[] = []
  for (const { app, count } of running) {
    const status = await lockgate.status(app)
    const observed = await lockgate.runtime.observe(status.id)
    const up = observed.filter((one) => one.state === 'running')
    if (up.length !== count || observed.length !== count) faults.push(`${app} has ${observed.map((one) => `${one.name} ${one.state}`).join(', ') || 'nothing'}`)
    if (status.deploymentId !== null) faults.push(`${app}: ${status.deploymentId} is still active`)
    names.push(...observed.map((one) => one.name))
    addresses.push(...status.instances.map((one) => one.address))
  }
  const held = await holdingsOf(lockgate.name, lockgate.engineSocket)
  const orphans = held.containers.filter((name) => !names.includes(name))
  if (orphans.length > 0) faults.push(`containers of nobody: ${orphans.join(', ')}`)
  if (held.networks.length > running.length) faults.push(`networks: ${held.networks.join(', ')}`)
  const served = await addressesInTraffic(lockgate)
  if (JSON.stringify(served) !== JSON.stringify(addresses.toSorted())) faults.push(`the edge serves ${served.join(', ')}, recorded are ${addresses.join(', ')}`)
  for (const check of await lockgate.call(endpoints.doctor, {})) if (check.area === 'invariant' && !check.ok) faults.push(`${check.name}: ${check.sentence}`)
  for (const file of await halfWritten(lockgate)) faults.push(`${file} is half written`)
  return faults
}
