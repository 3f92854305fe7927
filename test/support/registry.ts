// A real registry of images (Debian's docker-registry), with or without a password.
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { launch } from '../../src/lib/run.ts'
import { ownFolder } from './folder.ts'
import { freePort } from './haproxy.ts'
import { until } from './until.ts'

export interface RunningRegistry {
  /** `127.0.0.1:5000`. */
  readonly host: string
  readonly port: number
  /** It answers no more, and keeps what it has. */
  halt(): Promise<void>
  /** Answers again after `halt`. */
  resume(): Promise<void>
  /** Ends it and removes what it has. */
  stop(): Promise<void>
}

/** bcrypt of "grace-s-password": the registry takes nothing else. */
const GRACE = 'grace:$2b$05$uD3Cz3UTvYlXm5g9DIgf9OND3YZNrZWX.5rc3GYDMtlIO/TZpSZEy'

/** Starts one on a free port; `asksWho`: only grace with "grace-s-password" gets in. */
export async function aRegistry(asksWho: boolean): Promise<RunningRegistry> {
  const folder = ownFolder('registry')
  const port = await freePort()
  await writeFile(join(folder, 'htpasswd'), `${GRACE}\n`)
  const config = {
    version: 0.1,
    log: { level: 'error', accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: join(folder, 'data') }, delete: { enabled: true } },
    http: { addr: `127.0.0.1:${port}` },
    ...(asksWho ? { auth: { htpasswd: { realm: 'images', path: join(folder, 'htpasswd') } } } : {}),
  }
  await writeFile(join(folder, 'config.yml'), JSON.stringify(config))
  const start = async () => {
    const child = launch('docker-registry', ['serve', join(folder, 'config.yml')], { env: { OTEL_TRACES_EXPORTER: 'none' } })
    child.stdout?.resume()
    child.stderr?.resume()
    await until(`a registry answers on ${port}`, async () => (await fetch(`http://127.0.0.1:${port}/v2/`).catch(() => null)) !== null)
    return child
  }
  let child = await start()
  const halt = async (): Promise<void> => {
    child.kill()
    await until('the registry is gone', async () => child.exitCode !== null || child.signalCode !== null)
  }
  return {
    host: `127.0.0.1:${port}`,
    port,
    halt,
    resume: async () => {
      child = await start()
    },
    stop: async () => {
      await halt()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
