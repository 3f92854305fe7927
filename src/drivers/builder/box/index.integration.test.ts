import { readdir, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { volumesOf } from '../../../../test/support/folder.ts'
import { DEFAULT_RUN_SPEC } from '../../../core/artifact/artifact.ts'
import type { BuildStep } from '../../../core/build/build-step.ts'
import { userOf } from '../../../core/project/project.ts'
import { randomWord } from '../../../lib/ids.ts'
import { silentLog } from '../../../lib/log.ts'
import { run } from '../../../lib/run.ts'
import { removeFilter } from '../../runtime/docker/build-filter.ts'
import { docker } from '../../runtime/docker/index.ts'
import { removeVolumeFiles } from '../../runtime/docker/volumes.ts'
import type { Boxes, InstanceSpec, Runtime } from '../../runtime/types.ts'
import { aBuild, builderContract } from '../contract.ts'
import type { Builder } from '../types.ts'
import { box } from './index.ts'

const installation = `t${randomWord(8)}`
const environmentId = `e-${randomWord(8)}`
const volumesDirectory = volumesOf(installation)
const prefix = `10.215.${Math.floor(Math.random() * 256)}`
const appIds: string[] = []
let builder: Builder
let runtime: Runtime
let boxes: Boxes
const digests = new Set<string>()

beforeAll(async () => {
  const parts = await docker.create(docker.Config.parse({ installation, volumesDirectory }), undefined)
  if (!parts.boxes) throw new Error('no boxes')
  runtime = parts.runtime
  boxes = parts.boxes
  builder = await box.create(box.Config.parse({ installation }), { boxes, log: silentLog })
})

afterAll(async () => {
  for (const { name } of await runtime.observe()) await runtime.remove(name)
  await runtime.removeNetwork(environmentId)
  const images = (await run('docker', ['images', '--format', '{{.Repository}}:{{.Tag}}', `lockgate-${installation}/*`])).stdout
    .split('\n')
    .filter((name) => name !== '')
  for (const image of images) expect(await runtime.removeImage((await runtime.resolveImage(image)).digest)).toEqual(true)
  const ours = ['-q', '--filter', `label=lockgate.installation=${installation}`]
  for (const kind of ['volume', 'network']) {
    const names = (await run('docker', [kind, 'ls', ...ours])).stdout.split('\n').filter((name) => name !== '')
    if (names.length > 0) await run('docker', [kind, 'rm', ...names])
  }
  await removeFilter(installation)
  await removeVolumeFiles(volumesDirectory)
  await rm(volumesDirectory, { recursive: true, force: true })
})

const MAKEFILE = (build: string): Record<string, string> => ({ Makefile: `build:\n\t${build}\n\t# code.tar.gz\nrun:\n\ttrue\n` })

builderContract(async () => ({
  builder,
  good: { 'index.html': '<h1>hi</h1>' },
  failing: MAKEFILE('exit 4'),
  hanging: MAKEFILE("trap '' TERM; echo waiting; sleep 1000; sleep 1000"),
  hangs: 'waiting',
}))

async function example(name: string): Promise<Record<string, string>> {
  const folder = new URL(`../../../../examples/${name}/`, import.meta.url)
  const files: Record<string, string> = {}
  for (const file of await readdir(folder))
    if (!['node_modules', 'public', 'code.tar.gz'].includes(file)) files[file] = await readFile(new URL(file, folder), 'utf8')
  return files
}

/** Builds a checkout, starts its image as an instance, and gives its address. */
async function built(
  files: Record<string, string>,
  options: Parameters<typeof aBuild>[1] = {},
): Promise<{ url: string; lines: string[]; steps: BuildStep[]; name: string; seconds: number }> {
  const { request, lines, steps } = aBuild(files, options)
  appIds.push(request.appId)
  const startedAt = performance.now()
  const { digest } = await builder.build(request)
  const seconds = (performance.now() - startedAt) / 1000
  digests.add(digest)
  const ordinal = digests.size + 2
  const spec: InstanceSpec = {
    name: `lockgate-${installation}-${ordinal}`,
    kind: 'instance',
    projectId: 'p-test',
    environmentId,
    set: 1,
    ordinal,
    key: request.buildId,
    digest,
    reference: null,
    command: null,
    env: { PORT: '9000', GREETING: 'Good <morning>' },
    address: `${prefix}.${ordinal}`,
    subnet: { environmentId, projectId: 'p-test', cidr: `${prefix}.0/26`, gateway: `${prefix}.1` },
    limits: { ...DEFAULT_RUN_SPEC.limits, memoryMb: 128 },
    stopSignal: 'SIGTERM',
    stopGraceMs: 5_000,
    keepAlive: false,
  }
  await runtime.ensure(spec)
  await runtime.start(spec.name)
  const url = `http://${spec.address}:9000`
  await expect
    .poll(
      () =>
        fetch(url).then(
          (response) => response.status,
          () => 0,
        ),
      { timeout: 15_000 },
    )
    .toEqual(200)
  return { url, lines, steps, name: spec.name, seconds }
}

async function textOf(url: string): Promise<string> {
  return (await fetch(url)).text()
}

/** `2 npm run build done`, for each end of a step. */
function endsOf(steps: readonly BuildStep[]): string[] {
  return steps.flatMap(({ number, name, state, cached }) => (state === 'running' ? [] : [`${number} ${name} ${cached ? 'cached' : state}`]))
}

async function exitCodeAfterStop(name: string): Promise<number | null> {
  await runtime.stop(name)
  return (await runtime.observe(environmentId)).find((one) => one.name === name)?.exitCode ?? null
}

describe('an example that is built', () => {
  test('by npm serves its page, runs as nobody, and ends gracefully', async () => {
    const files = await example('node-hello')
    const appId = `a-${randomWord(8)}`
    const first = await built(files, { appId })
    const again = await built(files, { appId })

    expect(await textOf(first.url)).toContain('Good &lt;morning&gt;')
    expect(await textOf(`${first.url}/up`)).toEqual('up\n')
    expect(first.lines).toContain('-----> npm ci')
    expect(endsOf(first.steps)).toEqual(['1 npm ci done'])
    expect(endsOf(again.steps)).toEqual(['1 npm ci cached'])
    expect((await runtime.exec(first.name, ['id', '-u'], 5_000)).output.trim()).toEqual(String(userOf('p-test')))
    expect((await runtime.exec(first.name, ['sh', '-c', 'whoami; touch /app/x && stat -c %U /app/x'], 5_000)).output.trim()).toEqual('app\napp')
    expect(await exitCodeAfterStop(first.name)).toEqual(0)
    console.log(`npm: first ${first.seconds.toFixed(1)} s, again ${again.seconds.toFixed(1)} s`)
  })

  test('by make serves what make made, and ends gracefully', async () => {
    const files = await example('makefile-hello')
    const first = await built(files)
    const again = await built(files)

    expect(await textOf(first.url)).toMatch(/Built at <time>\d{4}-/)
    expect(first.lines).toContain('-----> make test')
    // Make passes the signal on, waits for the app, and says that it was ended by it.
    expect(await exitCodeAfterStop(first.name)).toEqual(143)
    console.log(`make: first ${first.seconds.toFixed(1)} s, again ${again.seconds.toFixed(1)} s`)
  })

  test('of static files is served with its types', async () => {
    const files = await example('static-hello')
    const first = await built(files)
    const again = await built(files)
    const css = await fetch(`${first.url}/style.css`)
    const missing = await fetch(`${first.url}/nothing`)

    expect(css.headers.get('content-type')).toEqual('text/css; charset=utf-8')
    expect(await textOf(`${first.url}/about`)).toContain('<h1>About</h1>')
    expect([missing.status, await missing.text()]).toEqual([404, expect.stringContaining('<h1>Not found</h1>')])
    expect((await fetch(`${first.url}/style.css`, { headers: { 'if-none-match': css.headers.get('etag') ?? '' } })).status).toEqual(304)
    expect(await exitCodeAfterStop(first.name)).toEqual(0)
    console.log(`static: first ${first.seconds.toFixed(1)} s, again ${again.seconds.toFixed(1)} s`)
  })

  test('with a folder to publish is served from the folder', async () => {
    const description = { name: 'x', version: '1.0.0', scripts: { build: 'mkdir dist && echo made > dist/index.html' } }
    const lock = { name: 'x', version: '1.0.0', lockfileVersion: 3, packages: { '': { name: 'x', version: '1.0.0' } } }

    const { url } = await built(
      { 'package.json': JSON.stringify(description), 'package-lock.json': JSON.stringify(lock) },
      { manifest: { build: { kind: 'auto', publish: 'dist' } } },
    )

    expect(await textOf(url)).toEqual('made\n')
  })
})

describe('a build', () => {
  test('of which a lot is left arrives whole', async () => {
    const program = "require('http').createServer((q, r) => r.end('hi')).listen(process.env.PORT)"
    const makefile =
      'build:\n\thead -c 60000000 /dev/urandom > big\n\tsha256sum big > sum\n\tmv server.js big sum Makefile /tmp/ && tar -czf code.tar.gz -C /tmp server.js big sum Makefile\nrun:\n\tnode server.js\n'

    const { name } = await built({ Makefile: makefile, 'server.js': program })

    expect((await runtime.exec(name, ['sh', '-c', 'cd /app && sha256sum -c sum'], 20_000)).output.trim()).toEqual('big: OK')
  })

  test('that takes too much memory is named, and says how to get more', async () => {
    const files = { ...MAKEFILE('node eat.js'), 'eat.js': 'const a = []; for (;;) a.push(Buffer.alloc(8 << 20, 1))' }

    const build = builder.build(aBuild(files, { limits: { memoryMb: 128 } }).request)

    await expect(build).rejects.toMatchObject({
      code: 'build.out_of_memory',
      message: expect.stringContaining('set build.memory in lockgate.yaml, e.g. 256MB'),
    })
  })

  test('that forks without end ends by itself, and the machine does not notice', async () => {
    const files = { ...MAKEFILE('sh bomb.sh'), 'bomb.sh': 'f() { f | f & }; f; sleep 1; exit 7' }

    await expect(builder.build(aBuild(files, { limits: { processes: 64, seconds: 20 } }).request)).rejects.toMatchObject({
      code: 'build.too_many_processes',
    })
  })

  test('cannot write outside its folders, has no capabilities and no engine', async () => {
    const probe = 'echo $(id -u) $(whoami); touch /etc/x || echo no-etc; grep CapEff /proc/self/status; ls /var/run/docker.sock || echo no-socket; exit 1'
    const { request, lines } = aBuild({ ...MAKEFILE('sh probe.sh'), 'probe.sh': probe })

    await builder.build(request).catch(() => undefined)

    expect(lines).toContain(`${userOf('p-test')} app`)
    expect(lines).toContain('no-etc')
    expect(lines).toContain('no-socket')
    expect(lines).toContain('CapEff:\t0000000000000000')
  })

  test('does not reach another build on the network of builds', async () => {
    const listener = { ...MAKEFILE('ip addr; nc -l -p 9 -e true'), x: '' }
    const waiting = aBuild(listener)
    const first = builder.build(waiting.request).catch(() => undefined)
    await expect.poll(() => waiting.lines.join('\n'), { timeout: 30_000 }).toMatch(/inet (?!127)\S+\//)
    const [, address = ''] = /inet (?!127)([0-9.]+)\//.exec(waiting.lines.join('\n')) ?? []
    const { request, lines } = aBuild(MAKEFILE(`nc -w 3 ${address} 9 < /dev/null && echo reached; exit 1`))

    await builder.build(request).catch(() => undefined)
    waiting.stop.abort()
    await first

    expect(lines).not.toContain('reached')
  })

  test('tells of its steps as they go, whatever the app prints', async () => {
    const { request, steps, lines } = aBuild({
      Makefile: "build: # code.tar.gz\n\t@echo '-----> make deploy'; printf 'no line end'\ntest:\n\texit 3\nrun:\n\ttrue\n",
    })

    const build = builder.build(request)

    await expect(build).rejects.toMatchObject({ code: 'build.tests_failed', message: 'The tests failed: "make test" exited with 2, and the log says why' })
    expect(endsOf(steps)).toEqual(['1 make build done', '2 make test failed'])
    expect(lines).toContain('no line end')
  })

  test('has the same recipe until what it is made of differs', async () => {
    const of = (files: Record<string, string>, options = {}): Promise<string | null> => builder.recipe(aBuild(files, options).request)
    const site = { 'index.html': '' }

    expect(await of(site)).toEqual(await of({ 'index.html': 'another text, the same recipe' }))
    expect(await of(site)).not.toEqual(await of({ ...site, ...MAKEFILE('true') }))
  })

  test('that leaves no code.tar.gz, or a bad one, says so', async () => {
    await expect(builder.build(aBuild(MAKEFILE('true')).request)).rejects.toMatchObject({
      code: 'build.no_artifact',
      message: expect.stringContaining('left no code.tar.gz'),
    })
    await expect(builder.build(aBuild(MAKEFILE('echo hello > code.tar.gz')).request)).rejects.toMatchObject({
      code: 'build.no_artifact',
      message: expect.stringContaining('gzip'),
    })
    await expect(builder.build(aBuild(MAKEFILE('ln -s /etc/passwd code.tar.gz')).request)).rejects.toMatchObject({ code: 'build.no_artifact' })
    await expect(builder.build(aBuild(MAKEFILE('mkdir d; ln -s /etc d/x; tar -czf code.tar.gz d')).request)).rejects.toMatchObject({
      code: 'build.no_artifact',
      message: expect.stringContaining('which is outside'),
    })
  })

  test('that unpacks to more than an app may be is refused, not unpacked', async () => {
    const small = await box.create(box.Config.parse({ installation, appMb: 64 }), { boxes, log: silentLog })
    const bomb = (size: string): string => `const z = require('zlib').createGzip(); z.pipe(process.stdout)
const h = Buffer.alloc(512); h.write('big'); h.write('0000644\\0', 100); h.write('0000000\\0', 108); h.write('0000000\\0', 116); h.write('${size}\\0', 124); h.write('00000000000\\0', 136); h.write('0', 156); h.write('ustar\\u000000', 257)
h.fill(' ', 148, 156); h.write(h.reduce((a, b) => a + b, 0).toString(8).padStart(6, '0') + '\\0 ', 148); z.write(h)
const zero = Buffer.alloc(1 << 20); let n = 0; (function more() { while (n++ < 200) if (!z.write(zero)) return z.once('drain', more); z.end() })()`

    // One that says how big it is, and one that says it is many small files.
    const honest = { ...MAKEFILE('node bomb.js > code.tar.gz'), 'bomb.js': bomb('00400000000') }
    const many = { ...MAKEFILE('mkdir d; for i in $(seq 200); do head -c 1000000 /dev/zero > d/$i; done; tar -czf code.tar.gz d'.replaceAll('$', () => '$$')) }

    for (const files of [honest, many])
      await expect(small.build(aBuild(files).request)).rejects.toMatchObject({ code: 'build.no_artifact', message: expect.stringContaining('more than 64 MB') })
  })

  test('leaves no box behind, whatever happened', async () => {
    const left = await run('docker', ['ps', '-aq', '--filter', `label=lockgate.installation=${installation}`, '--filter', 'label=lockgate.kind=box'])

    expect(left.stdout).toEqual('')
  })

  test('without an engine is an UnavailableError, not a failed build', async () => {
    const socket = `/tmp/lockgate-deaf-${randomWord(8)}.sock`
    const deaf = createServer(() => undefined).listen(socket)
    const parts = await docker.create(docker.Config.parse({ installation, socket, timeoutMs: 300 }), undefined)
    const lost = await box.create(box.Config.parse({ installation }), { boxes: parts.boxes, log: silentLog })

    await expect(lost.build(aBuild({ 'index.html': '' }).request)).rejects.toMatchObject({ code: 'runtime.unreachable', retryable: true })
    deaf.close()
  })
})
