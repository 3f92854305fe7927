// What stands in files that people send: lockgate.yaml, Procfile, package.json, .env. Refused with where and why, or named as not used.
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { pack } from 'tar-stream'
import { describe, expect, test } from 'vitest'
import { endpoints } from '../../src/api/contract/endpoints.ts'
import { attacked, productionOf } from '../support/attacked.ts'
import { DOTENVS, FOLDERS } from '../support/hostile-files.ts'
import { ODD_MANIFESTS } from '../support/hostile-manifests.ts'
import type { Files } from '../support/person.ts'

const { lockgate, ada } = attacked('10.228.0.0/16')

async function zipped(files: Files): Promise<Buffer> {
  const tar = pack()
  for (const [name, content] of Object.entries(files)) tar.entry({ name }, Buffer.from(content as string))
  tar.finalize()
  const chunks: Uint8Array[] = []
  for await (const chunk of tar) chunks.push(chunk as Uint8Array)
  return gzipSync(Buffer.concat(chunks))
}

test.each(ODD_MANIFESTS)('lockgate.yaml %j is refused', async (manifest, problem) => {
  const { apiUrl, token } = lockgate()

  const answer = await fetch(`${apiUrl}/v1/apps/target/environments/production/deployments`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ verb: 'deploy', image: 'x:1', manifest }),
  })
  const said = (await answer.json()) as { readonly code: string; readonly detail: string }

  expect({ status: answer.status, code: said.code }).toEqual({ status: 422, code: 'manifest.invalid' })
  expect(said.detail).toContain(problem)
  expect(said.detail.split('\n').every((line) => /^lockgate\.yaml:\d+:\d+: /.test(line))).toBe(true)
  expect(said.detail).not.toMatch(/call stack|Stack overflow|parseAllDocuments/)
})

test.each(FOLDERS)('%s is refused or named', async (_what, files, said) => {
  const { apiUrl, token } = lockgate()

  const answer = await fetch(`${apiUrl}/v1/detect`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/gzip' },
    body: new Uint8Array(await zipped(files)),
  })

  expect([200, 422]).toContain(answer.status)
  expect((await answer.text()).replaceAll('\\"', '"')).toMatch(said)
})

describe('.env', () => {
  test.each(DOTENVS)('with %s is refused', async (_what, text, said) => {
    const file = join(ada().home, 'hostile.env')
    await writeFile(file, text)

    const answer = await ada().lockgate(['config', 'set', '-a', 'target', '--file', file])

    expect(answer.status).not.toBe(0)
    expect(answer.all).toMatch(said)
    expect(await lockgate().call(endpoints.readConfig, { ...productionOf('target'), query: {} })).toMatchObject({ entries: [] })
  })
})
