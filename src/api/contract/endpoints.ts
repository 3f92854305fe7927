import { z } from 'zod'
import { AppName, EnvironmentName } from '../../core/app/app.ts'
import { ConfigKey } from '../../core/config-revision/config-revision.ts'
import { HostName, PathPrefix } from '../../core/route/route.ts'
import { endpoint } from './endpoint.ts'
import * as resource from './resources.ts'

const AppParams = z.object({ app: AppName })
const EnvironmentParams = z.object({ app: AppName, environment: EnvironmentName })
const IdParams = z.object({
  id: z
    .string()
    .max(64)
    .regex(/^[a-z0-9-]+$/),
})
const Limit = z.coerce.number().int().min(1).max(1000).default(50)
const LogQuery = z.object({ lines: z.coerce.number().int().min(0).max(10_000).default(200).describe('How many of the last lines; streams go on from there') })
const Here = '/v1/apps/:app/environments/:environment'
const Name = z
  .string()
  .min(1)
  .max(100)
  .regex(/^[\p{L}\p{N}][\p{L}\p{N} ._@-]*$/u, 'a name has letters, digits, spaces and . _ @ -')

const Planning = { plan: z.boolean().default(false).describe('Only say which steps this would take') }

/** A verb and what it takes. */
export const OpenDeployment = z.discriminatedUnion('verb', [
  z.strictObject({
    verb: z.literal('deploy'),
    image: z.string().min(1).max(500).optional().describe('NAME:TAG, resolved once to a digest'),
    ref: z.string().min(1).max(255).optional().describe('Branch, tag or commit that was pushed; default: the branch of the environment'),
    rebuild: z.boolean().default(false).describe('Build although the commit was built before'),
    manifest: z.string().max(65_536).optional().describe('With image: the text of a lockgate.yaml'),
    ...Planning,
  }),
  z.strictObject({ verb: z.literal('rollback'), to: z.int().min(1).optional().describe('Number of the release; default: the last good one'), ...Planning }),
  z.strictObject({ verb: z.literal('restart'), ...Planning }),
  z.strictObject({ verb: z.literal('stop'), ...Planning }),
  z.strictObject({ verb: z.literal('start'), ...Planning }),
  z.strictObject({ verb: z.literal('scale'), count: z.int().min(1).max(1000), ...Planning }),
])

