import { readdir, readFile, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:net'
import { networkInterfaces } from 'node:os'
import { Readable } from 'node:stream'
import { createGzip } from 'node:zlib'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { type Bystander, startBystander } from '../../../../test/support/bystander.ts'
import { wipe } from '../../../../test/support/engine.ts'
import { volumesOf } from '../../../../test/support/folder.ts'
import { type Neighbour, startNeighbour } from '../../../../test/support/neighbour.ts'
import { randomWord } from '../../../lib/ids.ts'
import { silentLog } from '../../../lib/log.ts'
import { run } from '../../../lib/run.ts'
import { addEntry, tarStream } from '../../../lib/tar.ts'
import { docker } from '../../runtime/docker/index.ts'
import { loopsBelow } from '../../runtime/docker/loop-files.ts'
import type { Boxes, Runtime } from '../../runtime/types.ts'
import { type ABuild, aBuild, type BuildOptions } from '../contract.ts'
import type { Builder, BuildRequest } from '../types.ts'
import { box } from './index.ts'

const installation = `t${randomWord(8)}`
const volumesDirectory = volumesOf(installation)
let builder: Builder
let runtime: Runtime
let boxes: Boxes
let bystander: Bystander
/** Containers that builds of this file had. */
const seen = new Set<string>()

async function open(allowNetworks: readonly string[] = []): Promise<{ builder: Builder; runtime: Runtime; boxes: Boxes }> {
  const parts = await docker.create(docker.Config.parse({ installation, volumesDirectory, allowNetworks }), undefined)
  if (!parts.boxes) throw new Error('no boxes')
  return { ...parts, boxes: parts.boxes, builder: await box.create(box.Config.parse({ installation }), { boxes: parts.boxes, log: silentLog }) }
}

beforeAll(async () => {
  const parts = await open()
  builder = parts.builder
  runtime = parts.runtime
  boxes = parts.boxes
  // Bases are made, and what a Dockerfile begins from is brought in, before anything is measured.
  await builder.build(aBuild(MAKEFILE('touch x && tar -czf code.tar.gz x')).request)
  await builder.build(aBuild({ Dockerfile: 'FROM lockgate/node\nCMD ["true"]\n' }).request)
  bystander = await startBystander({ runtime, boxes }, installation, `10.216.${Math.floor(Math.random() * 256)}`)
}, 300_000)

afterEach(async (context) => {
  const { answers, failed, p99Ms, worstMs } = bystander.report()
  console.log(`${context.task.name}: ${answers} answers of the app beside it, ${failed} failed, p99 ${p99Ms.toFixed(1)} ms, worst ${worstMs.toFixed(1)} ms`)
  expect(failed).toEqual(0)
  expect(await whatIsLeft()).toEqual({ containers: [], devices: [], disks: [], processes: [] })
})

afterAll(async () => {
  await bystander.stop()
  await wipe(installation, volumesDirectory)
  await rm(volumesDirectory, { recursive: true, force: true })
})

const MAKEFILE = (command: string): Record<string, string> => ({ Makefile: `build:\n\t${command}\n\t# code.tar.gz\nrun:\n\ttrue\n` })
const SCRIPT = (script: string): Record<string, string> => ({ ...MAKEFILE('sh attack.sh'), 'attack.sh': script })
const PROGRAM = (program: string): Record<string, string> => ({ ...MAKEFILE('node attack.js'), 'attack.js': program })
const DOCKERFILE = (command: string, more: Record<string, string> = {}): Record<string, string> => ({
  Dockerfile: `FROM lockgate/node\nCOPY . /src\nWORKDIR /src\nRUN ${command}\nCMD ["true"]\n`,
  ...more,
})

/** The same attack in a step of a Makefile, and in a RUN. */
const BOTH = (attack: Record<string, string>): [string, Record<string, string>][] => {
  const { Makefile, ...files } = attack
  const [, command = ''] = /^build:\n\t(.*)$/m.exec(Makefile ?? '') ?? []
  return [
    ['Makefile', attack],
    ['Dockerfile', DOCKERFILE(command, files)],
  ]
}

async function whatIsLeft(): Promise<Record<string, readonly string[]>> {
  const containers = (await run('docker', ['ps', '-aq', '--filter', `label=lockgate.installation=${installation}`, '--filter', 'label=lockgate.kind=box']))
    .stdout
  const disks = await readdir(`${volumesDirectory}/work`).catch(() => [])
  const devices = (await loopsBelow(volumesDirectory)).map(({ device }) => device)
  const processes: string[] = []
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const cgroup = await readFile(`/proc/${pid}/cgroup`, 'utf8').catch(() => '')
    if ([...seen].some((id) => cgroup.includes(id))) processes.push(pid)
  }
  return { containers: containers.split('\n').filter(Boolean), devices, disks, processes }
}

