import { z } from 'zod'
import { endpoint } from './endpoint.ts'
import { AppParams, RefPattern, RegistryLevel } from './inputs.ts'
import * as resource from './resources.ts'

const HERE = '/v1/apps/:app/source'
const RegistryHost = z.string().min(1).max(260)

/** Where code and images come from: other git servers, and registries. */
export const sourcing = {
  readSource: endpoint({
    method: 'GET',
    path: HERE,
    summary: 'Where the code of an app is fetched from',
    permission: 'app.read',
    params: AppParams,
    response: resource.CodeSource,
  }),
  setSource: endpoint({
    method: 'POST',
    path: HERE,
    summary: 'Fetch the code of an app from another git server, in intervals',
    description:
      'Looks there at once. The host key of an ssh server is pinned: the first time the answer 409 `source.host_key_unconfirmed` lists fingerprints, and `hostKey` names the right one. ',
    permission: 'source.manage',
    params: AppParams,
    body: z
      .strictObject({
        url: z.string().min(1).max(1000).describe('https://host/path, ssh://user@host/path or user@host:path'),
        token: z.string().max(4000).optional().describe('For https; kept sealed, never shown'),
        username: z
          .string()
          .max(100)
          .regex(/^[^\s:]+$/)
          .optional()
          .describe('That goes with the token'),
        key: z.string().max(20_000).optional().describe('Private key for ssh; kept sealed, never shown'),
        newKey: z.boolean().default(false).describe('Make a key pair; the answer has the public one, to be given to the code host'),
        hostKey: z
          .string()
          .max(100)
          .regex(/^SHA256:[A-Za-z0-9+/]{43}$/)
          .optional(),
        everySeconds: z.int().min(10).max(86_400).default(60),
        submodules: z.array(z.string().min(1).max(1000)).max(50).default([]).describe('URLs of submodules that the credential is for as well'),
      })
      .refine(({ token, key, newKey }) => [token !== undefined, key !== undefined, newKey].filter(Boolean).length <= 1, 'one of token, key and newKey')
      .refine(({ token, username }) => username === undefined || token !== undefined, 'username goes with token'),
    response: z.object({ source: resource.CodeSource, publicKey: z.string().nullable() }),
  }),
  checkSource: endpoint({
    method: 'POST',
    path: `${HERE}/check`,
    summary: 'Look now, and build what is new',
    permission: 'source.push',
    params: AppParams,
    response: z.object({
      source: resource.CodeSource,
      refs: z.array(z.object({ ref: z.string(), commit: z.string(), environment: z.string().nullable().describe('Where it is deployed') })),
    }),
  }),
  removeSource: endpoint({
    method: 'DELETE',
    path: HERE,
    summary: 'Fetch no more, and forget the credential',
    permission: 'source.manage',
    params: AppParams,
    response: z.object({ removed: z.literal(true) }),
  }),
  detect: endpoint({
    method: 'GET',
    path: '/v1/apps/:app/detect',
    summary: 'How a commit would be built, and why',
    description: 'Fetches its submodules. ',
    permission: 'source.push',
    params: AppParams,
    query: z.strictObject({ ref: RefPattern.default('main') }),
    response: resource.Detected,
  }),
  detectFolder: endpoint({
    method: 'POST',
    path: '/v1/detect',
    summary: 'How a folder would be built, and why; nothing of it is kept',
    permission: 'source.push',
    upload: 'application/gzip',
    response: resource.Detected,
  }),
  listRegistries: endpoint({
    method: 'GET',
    path: '/v1/registries',
    summary: 'Registries of images whose credentials are kept',
    permission: 'registry.manage',
    response: z.array(resource.Registry),
  }),
  setRegistry: endpoint({
    method: 'POST',
    path: '/v1/registries',
    summary: 'Keep who we are for a registry of images',
    permission: 'registry.manage',
    body: z.strictObject({
      host: RegistryHost,
      username: z.string().max(200),
      password: z.string().max(8000),
      trust: RegistryLevel.default('ordinary'),
    }),
    response: resource.Registry,
  }),
  removeRegistry: endpoint({
    method: 'DELETE',
    path: '/v1/registries/:host',
    summary: 'Forget the credential of a registry',
    permission: 'registry.manage',
    params: z.object({ host: RegistryHost }),
    response: resource.Registry,
  }),
} as const
