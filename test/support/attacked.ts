// An installation that is attacked, with what must hold after each attack: it lives, it is small, and it has asked nothing inner.
import { readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { afterAll, afterEach, beforeAll, expect } from 'vitest'
import { endpoints } from '../../src/api/contract/endpoints.ts'
import { anInstallation, type Installation } from './installation.ts'
import { aPerson, type Files, type Person, well } from './person.ts'

export interface Attacked {
  lockgate(): Installation
  ada(): Person
  /** A server inside, which must never be asked. */
  inner(): Server
  /** A repository with an app of its name; `lockgate` is its remote. */
  anApp(files: Files): Promise<{ readonly app: string; readonly folder: string }>
}

export const portOf = (server: Server): number => (server.address() as { port: number }).port

/** Input of the routes of an app's production. */
export const productionOf = (app: string) => ({ params: { app, environment: 'production' } as never })

/** Starts one for the tests of a file, with the app `target`. `settings` are asked for when the inner server listens. */
export function attacked(range: string, settings: Readonly<Record<string, unknown>> = {}): Attacked {
  let lockgate: Installation | null = null
  let ada: Person | null = null
  let pid = 0
  let made = 0
  const innerRequests: string[] = []
  const inner = createServer((request, response) => {
    innerRequests.push(request.url ?? '')
    response.end('inner')
  })
  const there = <T>(one: T | null): T => {
    if (one === null) throw new Error('it is started before the tests')
    return one
  }
  beforeAll(async () => {
    await new Promise<void>((resolve) => inner.listen(0, '127.0.0.1', resolve))
    lockgate = await anInstallation({ range, settings })
    ada = await aPerson(lockgate.apiUrl, lockgate.token)
    pid = lockgate.pid()
    await lockgate.create('target')
  })
  afterAll(async () => {
    await ada?.leave()
    await lockgate?.stop()
    inner.close()
  })
  afterEach(async () => {
    const running = there(lockgate)
    expect(running.pid()).toBe(pid)
    expect(await running.call(endpoints.health, {})).toMatchObject({ status: 'ok' })
    expect(innerRequests).toEqual([])
    expect(Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024).toBeLessThan(400)
    expect(running.log()).not.toMatch(/unhandled|uncaught|RangeError|TypeError|out of memory|request failed/i)
  })
  return {
    lockgate: () => there(lockgate),
    ada: () => there(ada),
    inner: () => inner,
    anApp: async (files) => {
      const app = `hostile-${++made}`
      const folder = await there(ada).repository(app, { files })
      await well(there(ada).lockgate(['create', app], { cwd: folder }))
      return { app, folder }
    },
  }
}