interface Ended extends ABuild {
  readonly failure: unknown
  readonly seconds: number
}

/** Builds to the end, whatever it is, and remembers the containers it had. */
async function attack(files: Record<string, string>, options: BuildOptions & Partial<Pick<BuildRequest, 'trust'>> = {}, by = builder): Promise<Ended> {
  const made = aBuild(files, options)
  const startedAt = performance.now()
  const ended = by.build({ ...made.request, trust: options.trust ?? 'protected' }).then(
    () => null,
    (error: unknown) => error,
  )
  const running = { value: true }
  const watching = (async () => {
    while (running.value) {
      const { stdout } = await run('docker', ['ps', '-q', '--no-trunc', '--filter', `label=lockgate.owner=${made.request.buildId}`])
      for (const id of stdout.split('\n').filter(Boolean)) seen.add(id)
    }
  })()
  const failure = await ended
  running.value = false
  await watching
  return { ...made, failure, seconds: (performance.now() - startedAt) / 1000 }
}

describe.each([0, 1])('what takes without end (%#)', (at) => {
  const both = (attack: Record<string, string>): Record<string, string> => BOTH(attack)[at]?.[1] ?? {}
  const how = at === 0 ? 'Makefile' : 'Dockerfile'

  test(`${how}: a fork bomb meets its number of processes`, async () => {
    const { failure } = await attack(both(SCRIPT('f() { f | f & }; f; sleep 1; exit 7')), { limits: { processes: 96, seconds: 20 } })

    expect(failure).toMatchObject({
      code: 'build.too_many_processes',
      message: expect.stringMatching(/96 processes.*set build\.processes in lockgate\.yaml, e\.g\. 192/),
    })
  })

  test(`${how}: 10 GB of memory meet its memory`, async () => {
    const { failure, seconds } = await attack(both(PROGRAM('const all = []; for (let i = 0; i < 1280; i++) all.push(Buffer.alloc(8 << 20, 1))')), {
      limits: { memoryMb: 512 },
    })

    expect(failure).toMatchObject({ code: 'build.out_of_memory', message: expect.stringContaining('set build.memory in lockgate.yaml, e.g. 1GB') })
    expect(seconds).toBeLessThan(20)
  })

  test(`${how}: a file of 50 GB ends at its disk`, async () => {
    const free = await boxes.freeBytes()
    const { failure } = await attack(both(SCRIPT('dd if=/dev/zero of=big bs=1M count=50000')), { limits: { diskMb: 512 } })

    expect(failure).toMatchObject({ code: 'build.disk_full', message: expect.stringMatching(/512 MB.*set build\.disk in lockgate\.yaml, e\.g\. 1GB/) })
    // The rest is what a Dockerfile's cache may keep, and what others of this machine did meanwhile.
    expect((free ?? 0) - ((await boxes.freeBytes()) ?? 0)).toBeLessThan(3 * 1024 ** 3)
  })

  test(`${how}: files without end meet the number its disk has`, async () => {
    const program = "const fs = require('fs'); fs.mkdirSync('many'); for (let i = 0; ; i++) fs.writeFileSync('many/' + i, '')"
    const { failure } = await attack(both(PROGRAM(program)), { limits: { diskMb: 128 } })

    expect(failure).toMatchObject({ code: 'build.disk_full', message: expect.stringContaining('set build.disk in lockgate.yaml, e.g. 256MB') })
  })

  test(`${how}: sleeping for ever, deaf to signals, ends at its time`, async () => {
    const { failure, seconds } = await attack(both(SCRIPT("trap '' TERM INT HUP; sleep 9999; sleep 9999")), { limits: { seconds: 4 } })

    expect(failure).toMatchObject({ code: 'build.timed_out', message: expect.stringContaining('set build.timeout in lockgate.yaml') })
    expect(seconds).toBeLessThan(20)
  })

  test(`${how}: processes that are left behind end with the build`, async () => {
    const { failure, lines } = await attack(
      both(SCRIPT('setsid sh -c "trap \\"\\" TERM; sleep 9999" > /dev/null 2>&1 & echo left; tar -czf code.tar.gz attack.sh')),
    )

    expect([failure, lines.includes('left')]).toEqual([null, true])
  })

  test(`${how}: cancelling ends everything within ten seconds`, async () => {
    const made = aBuild(both(SCRIPT("trap '' TERM; echo hanging; for i in 1 2 3; do setsid sleep 9999 & done; sleep 9999")))
    const build = builder.build(made.request).catch((error: unknown) => error)
    await expect.poll(() => made.lines.includes('hanging'), { timeout: 60_000 }).toEqual(true)
    const startedAt = performance.now()

    made.stop.abort()

    expect(await build).toMatchObject({ code: 'build.requested' })
    expect(performance.now() - startedAt).toBeLessThan(10_000)
  })

  test(`${how}: rights that nobody gave are not to be had`, async () => {
    const script = `for path in /var/run/docker.sock /run/docker.sock /proc/1/root/etc/hostname /sys/fs/cgroup/release_agent; do [ -e $path ] && [ -w $path ] && echo "has $path"; done
mknod /tmp/sda b 8 0 2> /dev/null && [ -b /tmp/sda ] && head -c 1 /tmp/sda > /dev/null && echo has-disk
echo b > /proc/sysrq-trigger 2> /dev/null && echo has-sysrq
mount -t proc proc /mnt 2> /dev/null && echo has-mount
chroot /proc/1/root ls /app/.lockgate 2> /dev/null && echo has-chroot
unshare -r mount -t tmpfs x /mnt 2> /dev/null && echo has-namespace
dmesg > /dev/null 2>&1 && echo has-dmesg
echo done
exit 1`
    const { lines } = await attack(both(SCRIPT(script)))

    expect(lines).toContain('done')
    expect(lines.filter((line) => line.startsWith('has'))).toEqual([])
  })
})

