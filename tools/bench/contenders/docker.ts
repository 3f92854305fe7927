// By hand with the engine's own client: each instance is stopped, and the next one is run in its place.
import { run } from '../../../src/lib/run.ts'
import { freePort } from '../../../test/support/haproxy.ts'
import { COUNT, type Contender } from './contender.ts'
import { aFront } from './front.ts'

const LABEL = 'lockgate-bench=compare'

/** `images`: the two releases, in the engine. */
export async function dockerContender(images: readonly string[]): Promise<Contender> {
  const ports = await Promise.all(Array.from({ length: COUNT }, () => freePort()))
  const place = (at: number): string => `lockgate-bench-${process.pid}-${at}`
  const start = (at: number, release: 0 | 1): Promise<unknown> =>
    run('docker', ['run', '-d', '--label', LABEL, '--name', place(at), '-p', `127.0.0.1:${ports[at]}:8080`, images[release] ?? ''], { timeoutMs: 60_000 })
  const remove = (at: number): Promise<unknown> => run('docker', ['rm', '-f', place(at)], { anyStatus: true, timeoutMs: 60_000 })
  for (let at = 0; at < COUNT; at++) await start(at, 0)
  const front = await aFront(ports.map((port) => `127.0.0.1:${port}`))
  const deploy = async (release: 0 | 1): Promise<void> => {
    for (let at = 0; at < COUNT; at++) {
      await run('docker', ['stop', place(at)], { timeoutMs: 60_000 })
      await remove(at)
      await start(at, release)
    }
  }
  return {
    name: 'docker stop, docker run',
    port: front.port,
    host: 'bench.test',
    deploy,
    rollback: () => deploy(0),
    stop: async () => {
      await front.stop()
      for (let at = 0; at < COUNT; at++) await remove(at)
    },
  }
}
