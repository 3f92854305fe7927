// Attacks of a build of a lower level of trust on the next build of a higher one, of the same app.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { BuilderRig, type Built } from '../../../../test/support/builder-rig.ts'
import type { Manifest } from '../../../core/app/manifest.ts'
import { TRUST_LEVELS, type Trust } from '../../../core/trust/trust.ts'
import { randomWord } from '../../../lib/ids.ts'

const MAKING_MS = 240_000

let rig: BuilderRig
beforeAll(async () => {
  rig = await BuilderRig.open()
})
afterAll(async () => rig.close())

const PAIRS = TRUST_LEVELS.flatMap((attacker, at) => TRUST_LEVELS.slice(at + 1).map((victim) => [attacker, victim] as const))
const NPM = {
  'package.json': JSON.stringify({ name: 'shop', version: '1.0.0', scripts: { start: 'node server.js', build: 'sh ./build.sh' } }),
  'package-lock.json': JSON.stringify({ name: 'shop', version: '1.0.0', lockfileVersion: 3, packages: { '': { name: 'shop', version: '1.0.0' } } }),
  'server.js': '',
}
/** Writes into everything that a build keeps: archives of steps, and each folder of a cache. */
const POISON = 'mkdir -p /cache/kept /cache/npm; for one in /cache/kept/*.tar /cache/evil /cache/npm/evil; do echo poison > "$one"; done\n'
const LOOK = 'find /cache | grep -c evil > seen.txt || true\ngrep -l poison /cache/kept/* >> seen.txt || true\n'

function steps(script: string): { readonly files: Record<string, string>; readonly manifest?: Manifest } {
  return { files: { ...NPM, 'build.sh': script } }
}

function dockerfile(script: string): { readonly files: Record<string, string> } {
  return { files: { Dockerfile: `FROM lockgate/base\nWORKDIR /app\nRUN --mount=type=cache,target=/cache ${script}\nCMD ["true"]\n` } }
}

async function seen(one: Built): Promise<string | undefined> {
  return (await rig.filesOf(one.result)).get('./seen.txt')
}

test.each(PAIRS)('a build that is %s cannot poison what the next %s build of the app finds', { timeout: MAKING_MS }, async (attacker, victim) => {
  const appId = `a-${randomWord(8)}`
  const build = (what: { readonly files: Record<string, string> }, trust: Trust): Promise<Built> => rig.build(what.files, { appId, trust })
  const clean = await seen(await build(steps(LOOK), victim))
  const own = await seen(await build(steps(`${POISON}${LOOK}`), attacker))

  const after = await build(steps(`${LOOK}# again\n`), victim)

  // The attack works where it may: within its own level.
  expect(own).not.toEqual(clean)
  expect(await seen(after)).toEqual(clean)
})

test.each(PAIRS)('a Dockerfile that is %s cannot poison the caches of a %s one', { timeout: MAKING_MS }, async (attacker, victim) => {
  const appId = `a-${randomWord(8)}`
  const build = (script: string, trust: Trust): Promise<Built> => rig.build(dockerfile(script).files, { appId, trust })
  const clean = await seen(await build('ls /cache > seen.txt', victim))
  const own = await seen(await build('touch /cache/evil; ls /cache > seen.txt', attacker))

  const after = await seen(await build('ls /cache > seen.txt; true', victim))

  expect(own).not.toEqual(clean)
  expect(after).toEqual(clean)
})

test('a build that is untrusted has no secret, whatever it is given', { timeout: MAKING_MS }, async () => {
  const secrets = { CANARY: 'swordfish' }
  const script = 'echo "value: $CANARY" > seen.txt\n'
  const [trusted, untrusted, none] = [
    await rig.build(steps(script).files, { secrets, trust: 'ordinary' }),
    await rig.build(steps(script).files, { secrets, trust: 'untrusted' }),
    await rig.build(steps(script).files, { trust: 'untrusted' }),
  ]

  expect(await seen(untrusted)).toEqual(await seen(none))
  expect(await seen(trusted)).not.toEqual(await seen(none))
})

test('the image of another app is no builder, no runner and nothing to begin from, by whatever name', { timeout: MAKING_MS }, async () => {
  const { result } = await rig.build({ 'index.html': 'theirs' })
  const names = [result.digest, result.digest.slice('sha256:'.length, 19)]
  const made = (build: Manifest['build']): Manifest => ({ build, processes: { web: { command: ['true'] } } })

  for (const name of names) {
    for (const what of ['builder', 'runner'] as const)
      await expect(rig.build({ x: '' }, { manifest: made({ kind: 'steps', steps: [['true']], [what]: name }) }), `${what} ${name}`).rejects.toMatchObject({
        code: 'build.not_understood',
      })
    await expect(rig.build({ Dockerfile: `FROM ${name}\nCMD ["true"]\n` }), `FROM ${name}`).rejects.toMatchObject({
      code: expect.stringMatching(/^build\.(not_understood|base_unreachable)$/),
    })
  }
})
