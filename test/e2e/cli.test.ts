import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { freePort } from '../support/haproxy.ts'
import { anInstallation, type Installation } from '../support/installation.ts'
import { aPerson, type Person, well } from '../support/person.ts'

let lockgate: Installation
let ada: Person
let stranger: Person
/** What a hostile app says: it would clear the screen, set the title and write the clipboard. */
const HOSTILE = 'a\u001b[2Jb\u001b]0;title\u0007c\u001b]52;c;eA==\u0007d'

beforeAll(async () => {
  lockgate = await anInstallation({
    range: '127.80.0.0/16',
    settings: { runtime: { driver: 'fake' }, edge: { driver: 'fake', config: { httpPort: await freePort() } }, builder: { driver: 'fake' } },
  })
  ada = await aPerson(lockgate.apiUrl, lockgate.token)
  stranger = await aPerson(lockgate.apiUrl, null)
  await well(ada.lockgate(['create', 'shop']))
  await well(ada.lockgate(['deploy', 'shop', '--image', 'fake:good']))
})
afterAll(async () => {
  await ada?.leave()
  await stranger?.leave()
  await lockgate?.stop()
})

describe('the exit status', () => {
  test.each([
    [0, 'done', ['apps'], null],
    [1, 'a command that failed', ['run', 'shop', '--', 'false'], null],
    [2, 'a name that cannot be one', ['create', 'Bad_Name'], 'request.invalid'],
    [2, 'a command there is not', ['no-such-command'], null],
    [4, 'what is not there', ['status', 'no-such'], 'app.not_found'],
    [5, 'a name that is taken', ['create', 'shop'], 'app.name_taken'],
  ] as const)('%d: %s', async (...[status, , args, code]) => {
    const said = await ada.lockgate(args)

    expect(said.status, said.all).toBe(status)
    if (code === null) return
    expect(said.stderr).toContain(`[${code}]`)
    const asJson = await ada.lockgate([...args, '--json'])
    expect(asJson.status).toBe(status)
    expect(asJson.stdout).toBe('')
    expect(JSON.parse(asJson.stderr)).toMatchObject({ code, detail: expect.any(String), title: expect.any(String), status: expect.any(Number) })
  })

  test('3: not signed in; 6: nobody answers', async () => {
    const outside = await stranger.lockgate(['apps', '--json'])
    const nowhere = await ada.lockgate(['apps'], { env: { LOCKGATE_URL: `http://127.0.0.1:${await freePort()}` } })

    expect(outside.status).toBe(3)
    expect(JSON.parse(outside.stderr)).toMatchObject({ code: 'actor.no_token', status: 401 })
    expect(nowhere.status).toBe(6)
    expect(nowhere.stderr).toMatch(/does not answer\. Is the server up/)
  })
})

test.each([
  [['apps']],
  [['status', 'shop']],
  [['deployments', 'shop']],
  [['releases', 'shop']],
  [['builds', 'shop']],
  [['events']],
  [['doctor']],
  [['token', 'list']],
  [['config', 'get', '-a', 'shop']],
  [['config', 'history', '-a', 'shop']],
])('%j gives one JSON value with --json, and no escapes without', async (args) => {
  const json = await ada.lockgate([...args, '--json'])
  const plain = await ada.lockgate(args)

  expect(() => JSON.parse(json.stdout), json.all).not.toThrow()
  expect(json.stderr).toBe('')
  expect(plain.all).not.toContain('\u001b')
  if (args[0] !== 'doctor') expect([json.status, plain.status]).toEqual([0, 0])
})

test('what an app says cannot steer the terminal', async () => {
  const ran = await ada.lockgate(['run', 'shop', '--', 'echo', HOSTILE])
  await well(ada.lockgate(['config', 'set', '-a', 'shop', `NOTE=${HOSTILE}`, '--detach']))
  const folder = await ada.repository('hostile', {
    files: { 'index.html': 'x', 'lockgate.yaml': `"${HOSTILE.replaceAll('\u001b', '\\e').replaceAll('\u0007', '\\a')}": 1\n` },
  })
  await well(ada.lockgate(['create', 'hostile'], { cwd: folder }))
  await ada.commit(folder, {}, HOSTILE)
  const pushed = await ada.git(folder, 'push', 'lockgate', 'main')
  const others = await Promise.all(
    [['config', 'get', '-a', 'shop'], ['builds', 'hostile'], ['deployments', 'shop'], ['events'], ['status', HOSTILE]].map((args) => ada.lockgate(args)),
  )

  expect(pushed.status).toBe(1)
  expect(ran.stdout, JSON.stringify(ran)).toContain('abcd')
  expect(others[1]?.stdout).toContain('abcd')
  for (const said of [ran, pushed, ...others]) expect(said.all.includes('\u001b') || said.all.includes('\u0007'), JSON.stringify(said.all)).toBe(false)
})
