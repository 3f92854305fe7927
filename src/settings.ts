import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { Maxima } from './core/app/maxima.ts'
import { InvalidError } from './lib/errors.ts'

const Directory = z.string().regex(/^\/[A-Za-z0-9._/-]+$/, 'an absolute path of letters, digits, ".", "_", "-" and "/"')

/** Which there are says the folder of drivers: a name that is none stops the start. */
const DriverName = z.string().regex(/^[a-z][a-z0-9-]{0,30}$/, 'the name of a driver')

/** The server's own settings: one file, `settings.json`, written by bin/up and by people. */
export const Settings = z
  .strictObject({
    dataDirectory: Directory.describe('Database, logs, git repositories'),
    secretsDirectory: Directory.describe('The key file of secrets: apart from the data directory, so that a backup of one is not both'),
    listen: z
      .strictObject({
        host: z.string().max(255).default('127.0.0.1'),
        port: z.int().min(1).max(65_535).default(7070),
        names: z
          .array(z.string().max(253))
          .max(50)
          .default([])
          .describe('Names under which the API is reached, beside localhost, the name of the machine and addresses'),
      })
      .prefault({})
      .describe('Where the API listens; it never answers on the networks of instances'),
    appsDomain: z
      .string()
      .regex(/^([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]*[a-z0-9])?$/, 'a domain name')
      .default('localhost')
      .describe('Apps are reached at <app>.<apps domain>; one wildcard DNS record leads it to the edge'),
    instanceRange: z.string().default('10.210.0.0/16').describe('Instances get their addresses from here, a /26 for each environment'),
    logLevel: z.enum(['debug', 'info', 'warn', 'error']).default('info').describe('How much the server says'),
    runtime: z
      .strictObject({ driver: DriverName.default('docker'), config: z.record(z.string(), z.unknown()).default({}) })
      .prefault({})
      .describe('Where instances run; its drivers are below'),
    edge: z
      .strictObject({ driver: DriverName.default('haproxy'), config: z.record(z.string(), z.unknown()).default({}) })
      .prefault({})
      .describe('What serves requests; its drivers are below'),
    builder: z
      .strictObject({ driver: DriverName.default('box'), config: z.record(z.string(), z.unknown()).default({}) })
      .prefault({})
      .describe('Where builds run; its drivers are below'),
    parallelBuilds: z.int().min(1).max(64).default(2).describe('How many builds run at a time; others wait their turn'),
    repositoryMegabytes: z.int().min(10).max(1_000_000).default(5_120).describe('How large the git repository of one app may become'),
    artifactsRegistry: z
      .string()
      .regex(/^[a-z0-9.-]+(:\d+)?(\/[a-z0-9._-]+)*$/, 'a registry and a path, such as registry.example.net/lockgate')
      .nullable()
      .default(null)
      .describe(
        'Where the images of builds are pushed to as well, and brought back from when the engine has lost them; "lockgate registry set" keeps who we are there',
      ),
    maxima: Maxima.prefault({}).describe(
      'What lockgate.yaml may ask for at most, by its path there, as in {"limits.memory": "2GB"}; a default above its maximum is lowered to it. Holds for what is deployed from then on',
    ),
    projectMaxima: z.record(z.string().max(63), Maxima).default({}).describe('The same for one project, by its name; what is not there is as in maxima'),
    domains: z
      .strictObject({
        reserved: z
          .array(z.string().max(253))
          .max(100)
          .default([])
          .describe('Hostnames that only an administrator may give to an app, beside those of the API'),
        proof: z.enum(['none', 'txt']).default('none').describe('txt: a project proves by a DNS TXT record that it may use a hostname'),
        resolvers: z.array(z.string().max(60)).max(10).default([]).describe('DNS servers to ask for that record; empty: those of the machine'),
      })
      .prefault({})
      .describe('Hostnames of apps'),
    sources: z
      .strictObject({
        allowNetworks: z.array(z.string().max(60)).max(100).default([]).describe('Inner networks that code may be fetched from, such as 10.1.0.0/16'),
        allowHttp: z.boolean().default(false).describe('Whether code may be fetched without encryption'),
      })
      .prefault({})
      .describe('Fetching code from other git servers'),
  })
  .describe('Settings of the Lockgate server')
export type Settings = z.output<typeof Settings>

/** Reads a settings file. Throws InvalidError `settings.invalid` with every problem. */
export function readSettings(path: string): Settings {
  let value: unknown
  try {
    value = JSON.parse(readFileSync(path, 'utf8'))
  } catch (cause) {
    throw new InvalidError('settings.invalid', `${path} cannot be read as JSON: ${cause instanceof Error ? cause.message : ''}. bin/up writes a good one.`, {
      cause,
    })
  }
  const parsed = Settings.safeParse(value)
  if (parsed.success) return parsed.data
  throw new InvalidError('settings.invalid', parsed.error.issues.map((issue) => `${path}: ${issue.path.join('.')}: ${issue.message}`).join('\n'))
}
