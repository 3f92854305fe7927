import { rm } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { volumesOf } from '../../../../test/support/folder.ts'
import { testImage } from '../../../../test/support/images.ts'
import type { BuildStep } from '../../../core/build/build-step.ts'
import { randomWord } from '../../../lib/ids.ts'
import { silentLog } from '../../../lib/log.ts'
import { run } from '../../../lib/run.ts'
import { removeFilter } from '../../runtime/docker/build-filter.ts'
import { docker } from '../../runtime/docker/index.ts'
import { loopsBelow } from '../../runtime/docker/loop-files.ts'
import { removeVolumeFiles } from '../../runtime/docker/volumes.ts'
import type { Boxes } from '../../runtime/types.ts'
import { aBuild, type BuildOptions } from '../contract.ts'
import type { Builder, BuildRequest, BuildResult } from '../types.ts'
import { box } from './index.ts'

const installation = `t${randomWord(8)}`
const volumesDirectory = volumesOf(installation)
const mine = `lockgate-test/from-${installation}`
let builder: Builder
let boxes: Boxes

beforeAll(async () => {
  const parts = await docker.create(docker.Config.parse({ installation, volumesDirectory }), undefined)
  if (!parts.boxes) throw new Error('no boxes')
  boxes = parts.boxes
  builder = await box.create(box.Config.parse({ installation }), { boxes, log: silentLog })
  // The first one makes the image of the box, and brings the base in.
  await builder.build(aBuild({ Dockerfile: 'FROM lockgate/base\nCMD ["true"]\n' }).request)
})

afterAll(async () => {
  const left = await run('docker', ['ps', '-aq', '--filter', `label=lockgate.installation=${installation}`])
  expect([left.stdout, await loopsBelow(volumesDirectory)]).toEqual(['', []])
  const images = (await run('docker', ['images', '--format', '{{.Repository}}:{{.Tag}}'])).stdout.split('\n')
  const ours = images.filter((name) => name.startsWith(`lockgate-${installation}/`) || name.startsWith(mine))
  if (ours.length > 0) await run('docker', ['rmi', '-f', ...ours])
  for (const kind of ['volume', 'network']) {
    const names = (await run('docker', [kind, 'ls', '-q', '--filter', `label=lockgate.installation=${installation}`])).stdout.split('\n').filter(Boolean)
    if (names.length > 0) await run('docker', [kind, 'rm', ...names])
  }
  await removeFilter(installation)
  await removeVolumeFiles(volumesDirectory)
  await rm(volumesDirectory, { recursive: true, force: true })
})

interface Built extends BuildResult {
  readonly lines: readonly string[]
  readonly steps: readonly BuildStep[]
  readonly seconds: number
}

async function build(files: Record<string, string>, options: BuildOptions & Partial<Pick<BuildRequest, 'secrets' | 'trust'>> = {}): Promise<Built> {
  const { request, lines } = aBuild(files, options)
  const steps: BuildStep[] = []
  const startedAt = performance.now()
  const { secrets = {}, trust = 'protected' } = options
  const result = await builder.build({ ...request, secrets, trust, step: (step) => void steps.push(step) })
  return { ...result, lines, steps, seconds: (performance.now() - startedAt) / 1000 }
}

/** What a program of the image prints. */
async function said(digest: string, ...command: string[]): Promise<string> {
  return (await run('docker', ['run', '--rm', '--network', 'none', digest, ...command])).stdout
}

async function configOf(digest: string): Promise<Record<string, unknown> & { Labels: Record<string, string>; Env: string[] }> {
  return JSON.parse((await run('docker', ['inspect', '--format', '{{json .Config}}', digest])).stdout)
}

const APP = {
  'package.json': JSON.stringify({ name: 'x', version: '1.0.0', dependencies: { ms: '2.1.3' } }),
  'server.js': "console.log(require('ms')('2 days'))",
  '.dockerignore': 'secret.txt\n*.md\n!README.md\n',
  'secret.txt': 'no',
  'README.md': 'yes',
  'NOTES.md': 'no',
  Dockerfile: `ARG NODE=node
FROM lockgate/\${NODE} AS build
WORKDIR /src
COPY package.json .
RUN --mount=type=cache,target=/root/.npm npm install --no-audit --no-fund --cache /root/.npm
COPY . .

FROM lockgate/node
COPY --from=build --chown=700000 /src /srv
WORKDIR /srv
ENV PORT=3000
EXPOSE 3000
USER 700000
HEALTHCHECK --interval=5s CMD true
CMD ["node", "server.js"]
`,
}

