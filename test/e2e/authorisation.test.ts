// The table of docs/security/authorisation.md, asked cell by cell. The table is written by hand: nothing here asks may().
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { endpoints } from '../../src/api/contract/endpoints.ts'
import { ALL_ROUTES, type Asked, askAs, BODIES, pathOf, type Things } from '../support/asking.ts'
import { freePort } from '../support/haproxy.ts'
import { anInstallation, type Installation } from '../support/installation.ts'
import { aPerson, type Person, well } from '../support/person.ts'
import { until } from '../support/until.ts'

const CALLERS = ['nobody', 'viewer', 'developer', 'releaser', 'project admin', 'installation admin'] as const
type Caller = (typeof CALLERS)[number]

interface Row {
  readonly route: string
  readonly where: string
  readonly answers: Readonly<Record<Caller, string>>
}

const TABLE = readFileSync(fileURLToPath(new URL('../../docs/security/authorisation.md', import.meta.url)), 'utf8')
const CELLS = TABLE.split('\n')
  .filter((line) => line.startsWith('| '))
  .map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  )

function answersOf(cells: readonly string[]): Row['answers'] {
  return Object.fromEntries(CALLERS.map((caller, at) => [caller, cells[at] ?? ''])) as Row['answers']
}

const ROWS: readonly Row[] = CELLS.filter(([route = '']) => route.startsWith('`')).map(([route = '', where = '', ...cells]) => ({
  route: route.replaceAll('`', ''),
  where,
  answers: answersOf(cells),
}))
const PUSHES = CELLS.filter(([ref = '']) => ref.startsWith('the branch') || ref.startsWith('a branch'))
const DELETIONS = CELLS.filter(([what = '']) => what.startsWith('delete '))

/** What each `where` stands for; filled when the installation is up. */
const places: Record<string, Things> = {}
const tokens: Partial<Record<Caller, string>> = {}
let lockgate: Installation
let ada: Person
let folder: string
/** A token of the other project. */
let outsider: string

beforeAll(async () => {
  lockgate = await anInstallation({
    range: '127.77.0.0/16',
    settings: { runtime: { driver: 'fake' }, edge: { driver: 'fake', config: { httpPort: await freePort() } }, builder: { driver: 'fake' } },
  })
  ada = await aPerson(lockgate.apiUrl, lockgate.token)
  folder = await ada.repository('shop', { files: { 'fake-image': 'fake:good', 'index.html': 'hello' } })
  for (const [project, app] of [
    ['own', 'shop'],
    ['other', 'theirs'],
  ] as const) {
    await lockgate.call(endpoints.createProject, { body: { name: project as never } })
    await lockgate.call(endpoints.createApp, { body: { name: app as never, project } })
    await well(ada.git(folder, 'remote', 'add', app, gitUrl(lockgate.token, app)))
    await well(ada.git(folder, 'push', '--quiet', app, 'main'))
    await runOnce(app, 'production')
  }
  for (const environment of ['staging', 'guarded']) {
    await lockgate.call(endpoints.addEnvironment, { params: { app: 'shop' as never }, body: { name: environment as never, branch: environment } })
    await ada.commit(folder, { 'index.html': `hello ${environment}` })
    await well(ada.git(folder, 'push', '--quiet', 'shop', `HEAD:${environment}`))
    await runOnce('shop', environment)
  }
  await lockgate.call(endpoints.changeEnvironment, { params: { app: 'shop', environment: 'guarded' } as never, body: { trust: 'protected' } })
  for (const role of ['viewer', 'developer', 'releaser'] as const) tokens[role] = await aToken(role, { role, project: 'own' })
  tokens['project admin'] = await aToken('project admin', { role: 'admin', project: 'own' })
  tokens['installation admin'] = lockgate.token
  outsider = await aToken('outsider', { role: 'admin', project: 'other' })
  places['–'] = { app: '', environment: '', ids: {} }
  places['own project'] = places['production'] = thingsOf('shop', 'production')
  places['staging'] = thingsOf('shop', 'staging')
  places['guarded'] = thingsOf('shop', 'guarded')
  places['another project'] = thingsOf('theirs', 'production')
}, 180_000)
afterAll(async () => {
  await ada?.leave()
  await lockgate?.stop()
})

async function runOnce(app: string, environment: string): Promise<void> {
  await lockgate.call(endpoints.runOneOff, { params: { app, environment } as never, body: { command: ['true'] } })
}

async function aToken(name: string, more: { readonly role: 'viewer' | 'developer' | 'releaser' | 'admin'; readonly project: string }): Promise<string> {
  return (await lockgate.call(endpoints.createToken, { body: { name, ...more } })).secret
}

function gitUrl(token: string, app: string): string {
  return `${lockgate.apiUrl.replace('http://', `http://x:${token}@`)}/git/${app}.git`
}

