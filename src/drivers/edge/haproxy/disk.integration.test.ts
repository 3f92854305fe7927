import { once } from 'node:events'
import { createServer } from 'node:http'
import { expect, onTestFinished, test, vi } from 'vitest'
import { ask, aTable } from '../../../../test/support/edge.ts'
import { startHaproxy } from '../../../../test/support/haproxy.ts'
import { silentLog } from '../../../lib/log.ts'
import { haproxy } from './index.ts'

/** The write to the disk that fails, counted from when it was armed; with nothing armed all go through. */
const disk = { writes: 0, failsAt: 0, timing: 'before' as 'before' | 'after', lasts: 'once' as 'once' | 'on' }

vi.mock('../../../lib/files.ts', async (original) => {
  const files = await original<typeof import('../../../lib/files.ts')>()
  const full = (): never => {
    throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' })
  }
  return {
    ...files,
    writeAtomic: async (path: string, content: string, mode?: number) => {
      disk.writes += 1
      const fails = disk.failsAt > 0 && (disk.lasts === 'once' ? disk.writes === disk.failsAt : disk.writes >= disk.failsAt)
      if (fails && disk.timing === 'before') full()
      await files.writeAtomic(path, content, mode)
      if (fails) full()
    },
  }
})

function arm(failsAt: number, timing: 'before' | 'after' = 'before', lasts: 'once' | 'on' = 'once'): void {
  Object.assign(disk, { writes: 0, failsAt, timing, lasts })
}

/** Every write, before it and after it, once and from then on. */
function faults(writes: number): readonly { readonly lasts: 'once' | 'on'; readonly timing: 'before' | 'after'; readonly at: number }[] {
  const kinds = (['once', 'on'] as const).flatMap((lasts) => (['before', 'after'] as const).map((timing) => ({ lasts, timing })))
  return kinds.flatMap((kind) => Array.from({ length: writes }, (_, index) => ({ ...kind, at: index + 1 })))
}

/** Apps that answer with their name. */
async function apps(names: readonly string[]): Promise<readonly number[]> {
  const servers = names.map((name) => createServer((_, response) => response.setHeader('x-app', name).end()).listen(0, '127.0.0.1'))
  onTestFinished(() => servers.forEach((server) => void server.close().closeAllConnections()))
  await Promise.all(servers.map((server) => once(server, 'listening')))
  return servers.map((server) => (server.address() as { readonly port: number }).port)
}

test('the n-th write to the disk fails: what served serves on, the change comes once it can be written, and HAProxy would start from it', async () => {
  const ports = await apps(['blue', 'green'])
  const running = await startHaproxy()
  onTestFinished(() => running.stop())
  const edge = await haproxy.create(running.config, { log: silentLog })
  let generation = 0
  const tableOf = (app: number) =>
    aTable(generation, [
      { hosts: ['shop.test'], arm: `e-1/${app}`, targets: [{ instance: `i-${app}`, address: '127.0.0.1', port: ports[app] ?? 0, ready: true }] },
    ])
  const serve = (app: number): Promise<number> => {
    generation += 1
    return edge.serve(tableOf(app))
  }
  const answers = async (): Promise<string> => String((await ask(running.config.httpPort, 'shop.test')).headers['x-app'])
  await serve(1)
  arm(0)
  await serve(0)
  const { writes } = disk
  expect(writes).toBeGreaterThan(2)

  const nameOf = (app: number): string => (app === 0 ? 'blue' : 'green')
  let live = 0
  let refused = 0
  for (const { lasts, timing, at } of faults(writes)) {
    const next = 1 - live
    arm(at, timing, lasts)
    const code = await serve(next).then(
      () => null,
      (error: { readonly code: string }) => error.code,
    )
    // The last two only free what is not used any more: that it has to be done another time refuses nothing.
    expect([null, 'edge.mirror'], `write ${at} ${timing}, ${lasts}`).toContain(code)
    expect(await answers()).toBe(nameOf(code === null ? next : live))
    if (code !== null) refused += 1

    arm(0)
    expect(await edge.serve(tableOf(next))).toBe(generation)
    live = next
    expect(await answers()).toBe(nameOf(live))
    if (at === writes) await running.crash()
    expect(await answers()).toBe(nameOf(live))
  }
  expect(refused).toBe(4 * (writes - 2))
}, 60_000)
