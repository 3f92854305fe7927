import { existsSync } from 'node:fs'
import { mkdir, readFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { writeAtomic } from '../../src/lib/files.ts'
import { hostRoutes } from '../../src/lib/host-routes.ts'
import { overlaps, parseRange, type Range } from '../../src/lib/ipv4.ts'
import { run } from '../../src/lib/run.ts'
import { Settings } from '../../src/settings.ts'
import { type Places, SetupError } from './places.ts'

/** What was said on bin/up's command line. */
export interface Asked {
  readonly home: string | null
  readonly domain: string | undefined
  readonly port: number | undefined
  readonly httpsPort: number | undefined
  readonly certificate: string | undefined
  readonly listen: string | undefined
  readonly range: string | undefined
  readonly sample: boolean
  readonly newCode: boolean
}

/** Reads the command line. Throws SetupError for what it does not know. */
export function readArguments(argv: readonly string[]): Asked {
  try {
    const { values } = parseArgs({
      args: [...argv],
      options: {
        home: { type: 'string' },
        domain: { type: 'string' },
        port: { type: 'string' },
        'https-port': { type: 'string' },
        certificate: { type: 'string' },
        listen: { type: 'string' },
        range: { type: 'string' },
        'no-sample': { type: 'boolean', default: false },
        'new-code': { type: 'boolean', default: false },
      },
    })
    return {
      home: values.home === undefined ? null : resolve(values.home),
      domain: values.domain,
      port: portOf(values.port),
      httpsPort: portOf(values['https-port']),
      certificate: values.certificate === undefined ? undefined : resolve(values.certificate),
      listen: values.listen,
      range: values.range,
      sample: !values['no-sample'],
      newCode: values['new-code'],
    }
  } catch (error) {
    if (error instanceof SetupError) throw error
    throw new SetupError(`${error instanceof Error ? error.message : ''}. "bin/up --help" lists the options.`)
  }
}

function portOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const port = Number(text)
  if (!Number.isInteger(port) || port < 1 || port > 65_535) throw new SetupError(`${text} is not a port.`)
  return port
}

/**
 * The settings as they were, with what was asked for now; written when they changed. A first time also finds ports and a
 * range of addresses that are free. Throws SetupError.
 */
export async function settle(places: Places, asked: Asked): Promise<{ readonly settings: Settings; readonly changed: boolean }> {
  const before: Record<string, unknown> = existsSync(places.settings) ? JSON.parse(await readFile(places.settings, 'utf8')) : {}
  const isNew = Object.keys(before).length === 0
  const edge = (before['edge'] as { config?: Record<string, unknown> } | undefined)?.config ?? {}
  const port = asked.port ?? edge['httpPort'] ?? 80
  if (isNew || (asked.port !== undefined && asked.port !== edge['httpPort'])) await mustBeFree(Number(port), '--port 8080 chooses another one')
  const https = await httpsOf(edge, asked)
  const listen = asked.listen === undefined ? (before['listen'] ?? { host: '127.0.0.1', port: await apiPort(places) }) : listenOf(asked.listen)
  const next = {
    ...before,
    dataDirectory: places.data,
    secretsDirectory: places.secrets,
    listen,
    appsDomain: asked.domain ?? before['appsDomain'] ?? 'localhost',
    instanceRange: await rangeOf(before['instanceRange'], asked.range),
    edge: { driver: 'haproxy', config: { ...edge, httpPort: Number(port), ...https } },
  }
  const parsed = Settings.safeParse(next)
  if (!parsed.success) throw new SetupError(parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('\n'))
  const changed = JSON.stringify(before) !== JSON.stringify(next)
  if (changed) {
    await mkdir(resolve(places.settings, '..'), { recursive: true, mode: 0o750 })
    await writeAtomic(places.settings, `${JSON.stringify(next, null, 2)}\n`, 0o640)
  }
  return { settings: parsed.data, changed: changed && !isNew }
}

async function httpsOf(edge: Record<string, unknown>, asked: Asked): Promise<Record<string, unknown>> {
  const certificates = asked.certificate ?? edge['certificates']
  if (certificates === undefined) {
    if (asked.httpsPort !== undefined) throw new SetupError('--https-port needs --certificate FILE.pem (the chain and its key in one file).')
    return {}
  }
  if (!existsSync(String(certificates)))
    throw new SetupError(`${certificates} is not there; --certificate takes a PEM file with the certificate chain and its key.`)
  return { certificates, httpsPort: asked.httpsPort ?? edge['httpsPort'] ?? 443 }
}

function listenOf(text: string): { host: string; port: number } {
  const [, host, port] = /^(?:\[?([^\]]+?)\]?:)?(\d+)$/.exec(text) ?? []
  if (port === undefined) throw new SetupError(`--listen takes ADDRESS:PORT, such as 10.0.0.5:7070; "${text}" is not that.`)
  return { host: host ?? '127.0.0.1', port: Number(port) }
}

/** The machine's own installation has 7070; one in a folder of its own takes the next free port. */
async function apiPort(places: Places): Promise<number> {
  for (let port = 7070; port < 7170; port++) if (places.system || (await isFree(port))) return port
  throw new SetupError('no port from 7070 to 7169 is free for the API; --listen 127.0.0.1:PORT names one.')
}

async function mustBeFree(port: number, hint: string): Promise<void> {
  if (await isFree(port)) return
  const owner = await run('ss', ['-Hltnp', `sport = :${port}`], { anyStatus: true }).catch(() => null)
  const program = /users:\(\("([^"]+)"/.exec(owner?.stdout ?? '')?.[1]
  throw new SetupError(`port ${port} is taken${program ? ` by ${program}` : ''}, or you may not use it; ${hint}.`)
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '0.0.0.0', () => server.close(() => resolve(true)))
  })
}

/** The range of instances, chosen once: networks have been cut from it since. */
async function rangeOf(before: unknown, asked: string | undefined): Promise<unknown> {
  if (before !== undefined) {
    if (asked !== undefined && asked !== before) throw new SetupError(`--range is chosen once, and this installation has ${before}.`)
    return before
  }
  if (asked === undefined) return freeRange()
  const range = readRange(asked)
  if ((await hostRoutes()).some((route) => route.prefix > 0 && overlaps(route, range))) throw new SetupError(`--range ${asked} meets a route of this machine.`)
  return asked
}

function readRange(text: string): Range {
  try {
    const range = parseRange(text)
    if (range.prefix <= 24) return range
  } catch {
    // Said below.
  }
  throw new SetupError(`--range takes a /24 or more, such as 10.90.0.0/16; "${text}" is not that.`)
}

/** A /16 of 10.0.0.0/8 that no route of this machine meets, other engines' networks among them. */
async function freeRange(): Promise<string> {
  const routes = (await hostRoutes()).filter((route) => route.prefix > 0)
  for (let second = 210; second > 128; second--) {
    const range = `10.${second}.0.0/16`
    if (!routes.some((route) => overlaps(route, parseRange(range)))) return range
  }
  throw new SetupError('every range from 10.129.0.0/16 to 10.210.0.0/16 meets a route of this machine; --range 10.90.0.0/16 names another.')
}