/** The newest deployment, build and command of an environment. */
function thingsOf(app: string, environment: string): Things {
  const database = new DatabaseSync(join(lockgate.directory, 'data', 'lockgate.db'), { readOnly: true })
  const where = 'where environment_id = (select environment.id from environment join app on app.id = app_id where app.name = ? and environment.name = ?)'
  const idIn = (table: string): string => String(database.prepare(`select id from ${table} ${where} limit 1`).get(app, environment)?.['id'])
  const ids = { deployment: idIn('deployment'), build: idIn('build'), one_off: idIn('one_off') }
  database.close()
  return { app, environment, ids }
}

/** Codes that say: to this token the object is not there. Others of 404 are about what the body or query names. */
const NOT_THERE = [
  'app.not_found',
  'environment.not_found',
  'deployment.not_found',
  'build.not_found',
  'one_off.not_found',
  'token.not_found',
  'project.not_found',
]

/** The word of the table for an answer. */
function wordOf({ status, problem }: Asked): string {
  if (status >= 500 && problem?.code !== 'request.too_many') return `${status} ${problem?.code}: ${problem?.detail}`
  if (problem === null) return status < 400 ? 'yes' : String(status)
  if (problem.code.startsWith('actor.') && problem.code !== 'actor.wrong_code') return String(status)
  return NOT_THERE.includes(problem.code) ? '404' : 'yes'
}

/** What a route that deletes gets to delete: it is made anew for each caller, so that the answer is not about its absence. */
async function victimOf(route: string, place: string, caller: Caller): Promise<Things> {
  const project = place === 'another project' ? 'other' : 'own'
  const things = places[place]
  if (!things) throw new Error(`docs/security/authorisation.md names a place that this test does not know: ${place}`)
  if (route === 'DELETE /v1/tokens/:id') {
    const { token } = await lockgate.call(endpoints.createToken, { body: { name: `victim of ${caller} in ${place}`, role: 'viewer', project } })
    return { ...things, ids: { token: token.id } }
  }
  if (route !== 'DELETE /v1/apps/:app') return things
  const app = `victim-${project}-${CALLERS.indexOf(caller)}`
  await lockgate.call(endpoints.createApp, { body: { name: app as never, project } })
  return { ...things, app }
}

/** Bodies of this test, where the shared ones would reach out to a host. */
const HARMLESS = { ...BODIES, setSource: { url: 'ftp://source.example.net/x.git' } }

async function ask(row: Row, caller: Caller): Promise<Asked> {
  const [method = '', route = ''] = row.route.split(' ')
  const [name, endpoint] = ALL_ROUTES.find(([, one]) => one.method === method && one.path === route) ?? []
  const things = await victimOf(row.route, row.where, caller)
  const path = pathOf(route, things).replace(':host', 'registry.example.net') + (name === 'removeDomain' ? '?host=not-there.example.net' : '')
  const isGit = route.startsWith('/git/') && method === 'POST'
  const type = isGit ? `application/x-${route.split('/').at(-1)}-request` : endpoint?.upload
  const body = name === undefined ? undefined : HARMLESS[name]
  return askAs(tokens[caller] ?? null, {
    url: lockgate.apiUrl,
    method,
    path,
    ...(body === undefined ? {} : { body }),
    // A flush packet: git has nothing to do. As an archive it is refused.
    ...(type === undefined ? {} : { bytes: { type, data: '0000' } }),
  })
}

describe('the table', () => {
  test('has every route, for every place that its path can name', () => {
    const expected = ALL_ROUTES.flatMap(([, { method, path }]) => placesOf(path).map((where) => `${method} ${path} ${where}`))
    const git = ['GET info/refs?service=git-upload-pack', 'GET info/refs?service=git-receive-pack', 'POST git-upload-pack', 'POST git-receive-pack'].flatMap(
      (one) => ['own project', 'another project'].map((where) => `${one.replace(' ', ' /git/:app.git/')} ${where}`),
    )
    const files = ['GET /openapi.json –', 'GET /lockgate.schema.json –', 'GET /cli.tgz –']

    expect(ROWS.map((row) => `${row.route} ${row.where}`).toSorted()).toEqual([...expected, ...git, ...files].toSorted())
  })

  test('has an answer in each cell', () => {
    for (const { route, answers } of ROWS) for (const caller of CALLERS) expect(answers[caller], `${route}, ${caller}`).toMatch(/^(yes|401|403|404)$/)
    expect(PUSHES).toHaveLength(3)
    expect(DELETIONS).toHaveLength(2)
  })
})

/** The places that a path must have a row for. */
function placesOf(path: string): readonly string[] {
  if (path.includes(':environment') || /^\/v1\/(deployments|builds|one-offs)\/:id/.test(path)) return ['production', 'staging', 'another project']
  return path.includes('/:') && !path.includes(':host') ? ['own project', 'another project'] : ['–']
}

describe('every cell', () => {
  // An environment of another name that is marked as protected answers as production does.
  const guarded = ROWS.filter(({ where }) => where === 'production').map((row) => ({ ...row, where: 'guarded' }))

  test.each([...ROWS, ...guarded].map((row) => [`${row.route} (${row.where})`, row] as const))('%s', async (_title, row) => {
    for (const caller of CALLERS) {
      const asked = await ask(row, caller)
      expect(wordOf(asked), `${caller}: ${asked.status} ${asked.problem?.code} ${asked.problem?.detail}`).toBe(row.answers[caller])
    }
  })
})