/** Every route of `/v1`, by the name its handler and its callers use. */
export const endpoints = {
  health: endpoint({
    method: 'GET',
    path: '/v1/health',
    summary: 'Whether the server is up',
    description: 'Public: it says nothing of what runs here.',
    permission: 'public',
    response: z.object({ status: z.literal('ok'), version: z.string() }),
  }),
  signIn: endpoint({
    method: 'POST',
    path: '/v1/sign-in',
    summary: 'Turn a one-time code into a token',
    description: 'Public: the code is the proof. Few tries a minute.',
    permission: 'public',
    body: z.strictObject({ code: z.string().max(40), name: Name.default('admin') }),
    response: z.object({ secret: z.string(), token: resource.Token }),
  }),
  me: endpoint({
    method: 'GET',
    path: '/v1/me',
    summary: 'Who the token belongs to',
    permission: 'app.read',
    response: z.object({ name: z.string(), role: resource.Role, project: z.string().nullable(), server: z.string() }),
  }),
  installation: endpoint({
    method: 'GET',
    path: '/v1/installation',
    summary: 'Where apps, API and git are reached',
    permission: 'app.read',
    response: z.object({ version: z.string(), appsDomain: z.string(), edgePort: z.int(), api: z.string() }),
  }),

  listTokens: endpoint({ method: 'GET', path: '/v1/tokens', summary: 'List tokens', permission: 'token.manage', response: z.array(resource.Token) }),
  createToken: endpoint({
    method: 'POST',
    path: '/v1/tokens',
    summary: 'Create a token',
    permission: 'token.manage',
    body: z.strictObject({ name: Name, role: resource.Role, days: z.int().default(90), project: z.string().max(100).optional() }),
    response: z.object({ secret: z.string(), token: resource.Token }),
  }),
  revokeToken: endpoint({
    method: 'DELETE',
    path: '/v1/tokens/:id',
    summary: 'Revoke a token',
    permission: 'token.manage',
    params: IdParams,
    response: resource.Token,
  }),
  createProject: endpoint({
    method: 'POST',
    path: '/v1/projects',
    summary: 'Create a project',
    permission: 'project.manage',
    body: z.strictObject({ name: AppName }),
    response: resource.Project,
  }),

  listApps: endpoint({ method: 'GET', path: '/v1/apps', summary: 'List apps', permission: 'app.read', response: z.array(resource.App) }),
  createApp: endpoint({
    method: 'POST',
    path: '/v1/apps',
    summary: 'Create an app',
    permission: 'app.create',
    body: z.strictObject({ name: AppName, project: z.string().max(100).optional() }),
    response: resource.App,
  }),
  readApp: endpoint({ method: 'GET', path: '/v1/apps/:app', summary: 'Show an app', permission: 'app.read', params: AppParams, response: resource.App }),
  removeApp: endpoint({
    method: 'DELETE',
    path: '/v1/apps/:app',
    summary: 'Remove an app',
    permission: 'app.remove',
    params: AppParams,
    response: resource.App,
  }),
  addEnvironment: endpoint({
    method: 'POST',
    path: '/v1/apps/:app/environments',
    summary: 'Add an environment',
    permission: 'app.create',
    params: AppParams,
    body: z.strictObject({
      name: EnvironmentName,
      branch: z
        .string()
        .min(1)
        .max(200)
        .regex(/^[A-Za-z0-9][A-Za-z0-9._/-]*$/, 'a branch name')
        .describe('A push to it is deployed there'),
    }),
    response: resource.Environment,
  }),
  readEnvironment: endpoint({
    method: 'GET',
    path: Here,
    summary: 'Show an environment and what runs in it',
    permission: 'app.read',
    params: EnvironmentParams,
    response: resource.Environment,
  }),
  addDomain: endpoint({
    method: 'POST',
    path: `${Here}/domains`,
    summary: 'Add a hostname',
    permission: 'domain.write',
    params: EnvironmentParams,
    body: z.strictObject({ host: HostName, path: PathPrefix.default('/' as PathPrefix) }),
    response: resource.Environment,
  }),
  removeDomain: endpoint({
    method: 'DELETE',
    path: `${Here}/domains`,
    summary: 'Remove a hostname',
    permission: 'domain.write',
    params: EnvironmentParams,
    query: z.object({ host: HostName, path: PathPrefix.default('/' as PathPrefix) }),
    response: resource.Environment,
  }),

  openDeployment: endpoint({
    method: 'POST',
    path: `${Here}/deployments`,
    summary: 'Deploy, roll back, restart, stop, start or scale; or plan that',
    permission: 'environment.operate',
    params: EnvironmentParams,
    body: OpenDeployment,
    response: z.object({
      deployment: resource.Deployment.nullable(),
      build: resource.Build.nullable(),
      plan: z.array(resource.PlannedStep).nullable(),
      undoes: z.array(z.string()).describe('Configuration keys that go back with a rollback'),
    }),
  }),
  listDeployments: endpoint({
    method: 'GET',
    path: `${Here}/deployments`,
    summary: 'List deployments, newest first',
    permission: 'app.read',
    params: EnvironmentParams,
    query: z.object({ limit: Limit }),
    response: z.array(resource.Deployment),
  }),
  readDeployment: endpoint({
    method: 'GET',
    path: '/v1/deployments/:id',
    summary: 'Show a deployment and its steps',
    permission: 'app.read',
    params: IdParams,
    response: resource.DeploymentLive,
  }),
  followDeployment: endpoint({
    method: 'GET',
    path: '/v1/deployments/:id/stream',
    summary: 'Follow a deployment until it has ended',
    permission: 'app.read',
    params: IdParams,
    response: resource.DeploymentLive,
    stream: true,
  }),
  cancelDeployment: endpoint({
    method: 'POST',
    path: '/v1/deployments/:id/cancel',
    summary: 'Cancel a deployment',
    permission: 'environment.operate',
    params: IdParams,
    response: resource.Deployment,
  }),

  listReleases: endpoint({
    method: 'GET',
    path: `${Here}/releases`,
    summary: 'List releases, newest first',
    permission: 'app.read',
    params: EnvironmentParams,
    query: z.object({ limit: Limit }),
    response: z.array(resource.Release),
  }),
  listBuilds: endpoint({
    method: 'GET',
    path: `${Here}/builds`,
    summary: 'List builds, newest first',
    permission: 'app.read',
    params: EnvironmentParams,
    query: z.object({ limit: Limit }),
    response: z.array(resource.Build),
  }),
  readBuild: endpoint({ method: 'GET', path: '/v1/builds/:id', summary: 'Show a build', permission: 'app.read', params: IdParams, response: resource.Build }),
  followBuild: endpoint({
    method: 'GET',
    path: '/v1/builds/:id/stream',
    summary: 'Follow a build until it has ended',
    permission: 'app.read',
    params: IdParams,
    response: resource.Build,
    stream: true,
  }),
  cancelBuild: endpoint({
    method: 'POST',
    path: '/v1/builds/:id/cancel',
    summary: 'Cancel a build',
    permission: 'environment.operate',
    params: IdParams,
    response: resource.Build,
  }),
  readBuildLog: endpoint({
    method: 'GET',
    path: '/v1/builds/:id/log',
    summary: 'The last lines of a build',
    permission: 'log.read',
    params: IdParams,
    query: LogQuery,
    response: z.array(resource.LogRecord),
  }),
  followBuildLog: endpoint({
    method: 'GET',
    path: '/v1/builds/:id/log/stream',
    summary: 'Follow the log of a build until it has ended',
    permission: 'log.read',
    params: IdParams,
    query: LogQuery,
    response: resource.LogRecord,
    stream: true,
  }),

  readConfig: endpoint({
    method: 'GET',
    path: `${Here}/config`,
    summary: 'The configuration; secrets are not shown',
    permission: 'config.read',
    params: EnvironmentParams,
    query: z.object({ revision: z.coerce.number().int().min(1).optional() }),
    response: resource.Config,
  }),
  changeConfig: endpoint({
    method: 'PATCH',
    path: `${Here}/config`,
    summary: 'Set and unset keys: one revision, one release, one deployment',
    permission: 'config.write',
    params: EnvironmentParams,
    body: z.strictObject({ set: z.record(ConfigKey, z.string()).default({}), secret: z.array(ConfigKey).default([]), unset: z.array(ConfigKey).default([]) }),
    response: z.object({ revision: z.int(), deployment: resource.Deployment.nullable() }),
  }),
  configHistory: endpoint({
    method: 'GET',
    path: `${Here}/config/history`,
    summary: 'Configuration revisions, newest first',
    permission: 'config.read',
    params: EnvironmentParams,
    query: z.object({ limit: Limit }),
    response: z.array(resource.ConfigRevision),
  }),

  runOneOff: endpoint({
    method: 'POST',
    path: `${Here}/one-offs`,
    summary: 'Run a command once in the current release',
    permission: 'environment.operate',
    params: EnvironmentParams,
    body: z.strictObject({ command: z.array(z.string().max(4000)).min(1).max(200) }),
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
    query: z.object({
      after: z.coerce.number().int().min(0).optional().describe('Sequence number; default: so that the newest come'),
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
  doctor: endpoint({
    method: 'GET',
    path: '/v1/doctor',
    summary: 'Check engine, edge, networks, disk, ports, clock, data and invariants',
    permission: 'installation.inspect',
    response: z.array(resource.Check),
  }),
} as const

export type EndpointName = keyof typeof endpoints
