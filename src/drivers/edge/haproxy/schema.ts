import { isIP } from 'node:net'
import { join } from 'node:path'
import { z } from 'zod'
import type { Protocol } from '../../../core/artifact/artifact.ts'
import type { ServerFacts } from '../../driver.ts'

/** A path that can stand unquoted in HAProxy's configuration and on its command line. */
const SafePath = z.string().regex(/^\/[A-Za-z0-9._/-]+$/, 'is an absolute path of letters, digits, ".", "_", "-" and "/"')

function isNetwork(text: string): boolean {
  const [address = '', bits, more] = text.split('/')
  const family = isIP(address)
  return family !== 0 && more === undefined && (bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128)))
}

const Port = z.number().int().min(1).max(65_535)
const Count = z.number().int().min(0).max(10_000)

export const Config = z
  .strictObject({
    directory: SafePath.describe('Folder of the edge: haproxy.cfg, maps, pages, state and sockets. Only this edge uses it'),
    httpPort: Port.describe('Port for HTTP'),
    httpsPort: Port.optional().describe('Port for HTTPS; needs certificates'),
    certificates: SafePath.optional().describe('PEM file (certificate chain and key), or a folder of such files'),
    bind: z
      .string()
      .refine((value) => value === '*' || isIP(value) !== 0, 'is * or an IP address')
      .default('*')
      .describe('Address to listen on; * is every address, IPv4 and where there is one IPv6'),
    threads: z.number().int().min(1).max(64).default(1).describe('Threads of HAProxy; keep 1 before version 3.0'),
    pool: z
      .strictObject({
        http: z.strictObject({ 8: Count.default(48), 32: Count.default(8), 128: Count.default(2) }).prefault({}),
        h2c: z.strictObject({ 8: Count.default(8), 32: Count.default(2), 128: Count.default(0) }).prefault({}),
      })
      .prefault({})
      .describe('Backends to start with, by protocol and number of slots; the pool grows by itself'),
    accessLog: z
      .union([z.literal('off'), SafePath])
      .default('off')
      .describe('Unix datagram socket for JSON access log lines, or off'),
    trustedProxies: z
      .array(z.string().refine(isNetwork, 'is an address or a network, such as 10.0.0.0/8'))
      .max(64)
      .default([])
      .describe('Networks of proxies in front of this edge: what they say in X-Forwarded headers is kept, and their address is added'),
    proxyProtocol: z
      .boolean()
      .default(false)
      .describe('Connections from trustedProxies begin with a PROXY header (version 1 or 2), and the visitor is who it names'),
    appConnections: z
      .number()
      .int()
      .min(10)
      .max(50_000)
      .default(10_000)
      .describe('Requests and WebSockets that one app may have open at a time; above that its visitors read 429'),
    user: z
      .string()
      .regex(/^[a-z_][a-z0-9_-]{0,31}$/)
      .optional()
      .describe('User and group the worker changes to when it is started as root; default: haproxy where that user exists'),
    program: z
      .string()
      .regex(/^[A-Za-z0-9._/-]+$/)
      .default('haproxy')
      .describe('The HAProxy program, 2.6 or newer'),
  })
  .refine((config) => (config.httpsPort === undefined) === (config.certificates === undefined), {
    path: ['certificates'],
    message: 'httpsPort and certificates are set together',
  })
  .describe('HAProxy beside the server on this machine')
export type Config = z.infer<typeof Config>

/**
 * The maps, in the order in which they lead to one another: host and path to an environment, that to its live backend, and for
 * few of them to what is special; then what is said of an environment, and the number of it all.
 */
export const MAP_NAMES = ['hosts', 'arms', 'special', 'repair', 'timeouts', 'pages', 'generation'] as const
export type MapName = (typeof MAP_NAMES)[number]

/** The path by which the configuration, its Lua and the runtime commands name a map. */
export function mapFile(config: Pick<Config, 'directory'>, name: MapName): string {
  return `${config.directory}/maps/${name}.map`
}

/** A size class of the pool. `name` begins the names of its backends: `p8_000`. */
export interface PoolClass {
  readonly name: string
  readonly protocol: Protocol
  readonly slots: number
}

/** Smallest first within a protocol. */
export const CLASSES: readonly PoolClass[] = [
  { name: 'p8', protocol: 'http', slots: 8 },
  { name: 'p32', protocol: 'http', slots: 32 },
  { name: 'p128', protocol: 'http', slots: 128 },
  { name: 'h8', protocol: 'h2c', slots: 8 },
  { name: 'h32', protocol: 'h2c', slots: 32 },
  { name: 'h128', protocol: 'h2c', slots: 128 },
]

/** One server line of a backend that is in use. */
const Slot = z.object({
  instance: z.string(),
  address: z.string(),
  port: z.number(),
  /** Takes new requests. */
  ready: z.boolean(),
  /** No longer in the table; named until nothing is in flight to it. */
  leaving: z.boolean(),
  /** What the worker had counted of the slot when the instance got it: not its own. Absent: nothing, as in a worker begun since. */
  before: z.object({ worker: z.number(), requests: z.number(), failures: z.number(), answerMs: z.number().default(0) }).optional(),
})
export type Slot = Readonly<z.infer<typeof Slot>>

const PoolBackend = z.object({
  arm: z.string(),
  /** No route leads here any more; freed when every slot is. */
  retired: z.boolean(),
  slots: z.array(Slot.nullable()),
})
export interface PoolBackend {
  readonly arm: string
  readonly retired: boolean
  readonly slots: readonly (Slot | null)[]
}

/** What state.json holds: backends by class name, and who has which slot. */
export const Pool = z.object({ counts: z.record(z.string(), z.number()), backends: z.record(z.string(), PoolBackend) })
export interface Pool {
  readonly counts: Readonly<Record<string, number>>
  /** Only those in use, by name. */
  readonly backends: Readonly<Record<string, PoolBackend>>
}

/** Its folder, where the settings name none: bin/up makes it. */
export function edgeFolder({ dataDirectory }: Pick<ServerFacts, 'dataDirectory'>): { readonly directory: string } {
  return { directory: join(dataDirectory, 'edge') }
}