describe('a Dockerfile', () => {
  test('on an image with a volume is told that it is not kept, and an app that runs on one too', async () => {
    const image = `${mine}volume:1`
    const box = `lockgate-${installation}-volume`
    await run('docker', ['create', '--name', box, await testImage(boxes, 'hello')])
    await run('docker', ['commit', '--change', 'VOLUME /var/lib/data', box, image])
    await run('docker', ['rm', '-v', box])

    const built = await build({ Dockerfile: `FROM ${image}\nVOLUME /own\nCMD ["true"]\n` })
    const runs = await build({ 'index.html': 'hi' }, { manifest: { build: { kind: 'static', runner: image }, processes: { web: { command: ['true'] } } } })

    const notKept = (lines: readonly string[]): string[] => lines.filter((line) => line.startsWith('Not used: VOLUME')).map((line) => line.split(',')[0] ?? '')
    expect(notKept(built.lines)).toEqual(['Not used: VOLUME /own', 'Not used: VOLUME /var/lib/data of the image'])
    expect(notKept(runs.lines)).toEqual(['Not used: VOLUME /var/lib/data of the image'])
  })

  test('with stages becomes an image the engine has, and the second build only runs what changed', async () => {
    const appId = `a-${randomWord(8)}`
    const first = await build(APP, { appId })
    const again = await build(APP, { appId })
    const changed = await build({ ...APP, 'server.js': 'console.log(42)' }, { appId })
    const config = await configOf(first.digest)

    expect(await said(first.digest)).toEqual('172800000\n')
    expect(await said(changed.digest)).toEqual('42\n')
    expect(await said(first.digest, 'ls')).not.toMatch(/secret|NOTES/)
    expect(await said(first.digest, 'ls')).toContain('README.md')
    expect(first.ports).toEqual([3000])
    expect(first.chosen).toEqual('dockerfile: found a Dockerfile')
    expect(config).toMatchObject({ User: '700000', WorkingDir: '/srv', Cmd: ['node', 'server.js'], Healthcheck: { Test: ['CMD-SHELL', 'true'] } })
    expect(config.Labels).toMatchObject({ 'lockgate.app': appId, 'lockgate.image': installation, 'lockgate.installation': '' })
    expect(config.Env.join(' ')).not.toMatch(/SSL_CERT|registry|proxy|CAFILE/i)
    expect(again.steps.filter((step) => step.name.startsWith('RUN') && step.state === 'done')).toMatchObject([{ cached: true }])
    expect(changed.steps.filter((step) => step.state === 'done').map((step) => step.name)).toContain('COPY . .')
    expect(first.steps.filter((step) => step.state === 'done').map((step) => step.number)).toEqual(
      first.steps.filter((step) => step.state === 'done').map((_, at) => at + 1),
    )
    console.log(`dockerfile: first ${first.seconds.toFixed(1)} s, again ${again.seconds.toFixed(1)} s, one line ${changed.seconds.toFixed(1)} s`)
  })

  test.each([
    ['a list of words', 'CMD ["echo", "a b"]', 'a b\n'],
    ['a line for a shell', 'CMD echo $((1 + 1))', '2\n'],
    ['an entrypoint and its words', 'ENTRYPOINT ["echo", "one"]\nCMD ["two"]', 'one two\n'],
    ['what a here-document made', 'RUN <<EOF\necho three > /file\nEOF\nCMD ["cat", "/file"]', 'three\n'],
    [
      'somebody in a folder',
      'RUN mkdir /w && adduser -D u 2>/dev/null || echo "u:x:1234:1234::/w:/bin/sh" >> /etc/passwd\nUSER u\nWORKDIR /w\nCMD echo $(id -u) $(pwd)',
      '1234 /w\n',
    ],
  ])('runs %s', async (_name, lines, expected) => {
    const { digest } = await build({ Dockerfile: `FROM lockgate/base\n${lines}\n` })

    expect(await said(digest)).toEqual(expected)
  })

  test('named in lockgate.yaml is built with its stage and arguments, whatever else is there', async () => {
    const files = {
      Makefile: 'build:\n\ttouch code.tar.gz\nrun:\n\ttrue\n',
      'deploy/app.Dockerfile': 'FROM lockgate/base AS small\nARG WORD=no\nRUN echo $WORD > /word\nCMD ["cat", "/word"]\nFROM nowhere.invalid/x\n',
    }

    const made = await build(files, { manifest: { build: { kind: 'auto', dockerfile: 'deploy/app.Dockerfile', target: 'small', args: { WORD: 'a b' } } } })

    expect(await said(made.digest)).toEqual('a b\n')
    expect(made.chosen).toContain('lockgate.yaml names deploy/app.Dockerfile')
  })

  test('uses secrets that are nowhere afterwards, and an untrusted build has none', async () => {
    const canary = `canary${randomWord(12)}`
    const files = {
      Dockerfile: 'FROM lockgate/base\nRUN --mount=type=secret,id=TOKEN test -s /run/secrets/TOKEN && sha256sum /run/secrets/TOKEN > /sum\nCMD ["cat", "/sum"]',
    }

    const made = await build(files, { secrets: { TOKEN: canary } })

    const { stdout } = await run('sh', ['-c', `docker save ${made.digest} | grep -c ${canary}; docker history --no-trunc ${made.digest}`], { anyStatus: true })
    expect(stdout.split('\n')[0]).toEqual('0')
    expect(stdout + made.lines.join('\n')).not.toContain(canary)
    await expect(build(files, { secrets: { TOKEN: canary }, trust: 'untrusted' })).rejects.toMatchObject({ code: 'build.exit_code' })
  })

  test('begins from an image of the engine, does what ONBUILD says there, and does not begin from an app', async () => {
    const { stdout } = await run('docker', ['images', '--format', '{{.Repository}}:{{.Tag}}', 'lockgate/base'])
    const base = stdout.split('\n')[0]
    const onbuild = `FROM ${base}\nONBUILD COPY word /word\nONBUILD RUN cat /word /word > /twice\nCMD ["cat", "/twice"]\n`
    await run('docker', ['build', '-q', '-t', `${mine}:1`, '-'], { input: onbuild })
    const child = await build({ Dockerfile: `FROM ${mine}:1\n`, word: 'ab' })

    expect(await said(child.digest)).toEqual('abab')
    await expect(build({ Dockerfile: `FROM ${await tagOf(child.digest)}\n` })).rejects.toMatchObject({
      code: 'build.base_unreachable',
      message: expect.stringContaining('is that of an app here'),
    })
  })

  test('that begins from what is nowhere says which places were tried', async () => {
    await expect(build({ Dockerfile: 'FROM nowhere.invalid/base:1\nRUN true\n' })).rejects.toMatchObject({
      code: 'build.base_unreachable',
      message: expect.stringMatching(/nowhere\.invalid\/base:1 \(.*images of this engine.*registryMirrors.*lockgate\/node/s),
    })
  })

  test.each([
    ['a program that fails', 'FROM lockgate/base\nRUN exit 3\n', 'build.exit_code', '"RUN exit 3" exited with 3'],
    ['a file that is not there', 'FROM lockgate/base\nCOPY nothing /x\n', 'build.exit_code', 'no such file'],
    ['an instruction nobody knows', 'FROM lockgate/base\nRUNN x\n', 'build.exit_code', 'RUNN'],
    ['a stage that is not there', 'FROM lockgate/base AS a\n', 'build.not_understood', 'no stage b; it has a'],
    ['an image that runs nothing', 'FROM scratch\nCOPY Dockerfile /x\n', 'build.no_artifact', 'add CMD to the Dockerfile'],
    ['a RUN that asks for rights', 'FROM lockgate/base\nRUN --security=insecure true\nCMD true\n', 'build.exit_code', 'security'],
  ])('with %s says so', async (...[name, text, code, message]) => {
    const manifest = { build: { kind: 'auto' as const, ...(name.startsWith('a stage') ? { target: 'b' } : {}) } }

    await expect(build({ Dockerfile: text }, { manifest })).rejects.toMatchObject({ code, message: expect.stringContaining(message) })
  })

  test('that is cancelled while its images are brought in leaves nothing', async () => {
    const fresh = await box.create(box.Config.parse({ installation }), { boxes, log: silentLog })
    const { request, stop } = aBuild({ Dockerfile: 'FROM lockgate/node-native\nCMD ["true"]\n' })
    await boxes.removeVolume(`lockgate-${installation}-images`)
    const made = fresh.build(request).catch((error: unknown) => error)
    const ours = async (): Promise<string> => (await run('docker', ['ps', '-q', '--filter', `label=lockgate.owner=${request.buildId}`])).stdout
    await expect.poll(ours, { timeout: 120_000, interval: 20 }).not.toEqual('')

    stop.abort()

    expect(await made).toMatchObject({ code: 'build.requested' })
    await expect.poll(() => loopsBelow(volumesDirectory), { timeout: 10_000 }).toEqual([])
    expect(await ours()).toEqual('')
  })

  test('can be built, says doctor; where its box cannot be made it says why', async () => {
    const nowhere = await box.create(box.Config.parse({ installation }), {
      boxes: { ...boxes, findImage: async () => null, importImage: async () => Promise.reject(new Error('no mirror has it')) },
      log: silentLog,
    })
    await nowhere.build(aBuild({ Dockerfile: 'FROM scratch\n' }).request).catch(() => undefined)

    expect(await builder.checks()).toEqual([{ name: 'dockerfile', ok: true, sentence: expect.stringContaining('as nobody') }])
    expect(await nowhere.checks()).toEqual([{ name: 'dockerfile', ok: false, sentence: expect.stringContaining('no mirror has it') }])
  })

  test('has a recipe that follows its text and its images', async () => {
    const recipe = (text: string): Promise<string | null> => builder.recipe(aBuild({ Dockerfile: text }).request)
    const one = await recipe('FROM lockgate/base\nRUN a\n')

    expect(one).toMatch(/^[0-9a-f]{16}$/)
    expect(await recipe('FROM lockgate/node\nRUN a\n')).not.toEqual(one)
    expect(await recipe('FROM nowhere.invalid/x\n')).toBeNull()
  })
})

async function tagOf(digest: string): Promise<string> {
  return (await run('docker', ['inspect', '--format', '{{index .RepoTags 0}}', digest])).stdout.trim()
}