test('an app of another project and a name that nobody ever used get the same answer', async () => {
  const ofApp = async (app: string): Promise<unknown> => {
    const { status, problem } = await askAs(tokens['project admin'] ?? '', { url: lockgate.apiUrl, method: 'GET', path: `/v1/apps/${app}` })
    return { status, code: problem?.code, detail: problem?.detail.replace(app, 'NAME') }
  }

  expect(await ofApp('theirs')).toEqual(await ofApp('nowhere'))
})

const LISTS = ALL_ROUTES.filter(([, one]) => one.method === 'GET' && one.permission !== 'public' && !one.path.includes('/:') && one.stream !== true)

describe('a list', () => {
  const read = async (path: string, token: string): Promise<string> =>
    (await fetch(`${lockgate.apiUrl}${path}`, { headers: { authorization: `Bearer ${token}` } })).text()

  test.each(LISTS.map(([, { path }]) => path))('%s names nothing of another project', async (path) => {
    expect(await read(path, outsider)).not.toContain('shop')
    for (const caller of ['viewer', 'project admin'] as const) expect(await read(path, tokens[caller] ?? ''), caller).not.toContain('theirs')
  })

  test('of disk usage has the names for an installation admin, and sums for a project', async () => {
    const [all, own] = [await read('/v1/disk', lockgate.token), await read('/v1/disk', tokens['viewer'] ?? '')]

    for (const name of ['shop', 'theirs']) expect(all).toContain(name)
    expect(own).toContain('shop')
    expect(own).toContain('everything that is not of this project')
  })
})

/** The word of the table for what git said. */
function wordOfPush({ status, all }: { readonly status: number; readonly all: string }): string {
  if (status === 0) return 'yes'
  if (/\[remote rejected\].*may not push/.test(all)) return 'refused'
  return /may not push code/.test(all) ? '403' : '401'
}

describe('a push', () => {
  const BRANCHES: Readonly<Record<string, string>> = {
    'the branch of production': 'main',
    'the branch of staging': 'staging',
    'a branch of no environment': 'side',
  }

  test.each(PUSHES.map(([what = '', ...cells]) => [what, answersOf(cells)] as const))('to %s', async (what, answers) => {
    const branch = BRANCHES[what] ?? ''
    for (const caller of CALLERS) {
      await ada.commit(folder, { 'who.txt': `${caller} to ${branch}` })
      const said = await ada.git(folder, 'push', gitUrl(tokens[caller] ?? '', 'shop'), `HEAD:refs/heads/${branch}`)
      const word = wordOfPush(said)

      expect(word, `${caller}: ${said.all}`).toBe(answers[caller])
      if (word === 'yes') await until('the branch is there', async () => (await ada.git(folder, 'ls-remote', 'shop', branch)).stdout.startsWith(await head()))
    }
  })

  const REFS: Readonly<Record<string, string>> = {
    'delete a tag of the commit that production runs': 'refs/tags/v1',
    'delete a branch of no environment': 'refs/heads/gone',
  }

  test.each(DELETIONS.map(([what = '', ...cells]) => [what, answersOf(cells)] as const))('may %s', async (what, answers) => {
    const ref = REFS[what] ?? ''
    await well(ada.git(folder, 'fetch', '--quiet', 'shop', 'main'))
    for (const caller of CALLERS) {
      await well(ada.git(folder, 'push', 'shop', `FETCH_HEAD:${ref}`))
      const said = await ada.git(folder, 'push', gitUrl(tokens[caller] ?? '', 'shop'), `:${ref}`)

      expect(wordOfPush(said), `${caller}: ${said.all}`).toBe(answers[caller])
      expect((await ada.git(folder, 'ls-remote', 'shop', ref)).stdout === '').toBe(said.status === 0)
    }
  })

  test('to a branch of no environment, and its deletion, leave events that say who did it', async () => {
    const commit = await head()
    const url = gitUrl(tokens['developer'] ?? '', 'shop')
    await well(ada.git(folder, 'push', url, `${commit}:refs/heads/noted`))
    await well(ada.git(folder, 'push', url, ':refs/heads/noted'))

    const events = (await lockgate.call(endpoints.listEvents, { query: { limit: 20 } })).filter(({ subject }) => subject === 'refs/heads/noted')

    const common = { actor: { kind: 'token', name: 'developer' }, app: 'shop' }
    expect(events).toMatchObject([
      { ...common, kind: 'ref.moved', data: { ref: 'refs/heads/noted', before: null, after: commit } },
      { ...common, kind: 'ref.deleted', data: { ref: 'refs/heads/noted', before: commit, after: null } },
    ])
  })

  const head = async (): Promise<string> => (await ada.git(folder, 'rev-parse', 'HEAD')).stdout.trim()
})
