// A plain HAProxy in front of those who bring none: health checks, no retries, nothing of ours.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { launch } from '../../../src/lib/run.ts'
import { ask } from '../../../test/support/edge.ts'
import { freePort } from '../../../test/support/haproxy.ts'
import { until } from '../../../test/support/until.ts'

export interface Front {
  readonly port: number
  stop(): Promise<void>
}

/** `servers`: `address:port` of each; `extra`: more options of their lines. */
export async function aFront(servers: readonly string[], extra = 'check inter 500ms fall 2 rise 1'): Promise<Front> {
  const folder = await mkdtemp(join(tmpdir(), 'lockgate-bench-'))
  const port = await freePort()
  const path = join(folder, 'haproxy.cfg')
  const lines = servers.map((server, at) => `  server s${at} ${server} ${extra}\n`).join('')
  await writeFile(
    path,
    `global\n  nbthread 1\ndefaults\n  mode http\n  timeout connect 3s\n  timeout client 60s\n  timeout server 60s\n  option http-keep-alive\n  option redispatch 1\n  retries 3\nlisten front\n  bind 127.0.0.1:${port}\n  option httpchk GET /\n${lines}`,
  )
  const child = launch('haproxy', ['-db', '-f', path])
  const gone = new Promise((resolve) => child.once('exit', resolve))
  const stop = async (): Promise<void> => {
    child.kill('SIGKILL')
    await gone
    await rm(folder, { recursive: true, force: true })
  }
  await until('the app answers through the front', async () => (await ask(port, 'bench.test').catch(() => null))?.status === 200, 120_000).catch(
    async (error) => {
      await stop()
      throw error
    },
  )
  return { port, stop }
}
