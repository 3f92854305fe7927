import { z } from 'zod'
import { AppName, EnvironmentName } from '../../core/app/app.ts'
import { StrategyWords } from '../../core/environment/strategy.ts'
import { HostName, PathPrefix } from '../../core/route/route.ts'
import { TRUST_LEVELS } from '../../core/trust/trust.ts'
import { deploying } from './deploying.ts'
import { endpoint } from './endpoint.ts'
import { AppParams, EnvironmentParams, Here, IdParams, Name, PathPattern, RefPattern, RootFolder } from './inputs.ts'
import * as resource from './resources.ts'
import { running } from './running.ts'
import { sourcing } from './sourcing.ts'

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
    body: z.strictObject({ name: Name, role: resource.Role, days: z.int().min(0).max(3650).default(90), project: z.string().max(100).optional() }),
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
  changeApp: endpoint({
    method: 'PATCH',
    path: '/v1/apps/:app',
    summary: 'Say where in its repository an app lives',
    permission: 'source.manage',
    params: AppParams,
    body: z.strictObject({ root: RootFolder.optional(), watch: z.array(PathPattern).max(50).optional() }),
    response: resource.App,
  }),
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
      branch: RefPattern.describe('A push to it is deployed there: a branch, or a pattern such as release/*'),
      tags: RefPattern.optional().describe('Tags that are deployed there, such as v*'),
    }),
    response: resource.Environment,
  }),
  changeEnvironment: endpoint({
    method: 'PATCH',
    path: Here,
    summary: 'Change what is deployed to an environment and how, and what a promotion to it checks',
    permission: 'environment.operate',
    params: EnvironmentParams,
    body: z.strictObject({
      branch: RefPattern.optional(),
      tags: RefPattern.nullable().optional(),
      verify: z.enum(['off', 'test', 'rebuild']).optional(),
      trust: z.enum(TRUST_LEVELS).optional().describe('For an administrator; what is built afterwards is built at this level'),
      strategy: StrategyWords.nullable().optional().describe('null: as lockgate.yaml says'),
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
    query: z.strictObject({ host: HostName, path: PathPrefix.default('/' as PathPrefix) }),
    response: resource.Environment,
  }),

  ...deploying,
  ...running,
  ...sourcing,
} as const

/** The name of a route, as its handler and its callers use it. */
export type EndpointName = keyof typeof endpoints
