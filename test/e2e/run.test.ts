import { afterAll, beforeAll, expect, test } from 'vitest'
import { testImage } from '../support/images.ts'
import { anInstallation, type Installation } from '../support/installation.ts'
import { aPerson, type Person } from '../support/person.ts'

let lockgate: Installation
let ada: Person

beforeAll(async () => {
  lockgate = await anInstallation({ range: '10.199.0.0/16' })
  ada = await aPerson(lockgate.apiUrl, lockgate.token)
  await lockgate.create('commands')
  await lockgate.deploy('commands', { verb: 'deploy', image: await testImage(lockgate.boxes, 'all', 'one') })
})
afterAll(async () => {
  await ada?.leave()
  await lockgate?.stop()
})

test('run passes standard input, whatever is in it, and keeps nothing of it', async () => {
  const text = `${'swordfish "quoted" $HOME `id` \\ ü\n'.repeat(2_000)}end`
  const read = 'let all = ""; process.stdin.on("data", (part) => (all += part)).on("end", () => console.log(all.length, all.endsWith("end")))'

  const said = await ada.lockgate(['run', 'commands', '--', 'node', '-e', read], { input: text })
  const tooMuch = await ada.lockgate(['run', 'commands', '--', 'cat'], { input: 'x'.repeat(600_000) })
  const cut = await ada.lockgate(['run', 'commands', '--', 'sh', '-c', 'head -c 9; exit 7'], { input: text })

  expect(said.stdout).toContain(`${text.length} true`)
  expect(tooMuch.all).toContain('Standard input is larger than 512 KiB')
  expect(tooMuch.status).toBe(2)
  expect(cut).toMatchObject({ status: 7, stdout: 'swordfish\n' })
})