describe('output without end', () => {
  test('of one line is cut, and 1 GB of it neither fills the disk nor the memory of the server', async () => {
    const before = process.memoryUsage().rss
    const { failure, lines } = await attack(
      PROGRAM(
        "const part = Buffer.alloc(1 << 20, 'x'); let n = 0; (function more() { while (n++ < 1024) if (!process.stdout.write(part)) return process.stdout.once('drain', more); process.exit(5) })()",
      ),
    )

    expect(failure).toMatchObject({ code: 'build.exit_code' })
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(16 * 1024)
    expect(lines.reduce((sum, line) => sum + line.length, 0)).toBeLessThan(101 * 1024 * 1024)
    expect(lines.at(-1)).toContain('the rest is not kept')
    // What is kept here is 100 MB itself.
    expect(process.memoryUsage().rss - before).toBeLessThan(400 * 1024 * 1024)
  })
})

async function bytesOf(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of stream) chunks.push(chunk)
  return Buffer.concat(chunks)
}

describe('archives without end', () => {
  test('that ADD unpacks end at the disk of the build', async () => {
    // 1 GB of nothing in 1 MB, as a file of the repository.
    const zeros = Buffer.alloc(1 << 20)
    const tar = tarStream((target) => addEntry(target, { name: 'zero', size: zeros.length * 1024 }, Readable.from(Array.from({ length: 1024 }, () => zeros))))
    const packed = await bytesOf(tar.pipe(createGzip({ level: 1 })))
    const bomb = { Dockerfile: 'FROM lockgate/base\nADD bomb.tar.gz /x/\nCMD ["true"]\n', 'bomb.tar.gz': packed as unknown as string }

    const { failure } = await attack(bomb, { limits: { diskMb: 256 } })

    expect(failure).toMatchObject({ code: 'build.disk_full', message: expect.stringContaining('set build.disk in lockgate.yaml, e.g. 512MB') })
  })
})

