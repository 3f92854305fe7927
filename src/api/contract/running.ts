import { z } from 'zod'
import { AppName } from '../../core/app/app.ts'
import { ConfigKey } from '../../core/config-revision/config-revision.ts'
import { endpoint } from './endpoint.ts'
import { EnvironmentParams, Here, IdParams, Limit, LogQuery, MOST_ROWS, whole } from './inputs.ts'
import * as resource from './resources.ts'

/** What belongs to an environment that runs: configuration, one-offs, logs; and what is told of all. */
export const running = {
  readConfig: endpoint({
    method: 'GET',
    path: `${Here}/config`,
    summary: 'The configuration; secrets are not shown',
    permission: 'config.read',
    params: EnvironmentParams,
    query: z.strictObject({ revision: whole(1, MOST_ROWS).optional() }),
    response: resource.Config,
  }),
  changeConfig: endpoint({
    method: 'PATCH',
    path: `${Here}/config`,
    summary: 'Set and unset keys: one revision, one release, one deployment',
    permission: 'config.write',
    params: EnvironmentParams,
    body: z
      .strictObject({ set: z.record(ConfigKey, z.string()).default({}), secret: z.array(ConfigKey).default([]), unset: z.array(ConfigKey).default([]) })
      .superRefine(({ set, secret, unset }, context) => {
        for (const key of secret)
          if (!Object.hasOwn(set, key)) context.addIssue({ code: 'custom', path: ['secret'], message: `${key} is not among the keys of set` })
        for (const key of unset) if (Object.hasOwn(set, key)) context.addIssue({ code: 'custom', path: ['unset'], message: `${key} stands in set as well` })
      }),
    response: z.object({
      revision: z.int(),
      builtIn: z.array(ConfigKey).describe('Changed keys of build.secrets: the image was built with another value, and keeps it until the next build'),
      deployment: resource.Deployment.nullable(),
    }),
  }),
  revokeSecret: endpoint({
    method: 'POST',
    path: `${Here}/config/revoke`,
    summary: 'Never use a version of a secret again, also not in a rollback',
    permission: 'config.write',
    params: EnvironmentParams,
    body: z.strictObject({ key: ConfigKey, version: z.int().min(1).max(MOST_ROWS) }),
    response: z.object({ key: z.string(), version: z.int(), revokedAt: z.int() }),
  }),
  configHistory: endpoint({
    method: 'GET',
    path: `${Here}/config/history`,
    summary: 'Configuration revisions, newest first',
    permission: 'config.read',
    params: EnvironmentParams,
    query: z.strictObject({ limit: Limit }),
    response: z.array(resource.ConfigRevision),
  }),

  runOneOff: endpoint({
    method: 'POST',
    path: `${Here}/one-offs`,
    summary: 'Run a command once in the current release',
    permission: 'environment.operate',
    params: EnvironmentParams,
    body: z.strictObject({
      command: z
        .array(z.string().max(4000))
        .min(1)
        .max(200)
        .refine(([program]) => program !== '', 'the first is the program, and has a name'),
      input: z.base64().max(700_000).optional().describe('Its standard input, at most 512 KiB; the image must have sh then'),
    }),
    response: resource.OneOff,
  }),
  readOneOff: endpoint({
    method: 'GET',
    path: '/v1/one-offs/:id',
    summary: 'Show a one-off',
    permission: 'app.read',
    params: IdParams,
    response: resource.OneOff,
  }),
  cancelOneOff: endpoint({
    method: 'POST',
    path: '/v1/one-offs/:id/cancel',
    summary: 'End a one-off',
    permission: 'environment.operate',
    params: IdParams,
    response: resource.OneOff,
  }),
  followOneOffLog: endpoint({
    method: 'GET',
    path: '/v1/one-offs/:id/log/stream',
    summary: 'Follow the output of a one-off until it has ended',
    permission: 'log.read',
    params: IdParams,
    query: LogQuery,
    response: resource.LogRecord,
    stream: true,
  }),

  readLogs: endpoint({
    method: 'GET',
    path: `${Here}/logs`,
    summary: 'The last lines of all instances',
    permission: 'log.read',
    params: EnvironmentParams,
    query: LogQuery,
    response: z.array(resource.LogRecord),
  }),
  followLogs: endpoint({
    method: 'GET',
    path: `${Here}/logs/stream`,
    summary: 'Follow the logs of all instances',
    permission: 'log.read',
    params: EnvironmentParams,
    query: LogQuery,
    response: resource.LogRecord,
    stream: true,
  }),

  listEvents: endpoint({
    method: 'GET',
    path: '/v1/events',
    summary: 'Who did what, oldest first after `after`',
    permission: 'event.read',
    query: z.strictObject({
      after: whole(0, MOST_ROWS).optional().describe('Sequence number; default: so that the newest come'),
      limit: Limit,
      app: AppName.optional(),
    }),
    response: z.array(resource.Event),
  }),
  followEvents: endpoint({
    method: 'GET',
    path: '/v1/events/stream',
    summary: 'Follow events',
    permission: 'event.read',
    response: resource.Event,
    stream: true,
  }),
  disk: endpoint({
    method: 'GET',
    path: '/v1/disk',
    summary: 'What takes disk, the largest first, and what of it may go',
    permission: 'installation.inspect',
    response: resource.Disk,
  }),
  cleanDisk: endpoint({
    method: 'POST',
    path: '/v1/disk/clean',
    summary: 'Remove what may go',
    permission: 'installation.clean',
    response: z.object({ removed: z.array(resource.DiskItem), freeBytes: z.int() }),
  }),
  doctor: endpoint({
    method: 'GET',
    path: '/v1/doctor',
    summary: 'Check engine, edge, networks, disk, ports, clock, data and invariants',
    permission: 'installation.inspect',
    response: z.array(resource.Check),
  }),
} as const
