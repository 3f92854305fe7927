import { Readable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { parseRoutes } from '../../../lib/host-routes.ts'
import { formatRange, parseRange } from '../../../lib/ipv4.ts'
import type { InstanceSpec } from '../types.ts'
import { containerBody } from './containers.ts'
import { rangeCheck } from './info.ts'
import { frames, LINE_BYTES, LineCutter } from './lines.ts'
import { parseSockets } from './listening.ts'
import { isSameRun } from './observe.ts'
import { parseReference } from './reference.ts'

describe('a reference', () => {
  test.each([
    ['nginx', 'docker.io/library/nginx:latest', 'nginx', 'latest', true],
    ['bitnami/redis:7', 'docker.io/bitnami/redis:7', 'bitnami/redis', '7', true],
    ['registry.example.net/shop:1.4', 'registry.example.net/shop:1.4', 'registry.example.net/shop', '1.4', false],
    ['localhost:5000/shop', 'localhost:5000/shop:latest', 'localhost:5000/shop', 'latest', false],
    [`shop@sha256:${'a'.repeat(64)}`, `docker.io/library/shop@sha256:${'a'.repeat(64)}`, 'shop', `sha256:${'a'.repeat(64)}`, true],
  ])('%s means %s', (...[text, full, name, tag, impliesDockerHub]) => {
    expect(parseReference(text)).toEqual({ full, name, tag, impliesDockerHub })
  })

  test.each(['', 'Shop', 'shop:', 'shop:a b', '-x', '../x', 'shop@sha256:12', 'a//b', 'shop\nx'])('%j names no image', (text) => {
    expect(() => parseReference(text)).toThrow('does not name an image')
  })
})

test('a container asks for nothing but its spec: no privilege, no port, no volume, bounded everything', () => {
  const spec: InstanceSpec = {
    ...{ name: 'n', kind: 'instance', projectId: 'p', environmentId: 'e', set: 1, ordinal: 2, key: 'k', digest: 'sha256:1' },
    reference: null,
    ...{ command: ['a', 'b'], env: { PORT: '1' }, address: '10.0.0.3', stopSignal: 'SIGINT', stopGraceMs: 1_500, keepAlive: true },
    subnet: { environmentId: 'e', projectId: 'p', cidr: '10.0.0.0/26', gateway: '10.0.0.1' },
    limits: { cpus: 0.5, memoryMb: 64, processes: 9 },
  }

  const body = containerBody('i1', 'net', spec)

  expect(Object.keys(body).toSorted()).toEqual(['Cmd', 'Env', 'Healthcheck', 'HostConfig', 'Image', 'Labels', 'NetworkingConfig', 'StopSignal', 'StopTimeout'])
  expect(body).toMatchObject({
    Cmd: ['a', 'b'],
    StopTimeout: 2,
    HostConfig: {
      CapDrop: ['ALL'],
      SecurityOpt: ['no-new-privileges'],
      Memory: 67_108_864,
      MemorySwap: 67_108_864,
      NanoCpus: 500_000_000,
      PidsLimit: 9,
      NetworkMode: 'net',
    },
  })
  expect(Object.keys(body['HostConfig'] as object)).not.toEqual(
    expect.arrayContaining(['Privileged', 'Binds', 'PortBindings', 'Mounts', 'Devices', 'OomScoreAdj']),
  )
})

describe('the words of a list', () => {
  const now = 1_000_000_000
  const upFor = (seconds: number): number => now - seconds * 1000

  test.each([
    ['Up 30 seconds', 30, true],
    ['Up 3 seconds', 150, false],
    ['Up 3 seconds', 3, false],
    ['Up About a minute', 100, true],
    ['Up About a minute', 600, false],
    ['Up 2 hours', 7_300, true],
    ['Up 2 minutes', 7_300, false],
    ['Up 3 weeks', 3.5 * 604_800, true],
    ['Auf 3 Sekunden', 60, false],
  ])('%j after %i s is the same run: %s', (Status, seconds, same) => {
    expect(isSameRun({ State: 'running', Status }, upFor(seconds), now)).toEqual(same)
  })

  test('an exited container stays as it was, a restarting one does not', () => {
    expect(isSameRun({ State: 'exited', Status: 'Exited (1) 3 seconds ago' }, 1, now)).toEqual(true)
    expect(isSameRun({ State: 'restarting', Status: 'Restarting (1) 3 seconds ago' }, 1, now)).toEqual(false)
  })
})

test('frames come out whole, wherever the chunks are cut', async () => {
  const one = Buffer.from([1, 0, 0, 0, 0, 0, 0, 3, ...Buffer.from('out')])
  const two = Buffer.from([2, 0, 0, 0, 0, 0, 0, 5, ...Buffer.from('error')])
  const all = Buffer.concat([one, two])

  for (let size = 1; size <= all.length; size++) {
    const chunks = Array.from({ length: Math.ceil(all.length / size) }, (_, index) => all.subarray(index * size, (index + 1) * size))
    const got = await Array.fromAsync(frames(Readable.from(chunks, { objectMode: false })))
    expect(got.map(({ stream, bytes }) => [stream, bytes.toString()])).toEqual([
      ['stdout', 'out'],
      ['stderr', 'error'],
    ])
  }
})

test('lines are cut at their ends, and long ones at 16 KiB', () => {
  const lines: string[] = []
  const cutter = new LineCutter((line) => lines.push(line))

  for (const part of ['a\r\nb', 'c\n\n', 'x'.repeat(LINE_BYTES + 3), '\nlast']) cutter.push(Buffer.from(part))
  cutter.end()

  expect(lines).toEqual(['a', 'bc', '', 'x'.repeat(LINE_BYTES), 'xxx', 'last'])
})

test('listening sockets are read from /proc, without the resolver of the engine', () => {
  const head = '  sl  local_address rem_address   st\n'
  const four = `${head}   0: 00000000:1F90 00000000:0000 0A 0\n   1: 0B00007F:A000 00000000:0000 0A 0\n   2: 0100007F:0050 0100007F:9999 01 0\n   3: 0100007F:0BB8 00000000:0000 0A 0\n`
  const six = `${head}   0: 00000000000000000000000000000000:0050 0:0 0A\n   1: 00000000000000000000000001000000:0051 0:0 0A\n   2: 0000000000000000FFFF00000100007F:0052 0:0 0A\n`

  expect(parseSockets(four)).toEqual([
    { address: '0.0.0.0', port: 8080 },
    { address: '127.0.0.1', port: 3000 },
  ])
  expect(parseSockets(six).map((socket) => socket.address)).toEqual(['::', '::1', '127.0.0.1'])
})

test('a route of the host inside the instance range is a clash, unless it is a network of ours', () => {
  const routes = parseRoutes(
    'Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\nbr-1\t0003D20A\t0\t1\t0\t0\t0\tC0FFFFFF\neth0\t00000000\t0\t3\t0\t0\t0\t00000000\n',
  )

  expect(routes.map(formatRange)).toEqual(['10.210.3.0/26', '0.0.0.0/0'])
  expect(rangeCheck(parseRange('10.210.0.0/16'), routes, [parseRange('10.210.3.0/26')]).ok).toEqual(true)
  expect(rangeCheck(parseRange('10.210.0.0/16'), routes, [])).toMatchObject({ ok: false, sentence: expect.stringContaining('10.210.3.0/26') })
})
