import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { networks } from '../../../lib/outside.ts'
import { run } from '../../../lib/run.ts'
import { reasonOfPull, refuseInnerRegistry } from './registry-guard.ts'

const nobody = { registryCredential: async () => null, allowedRegistries: networks([]) }

test.each(['127.0.0.1:9911', '127.1:80', 'localhost:5000', '10.0.0.1', '192.168.1.5:443', '172.17.0.1:2375', '169.254.169.254', '0.0.0.0:80', '2130706433:80'])(
  'the engine is not sent to %s for an image that somebody named',
  async (registry) => {
    await expect(refuseInnerRegistry(nobody, registry)).rejects.toMatchObject({
      code: 'image.registry_not_allowed',
      message: expect.stringContaining(`"lockgate registry set ${registry}"`),
    })
  },
)

test('Docker Hub, a registry that an administrator knows, and a network of the settings are asked', async () => {
  await refuseInnerRegistry(nobody, 'docker.io')
  await refuseInnerRegistry(nobody, 'no-such-host.invalid:5000')
  await refuseInnerRegistry({ ...nobody, registryCredential: async (host) => (host === '127.0.0.1:9' ? {} : null) }, '127.0.0.1:9')
  await refuseInnerRegistry({ ...nobody, allowedRegistries: networks(['127.0.0.0/8']) }, '127.0.0.1:9')
})

/** A registry that has its clients sign in elsewhere. */
async function aRegistry(realm: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'lockgate-realm-'))
  await run('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=x', '-keyout', 'key.pem', '-out', 'cert.pem'], { cwd: folder })
  const [key, cert] = await Promise.all(['key.pem', 'cert.pem'].map((name) => readFile(join(folder, name))))
  const server = createServer({ key, cert }, (_, response) => response.writeHead(401, { 'www-authenticate': `Bearer realm="${realm}",service="x"` }).end())
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(async () => {
    server.close()
    await rm(folder, { recursive: true, force: true })
  })
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

test.each([
  ['http://10.11.12.13/token', false],
  ['http://169.254.169.254/latest/meta-data', false],
  ['https://[::1]:8080/token', false],
  ['https://127.0.0.2/token', true],
  ['not a URL', true],
])('a registry that signs in at %s is asked: %s', async (realm, isAsked) => {
  const registry = await aRegistry(realm)
  const asked = refuseInnerRegistry({ ...nobody, allowedRegistries: networks(['127.0.0.0/8']) }, registry)

  if (isAsked) await asked
  else await expect(asked).rejects.toMatchObject({ code: 'image.registry_not_allowed' })
})

test.each([
  [
    'error parsing HTTP 404 response body: invalid character \'<\' looking for beginning of value: "<html>SECRET-OF-INNER-HOST</html>"',
    'its answer was not that of a registry',
  ],
  ['Error response from daemon: received unexpected HTTP status: 500 Internal Server Error', 'it answered 500'],
  ['error unmarshalling content: invalid character \'S\': "SECRET denied not found"', 'its answer was not that of a registry'],
  ['Get "https://x.test/v2/": dial tcp 10.0.0.1:443: connect: connection refused', 'the connection was refused'],
  ['Get "https://x.test/v2/": x509: certificate signed by unknown authority', 'its certificate is not one that this machine trusts'],
  ['manifest for x.test/a:1 not found: manifest unknown: manifest unknown', 'it does not have it'],
  ['pull access denied for x, repository does not exist or may require authentication', 'it does not give it to us'],
  ['SECRET', 'its answer was not that of a registry'],
])('%j is told as: %s', (message, reason) => {
  expect(reasonOfPull(message)).toBe(reason)
  expect(reasonOfPull(message)).not.toContain('SECRET')
})
