// A secret that an app prints everywhere it can, looked for afterwards in everything that Lockgate keeps, says and answers.
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { endpoints } from '../../src/api/contract/endpoints.ts'
import { run } from '../../src/lib/run.ts'
import { anInstallation, type Installation } from '../support/installation.ts'
import { aPerson, type Person, well } from '../support/person.ts'
import { until } from '../support/until.ts'

const CANARY = 'canary-4f9a1c7e5b2d8036'
const REVOKED = 'canary-of-yesterday-77aa01'

let lockgate: Installation
let ada: Person

beforeAll(async () => {
  lockgate = await anInstallation({ range: '10.230.0.0/16' })
  ada = await aPerson(lockgate.apiUrl, lockgate.token)
})
afterAll(async () => {
  await ada?.leave()
  await lockgate?.stop()
})

/** Prints the secret at the start, over the 16 KiB at which lines are cut, to both streams, as base64, and in every answer. */
const SERVER = `
const secret = process.env.TOKEN
console.log('starting with', secret)
console.error('as base64', Buffer.from(secret).toString('base64'))
for (let cut = 1; cut < secret.length; cut += 1) console.log('x'.repeat(16384 - cut) + secret + ' ü after')
console.log('ü'.repeat(8190) + secret)
require('http').createServer((q, r) => { r.statusCode = q.url === '/up' && process.env.BAD ? 500 : 200; r.end(secret) }).listen(process.env.PORT)
process.on('SIGTERM', () => { console.log('ending', secret); process.exit(0) })
`

const MANIFEST = `
health: { command: [node, /app/check.js], start_deadline: 8s }
release_command: [node, -e, "console.log('migrating with', process.env.TOKEN)"]
`

/** Says the secret, and is not well when BAD is set. */
const CHECK = `console.log('checked with', process.env.TOKEN); process.exit(process.env.BAD ? 1 : 0)`

const FORMS = [CANARY, REVOKED].flatMap((secret) => [secret, Buffer.from(secret).toString('base64')])

/** Files below a folder that hold a secret. */
async function filesWithSecrets(folder: string): Promise<string> {
  const { stdout } = await run('grep', ['-rlaF', ...FORMS.flatMap((form) => ['-e', form]), '--', folder], { anyStatus: true })
  return stdout
}

function traces(text: string): boolean {
  return FORMS.some((form) => text.includes(form))
}

test('a secret stands nowhere after a whole life of an app that says it everywhere', async () => {
  const folder = await ada.repository('leaky', {
    files: {
      'server.js': SERVER,
      'check.js': CHECK,
      'lockgate.yaml': MANIFEST,
      'package.json': '{"name":"leaky"}',
      'package-lock.json': '{"name":"leaky","lockfileVersion":3,"packages":{"":{"name":"leaky"}}}',
      Procfile: 'web: node server.js\n',
    },
  })
  const said: string[] = []
  const lg = async (args: readonly string[]): Promise<string> => {
    const { all } = await ada.lockgate(args, { cwd: folder })
    said.push(all)
    return all
  }
  await well(ada.lockgate(['create', 'leaky'], { cwd: folder }))
  await lg(['config', 'set', '-a', 'leaky', '--secret', `TOKEN=${REVOKED}`])
  said.push((await well(ada.git(folder, 'push', 'lockgate', 'main'))).all)
  await lg(['config', 'set', '-a', 'leaky', '--secret', `TOKEN=${CANARY}`])
  await lg(['config', 'revoke', '-a', 'leaky', 'TOKEN', '1'])
  await lg(['restart', 'leaky'])
  await lg(['run', 'leaky', '--', 'node', '-e', `console.log(process.env.TOKEN, '${CANARY}')`])
  // A release whose health command fails, and says the secret while it does.
  expect(await lg(['config', 'set', '-a', 'leaky', 'BAD=1'])).toContain('checked with ***')
  await lg(['config', 'unset', '-a', 'leaky', 'BAD'])
  await until('what the app said is kept', async () => (await lg(['logs', 'leaky', '--lines', '10000'])).includes('starting with ***'))
  await lg(['events'])
  await lg(['status', 'leaky'])
  await lg(['releases', 'leaky'])
  await lg(['config', 'get', '-a', 'leaky'])
  await lg(['doctor'])

  expect(said.filter(traces)).toEqual([])
  const answers = await Promise.all(
    [endpoints.listEvents, endpoints.listApps, endpoints.disk, endpoints.doctor].map(async (endpoint) =>
      JSON.stringify(await lockgate.call(endpoint, {} as never)),
    ),
  )
  expect(answers.filter(traces)).toEqual([])
  expect(traces(lockgate.log()), 'the log of the server').toBe(false)
  const database = new DatabaseSync(join(lockgate.directory, 'data', 'lockgate.db'), { readOnly: true })
  for (const { name } of database.prepare("select name from sqlite_master where type = 'table'").all())
    expect(traces(JSON.stringify(database.prepare(`select * from "${name}"`).all())), `table ${name}`).toBe(false)
  database.close()
  for (const folder of [lockgate.directory, lockgate.edge.config.directory]) expect(await filesWithSecrets(folder)).toBe('')
}, 180_000)