describe('the network of a build', () => {
  let neighbour: Neighbour
  let listener: Server
  const published = `lockgate-${installation}-published`
  let places: Record<string, string>

  beforeAll(async () => {
    neighbour = await startNeighbour(installation)
    listener = createServer((socket) => socket.on('error', () => undefined).end('hi')).listen(0, '0.0.0.0')
    await new Promise((resolve) => listener.once('listening', resolve))
    const address = listener.address()
    const port = typeof address === 'object' ? (address?.port ?? 0) : 0
    const image = (await run('docker', ['inspect', '--format', '{{.Image}}', `lockgate-${installation}-bystander`])).stdout.trim()
    await run('docker', ['run', '-d', '--rm', '--name', published, '-p', '8080', '-e', 'PORT=8080', image])
    const to = (await run('docker', ['port', published, '8080/tcp'])).stdout.split('\n')[0]?.split(':').at(-1) ?? ''
    const host = Object.values(networkInterfaces())
      .flat()
      .find((one) => one && !one.internal && one.family === 'IPv4' && !one.address.startsWith('10.') && !one.address.startsWith('172.'))
    const network = `lockgate-${installation}-build`
    const gateway = (await run('docker', ['network', 'inspect', '--format', '{{(index .IPAM.Config 0).Gateway}}', network])).stdout.trim()
    const [privatePlace = '', linkLocal = ''] = neighbour.places
    places = {
      'the gateway of its bridge': `${gateway}:${port}`,
      'the gateway of another bridge': `172.17.0.1:${port}`,
      'this host': `${host?.address}:${port}`,
      'a published port': `${host?.address}:${to}`,
      'a published port at its gateway': `${gateway}:${to}`,
      'an app': `${bystander.address}:${bystander.port}`,
      'a private neighbour': privatePlace,
      'the place of cloud credentials': linkLocal,
    }
  })

  afterAll(async () => {
    await new Promise((resolve) => listener.close(resolve))
    await run('docker', ['rm', '-f', published])
    await neighbour.stop()
  })

  const PROBE = `Promise.all(process.argv.slice(2).map((place) => new Promise((done) => {
    const [host, port] = place.split(':')
    const socket = require('net').connect({ host, port, timeout: 2000 }, () => { console.log('reached ' + place); socket.destroy(); done() })
    socket.on('timeout', () => { socket.destroy(); done() }); socket.on('error', done)
  }))).then(() => { console.log('probed'); process.exit(1) })`

  async function reached(how: (files: Record<string, string>) => Promise<Ended>, wanted: readonly string[]): Promise<string[]> {
    const { lines } = await how({ 'probe.js': PROBE, ...MAKEFILE(`node probe.js ${wanted.join(' ')}`) })
    expect(lines).toContain('probed')
    return lines.flatMap((line) => (line.startsWith('reached ') ? [line.slice('reached '.length)] : []))
  }

  test('leads to nothing that is private: not this host, its apps, its neighbours or link-local; an ordinary container reaches some of it', async () => {
    const wanted = Object.values(places)
    const image = (await run('docker', ['inspect', '--format', '{{.Image}}', published])).stdout.trim()
    const ordinary = await run(
      'docker',
      [
        'run',
        '--rm',
        '--network',
        `lockgate-${installation}-e-bystander`,
        '--entrypoint',
        'node',
        image,
        '-e',
        PROBE.replace('slice(2)', 'slice(1)'),
        ...wanted,
      ],
      { anyStatus: true },
    )
    const inDockerfile = (files: Record<string, string>): Promise<Ended> =>
      attack(DOCKERFILE(`node probe.js ${wanted.join(' ')}`, { 'probe.js': files['probe.js'] ?? '' }), { limits: { processes: 256 } })

    // Else it would not be the filter that is seen here.
    for (const name of ['this host', 'a published port', 'an app', 'a private neighbour', 'the place of cloud credentials'])
      expect([name, ordinary.stdout.includes(`reached ${places[name]}`)]).toEqual([name, true])
    expect(await reached((files) => attack(files), wanted)).toEqual([])
    expect(await reached((files) => attack(files, { trust: 'untrusted' }), wanted)).toEqual([])
    expect(await reached(inDockerfile, wanted)).toEqual([])
  })

  test('leads to a private network that the settings name, but not to its mail', async () => {
    const [place = ''] = neighbour.places
    const mail = place.replace(/:\d+$/, ':25')
    const allowing = await open([neighbour.network])

    expect(await reached((files) => attack(files, {}, allowing.builder), [place, mail])).toEqual([place])
    // The next build of one without that puts its own rules in force.
    expect(await reached((files) => attack(files), [place])).toEqual([])
  })

  test('is filtered again after somebody removed the rules', async () => {
    await run('nft', ['delete', 'table', 'inet', `lockgate_${installation}`])

    expect(await reached((files) => attack(files), Object.values(places))).toEqual([])
  })

  test('leads to the internet, and to nothing when lockgate.yaml says so', async () => {
    const files = MAKEFILE('npm view ms@2.1.3 version --fetch-retries=0 && echo internet; exit 1')
    const open = await attack(files)
    const closed = await attack(files, { manifest: { build: { kind: 'auto', network: 'none' } } })
    const closedImage = await attack(DOCKERFILE('npm view ms@2.1.3 version --fetch-retries=0 && echo internet; exit 1'), {
      manifest: { build: { kind: 'auto', network: 'none' } },
    })
    const openImage = await attack(DOCKERFILE('npm view ms@2.1.3 version --fetch-retries=0 && echo internet; exit 1'))

    expect([open, closed, closedImage, openImage].map(({ lines }) => lines.includes('internet'))).toEqual([true, false, false, true])
  })
})
