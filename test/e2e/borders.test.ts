// What one project cannot take from another, and what a revoked token cannot go on doing.

import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { endpoints } from '../../src/api/contract/endpoints.ts'
import { type DnsServer, startDns } from '../support/dns.ts'
import { freePort } from '../support/haproxy.ts'
import { anInstallation, type Installation } from '../support/installation.ts'

let lockgate: Installation
let dns: DnsServer
const tokens: Record<string, string> = {}

beforeAll(async () => {
  dns = await startDns()
  lockgate = await anInstallation({
    range: '127.78.0.0/16',
    settings: {
      runtime: { driver: 'fake' },
      edge: { driver: 'fake', config: { httpPort: await freePort() } },
      builder: { driver: 'fake' },
      domains: { proof: 'txt', resolvers: [dns.address], reserved: ['login.example.org'] },
    },
  })
  for (const project of ['left', 'right']) {
    await lockgate.call(endpoints.createProject, { body: { name: project as never } })
    tokens[project] = (await lockgate.call(endpoints.createToken, { body: { name: project, role: 'admin', project } })).secret
    await asking(tokens[project] ?? '', 'POST', '/v1/apps', { name: `${project}-shop` })
  }
})
afterAll(async () => {
  await lockgate?.stop()
  await dns?.close()
})

interface Answer {
  readonly status: number
  readonly code: string | undefined
  readonly detail: string
}

async function asking(token: string, method: string, path: string, body?: object): Promise<Answer> {
  const response = await fetch(`${lockgate.apiUrl}${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, ...(body ? { 'content-type': 'application/json' } : {}) },
    ...(body ? { body: JSON.stringify(body) } : {}),
  })
  const answer = (await response.json()) as { readonly code?: string; readonly detail?: string }
  return { status: response.status, code: answer.code, detail: answer.detail ?? '' }
}

const add = (project: 'left' | 'right', host: string, path = '/') =>
  asking(tokens[project] ?? '', 'POST', `/v1/apps/${project}-shop/environments/production/domains`, { host, path })
const addAsAdmin = (host: string) => asking(lockgate.token, 'POST', '/v1/apps/left-shop/environments/production/domains', { host })

function projectId(name: string): string {
  const database = new DatabaseSync(join(lockgate.directory, 'data', 'lockgate.db'), { readOnly: true })
  const id = String(database.prepare('select id from project where name = ?').get(name)?.['id'])
  database.close()
  return id
}

function prove(project: string, name: string): void {
  dns.records.set(`_lockgate.${name}`, `lockgate-project=${lockgate.name}/${projectId(project)}`)
}

describe('hostnames', () => {
  test('need a TXT record where the administrator asks for it; the refusal says which', async () => {
    const refused = await add('left', 'shop.example.com')
    expect(refused).toMatchObject({ status: 502, code: 'domain.not_proven' })
    expect(refused.detail).toContain(`_lockgate.example.com with the text "lockgate-project=${lockgate.name}/${projectId('left')}"`)

    prove('left', 'example.com')

    expect((await add('left', 'shop.example.com')).status).toBe(200)
    expect(await add('right', 'shop.example.com'), 'the record names the project').toMatchObject({ code: 'domain.not_proven' })
  })

  test.each([
    ['the same name at another path', 'shop.example.com', '/login'],
    ['the wildcard above it', '*.example.com', '/'],
  ])('of another project cannot be taken: %s', async (_what, host, path) => {
    prove('left', 'shop.example.com')
    await add('left', 'shop.example.com')
    prove('right', 'example.com')
    prove('right', 'shop.example.com')

    expect(await add('right', host, path)).toMatchObject({ status: 409, code: 'domain.taken' })
  })

  test.each(['future.localhost', 'left-shop-staging.localhost', '*.localhost'])(
    '%s is generated, never claimed, not even by an administrator',
    async (host) => {
      expect(await add('right', host)).toMatchObject({ status: 422, code: 'domain.reserved' })
      expect(await addAsAdmin(host)).toMatchObject({ status: 422, code: 'domain.reserved' })
    },
  )

  test.each(['127.0.0.1', '10.0.0.9', 'com', '*.com', 'co.uk', '*.github.io', 'login.example.org', '*.example.org'])(
    '%s needs an administrator of the installation',
    async (host) => {
      expect(await add('right', host)).toMatchObject({ status: 403, code: 'domain.needs_admin' })
      expect((await addAsAdmin(host)).status).toBe(200)
    },
  )
})
