import { expect, test } from 'vitest'
import type { Manifest } from '../../core/app/manifest.ts'
import type { BuildStep } from '../../core/build/build-step.ts'
import { DEFAULT_BUILD_LIMITS } from '../../core/build/limits.ts'
import type { Trust } from '../../core/trust/trust.ts'
import { randomWord } from '../../lib/ids.ts'
import { tarStream } from '../../lib/tar.ts'
import type { Builder, BuildLimits, BuildRequest } from './types.ts'

/** A build of files given as texts, and what it logged. */
export interface ABuild {
  readonly request: BuildRequest
  readonly lines: string[]
  readonly steps: BuildStep[]
  readonly stop: AbortController
}

export interface BuildOptions {
  readonly manifest?: Manifest
  readonly limits?: Partial<BuildLimits>
  readonly appId?: string
  readonly trust?: Trust
  readonly secrets?: Readonly<Record<string, string>>
}

/** A request for a checkout of these files. */
export function aBuild(files: Readonly<Record<string, string>>, options: BuildOptions = {}): ABuild {
  const lines: string[] = []
  const steps: BuildStep[] = []
  const stop = new AbortController()
  const request: BuildRequest = {
    buildId: `b-${randomWord(8)}`,
    projectId: 'p-test',
    appId: options.appId ?? `a-${randomWord(8)}`,
    appName: 'shop',
    commit: '3f2c1a9',
    manifest: options.manifest ?? {},
    files: Object.keys(files).toSorted(),
    readFile: async (path) => files[path] ?? null,
    tar: () =>
      tarStream(async (tar) => {
        for (const name of foldersOf(Object.keys(files))) tar.entry({ name, type: 'directory', mode: 0o755 })
        for (const [name, text] of Object.entries(files)) tar.entry({ name, mode: 0o644 }, text)
      }),
    trust: options.trust ?? 'protected',
    secrets: options.secrets ?? {},
    values: options.secrets ?? {},
    step: (step) => steps.push(step),
    limits: { ...DEFAULT_BUILD_LIMITS, ...options.limits },
    log: (line) => lines.push(line),
    signal: stop.signal,
  }
  return { request, lines, steps, stop }
}

/** Every folder these paths are in, outer ones first. */
function foldersOf(paths: readonly string[]): string[] {
  const folders = paths.flatMap((path) =>
    path
      .split('/')
      .slice(0, -1)
      .map((_, depth, words) => words.slice(0, depth + 1).join('/')),
  )
  return [...new Set(folders)].toSorted()
}

/** Checkouts that a builder makes an image of, fails, and never ends. */
export interface BuilderUnderTest {
  readonly builder: Builder
  readonly good: Readonly<Record<string, string>>
  readonly failing: Readonly<Record<string, string>>
  readonly hanging: Readonly<Record<string, string>>
  /** Part of a line that is logged when the hanging one hangs. */
  readonly hangs: string
}

/** The suite every builder passes. */
export function builderContract(open: () => Promise<BuilderUnderTest>): void {
  test('a good checkout becomes an image, and the log says how it was built', async () => {
    const { builder, good } = await open()
    const { request, lines } = aBuild(good)

    const made = await builder.build(request)

    expect(made.digest).toMatch(/^sha256:[0-9a-f]{64}$/)
    expect(made.chosen).not.toEqual('')
    expect(lines[0]).toContain(made.chosen)
  })

  test('a build that fails says its status', async () => {
    const { builder, failing } = await open()

    await expect(builder.build(aBuild(failing).request)).rejects.toMatchObject({ code: 'build.exit_code', message: expect.stringContaining('exited with') })
  })

  test('a build that hangs is ended at its deadline, and says how to give it more time', async () => {
    const { builder, hanging } = await open()
    const { request } = aBuild(hanging, { limits: { seconds: 3 } })

    await expect(builder.build(request)).rejects.toMatchObject({ code: 'build.timed_out', message: expect.stringContaining('build.timeout in lockgate.yaml') })
  })

  test('a cancelled build is over within ten seconds', async () => {
    const { builder, hanging, hangs } = await open()
    const { request, lines, stop } = aBuild(hanging)
    const build = builder.build(request).catch((error: unknown) => error)
    await expect.poll(() => lines.some((line) => line.endsWith(hangs)), { timeout: 60_000 }).toEqual(true)
    const startedAt = performance.now()

    stop.abort()

    expect(await build).toMatchObject({ code: 'build.requested' })
    expect(performance.now() - startedAt).toBeLessThan(10_000)
  })

  test('cleaning up after nothing is fine', async () => {
    const { builder } = await open()

    await builder.clean('b-nothing')
  })
}
