// A build without Lockgate: the same commands in a plain container, and an image of what they left.
import { readFile } from 'node:fs/promises'
import { PassThrough } from 'node:stream'
import { Bases } from '../../src/drivers/builder/bases/index.ts'
import { silentLog } from '../../src/lib/log.ts'
import { launch } from '../../src/lib/run.ts'
import { tarStream } from '../../src/lib/tar.ts'
import type { Installation } from '../../test/support/installation.ts'

export const RAW_LIMITS = { cpus: 1, memoryMb: 1024, processes: 512 }
const CA = '/etc/ssl/certs/ca-certificates.crt'

export interface RawBuild {
  readonly folder: string
  /** For `sh -c`, in the builder of Node. */
  readonly command: string
  /** A volume with npm's cache; null: an empty one. */
  readonly cache: string | null
}

/** Gives the image and how long its build took, from creating the container to the image. */
export async function rawBuild({ boxes }: Installation, build: RawBuild): Promise<{ readonly digest: string; readonly ms: number }> {
  const bases = new Bases({ boxes, registry: null, log: silentLog })
  const [builder, runner] = [await bases.image({ base: 'node-build', version: null }), await bases.image({ base: 'node', version: null })]
  const name = `lockgate-bench-raw-${process.pid}`
  const began = performance.now()
  await boxes.create({
    name,
    owner: name,
    image: builder,
    command: ['sh', '-c', build.command],
    user: '700000:700000',
    workdir: '/app',
    env: { NODE_EXTRA_CA_CERTS: CA, HOME: '/tmp', CI: 'true', npm_config_cache: '/cache/npm' },
    limits: RAW_LIMITS,
    network: 'open',
    volumes: {
      '/app': { name: `${name}-work`, sizeMb: 4096, keep: false },
      '/cache': { name: build.cache ?? `${name}-cache`, sizeMb: 8192, keep: build.cache !== null },
    },
  })
  await boxes.put(name, '/app', archiveOf(build.folder))
  // Builds trust what the host trusts, ours and this one.
  const bundle = await readFile(CA)
  await boxes.put(
    name,
    '/',
    tarStream(async (tar) => void tar.entry({ name: CA.slice(1), mode: 0o644 }, bundle)),
  )
  const said: string[] = []
  const end = await boxes.run(name, { line: (text) => void said.push(text), signal: AbortSignal.timeout(120_000) })
  if (end.status !== 0) throw new Error(`the raw build ended with ${end.status}: ${said.join('\n')}`)
  const made = await boxes.get(name, '/app')
  await boxes.create({ name: `${name}-image`, owner: name, image: runner, command: ['node', 'server.js'], limits: RAW_LIMITS, network: 'none' })
  await boxes.put(`${name}-image`, '/', made)
  const digest = await boxes.commit(`${name}-image`, { tag: `lockgate-bench/raw:${process.pid}`, command: ['node', 'server.js'], workdir: '/app' })
  const ms = performance.now() - began
  await boxes.removeAll(name)
  return { digest, ms }
}

/** Piped at once: what nobody reads is thrown away when the program ends. */
function archiveOf(folder: string): PassThrough {
  const archive = new PassThrough()
  launch('tar', ['--owner=700000', '--group=700000', '--exclude=.git', '-cf', '-', '-C', folder, '.']).stdout?.pipe(archive)
  return archive
}
