import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'vitest'
import { DEFAULT_RUN_SPEC } from '../../src/core/artifact/artifact.ts'
import type { BaseChoice } from '../../src/core/build/build-plan.ts'
import type { BuildStep } from '../../src/core/build/build-step.ts'
import { Bases } from '../../src/drivers/builder/bases/index.ts'
import { box } from '../../src/drivers/builder/box/index.ts'
import { aBuild, type BuildOptions } from '../../src/drivers/builder/contract.ts'
import type { Builder, BuildResult } from '../../src/drivers/builder/types.ts'
import { removeFilter } from '../../src/drivers/runtime/docker/build-filter.ts'
import { docker } from '../../src/drivers/runtime/docker/index.ts'
import { removeVolumeFiles } from '../../src/drivers/runtime/docker/volumes.ts'
import type { Boxes, InstanceSpec, Runtime } from '../../src/drivers/runtime/types.ts'
import { randomWord } from '../../src/lib/ids.ts'
import { silentLog } from '../../src/lib/log.ts'
import { run } from '../../src/lib/run.ts'
import { volumesOf } from './folder.ts'

/** A build that ended well, and how it went. */
export interface Built {
  readonly result: BuildResult
  readonly lines: readonly string[]
  readonly steps: readonly BuildStep[]
  readonly seconds: number
}

/** A builder of boxes with an engine of its own name, and instances of what it made. */
export class BuilderRig {
  readonly builder: Builder
  readonly runtime: Runtime
  readonly #boxes: Boxes
  readonly #installation: string
  readonly #environmentId = `e-${randomWord(8)}`
  readonly #prefix = `10.216.${Math.floor(Math.random() * 256)}`
  #instances = 0

  private constructor(parts: { readonly builder: Builder; readonly runtime: Runtime; readonly boxes: Boxes; readonly installation: string }) {
    this.builder = parts.builder
    this.runtime = parts.runtime
    this.#boxes = parts.boxes
    this.#installation = parts.installation
  }

  static async open(): Promise<BuilderRig> {
    const installation = `t${randomWord(8)}`
    const { runtime, boxes } = await docker.create(docker.Config.parse({ installation, volumesDirectory: volumesOf(installation) }), undefined)
    if (boxes === null) throw new Error('no boxes')
    const builder = await box.create(box.Config.parse({ installation }), { boxes, log: silentLog })
    return new BuilderRig({ builder, runtime, boxes, installation })
  }

  async build(files: Readonly<Record<string, string>>, options: BuildOptions = {}): Promise<Built> {
    const { request, lines, steps } = aBuild(files, options)
    const startedAt = performance.now()
    try {
      const result = await this.builder.build(request)
      return { result, lines, steps, seconds: (performance.now() - startedAt) / 1000 }
    } catch (error) {
      // Why it failed stands in its log.
      console.log(lines.slice(-30).join('\n'))
      throw error
    }
  }

  /** Starts an image as nobody, as the platform does, and waits until it answers. */
  async start({ digest }: BuildResult, env: Readonly<Record<string, string>> = {}): Promise<{ readonly url: string; readonly name: string }> {
    const ordinal = ++this.#instances + 2
    const spec: InstanceSpec = {
      name: `lockgate-${this.#installation}-${ordinal}`,
      kind: 'instance',
      projectId: 'p-test',
      environmentId: this.#environmentId,
      set: 1,
      ordinal,
      key: `k-${ordinal}`,
      digest,
      reference: null,
      command: null,
      env: { PORT: '9000', ...env },
      address: `${this.#prefix}.${ordinal}`,
      subnet: { environmentId: this.#environmentId, projectId: 'p-test', cidr: `${this.#prefix}.0/26`, gateway: `${this.#prefix}.1` },
      limits: { ...DEFAULT_RUN_SPEC.limits, memoryMb: 256 },
      stopSignal: 'SIGTERM',
      stopGraceMs: 5_000,
      keepAlive: false,
    }
    await this.runtime.ensure(spec)
    await this.runtime.start(spec.name)
    const url = `http://${spec.address}:9000`
    await expect.poll(async () => (await fetch(url).catch(() => null))?.status, { timeout: 20_000 }).toEqual(200)
    return { url, name: spec.name }
  }

  /** A base of ours, made when it is not there. */
  base(choice: BaseChoice): Promise<string> {
    return new Bases({ boxes: this.#boxes, registry: null, log: silentLog }).image(choice)
  }

  /** What an image runs. */
  async commandOf({ digest }: BuildResult): Promise<unknown> {
    return JSON.parse((await run('docker', ['inspect', '--format', '{{json .Config.Cmd}}', digest])).stdout)
  }

  /** Every file of the app in an image, with a hash of what it holds; links with where they lead. */
  async filesOf({ digest }: BuildResult): Promise<ReadonlyMap<string, string>> {
    const look = 'cd /app && find . -type f -exec sha256sum {} + && find . -type l | while read -r link; do echo "$(readlink "$link")  $link"; done'
    const listed = await run('docker', ['run', '--rm', '--network=none', '--entrypoint=sh', digest, '-c', look], { timeoutMs: 120_000 })
    const lines = listed.stdout.split('\n').filter((line) => line !== '')
    return new Map(lines.map((line) => [line.slice(line.indexOf('  ') + 2), line.slice(0, line.indexOf('  '))]))
  }

  /** Stops an instance as the platform does; gives its exit code. */
  async stop(name: string): Promise<number | null> {
    await this.runtime.stop(name)
    return (await this.runtime.observe(this.#environmentId)).find((one) => one.name === name)?.exitCode ?? null
  }

  async close(): Promise<void> {
    for (const { name } of await this.runtime.observe()) await this.runtime.remove(name)
    await this.runtime.removeNetwork(this.#environmentId)
    const images = (await run('docker', ['images', '--format', '{{.Repository}}:{{.Tag}}', `lockgate-${this.#installation}/*`])).stdout.split('\n')
    for (const image of images.filter((name) => name !== '')) await this.runtime.removeImage((await this.runtime.resolveImage(image)).digest)
    const ours = ['-q', '--filter', `label=lockgate.installation=${this.#installation}`]
    for (const kind of ['volume', 'network']) {
      const names = (await run('docker', [kind, 'ls', ...ours])).stdout.split('\n').filter((name) => name !== '')
      if (names.length > 0) await run('docker', [kind, 'rm', ...names])
    }
    await removeFilter(this.#installation)
    await removeVolumeFiles(volumesOf(this.#installation))
    await rm(volumesOf(this.#installation), { recursive: true, force: true })
  }
}

/** The files of a folder of `examples/`, as they are in the repository. */
export async function exampleFiles(name: string): Promise<Record<string, string>> {
  const folder = fileURLToPath(new URL(`../../examples/${name}/`, import.meta.url))
  const listed = await run('git', ['ls-files', '--cached', '--others', '--exclude-standard'], { cwd: folder })
  const names = listed.stdout.split('\n').filter((file) => file !== '')
  return Object.fromEntries(await Promise.all(names.map(async (file) => [file, await readFile(join(folder, file), 'utf8')] as const)))
}
