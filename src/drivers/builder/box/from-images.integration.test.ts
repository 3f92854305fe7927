import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { wipe } from '../../../../test/support/engine.ts'
import { volumesOf } from '../../../../test/support/folder.ts'
import { aRegistry, type RunningRegistry } from '../../../../test/support/registry.ts'
import { randomWord } from '../../../lib/ids.ts'
import { silentLog } from '../../../lib/log.ts'
import { run } from '../../../lib/run.ts'
import { docker } from '../../runtime/docker/index.ts'
import type { Boxes } from '../../runtime/types.ts'
import { aBuild } from '../contract.ts'
import type { Builder } from '../types.ts'
import { box } from './index.ts'

const installation = `t${randomWord(8)}`
const volumesDirectory = volumesOf(installation)
const team = `team${randomWord(6)}`
let registry: RunningRegistry
let boxes: Boxes
let builder: Builder

beforeAll(async () => {
  const parts = await docker.create(docker.Config.parse({ installation, volumesDirectory, registryNetworks: ['127.0.0.0/8'] }), undefined)
  if (!parts.boxes) throw new Error('no boxes')
  boxes = parts.boxes
  registry = await aRegistry(false)
  const config = box.Config.parse({ installation, registryMirrors: [registry.host] })
  builder = await box.create(config, { boxes, log: silentLog })
  await builder.build(aBuild({ Dockerfile: 'FROM lockgate/base\nCMD ["true"]\n' }).request)
})

afterAll(async () => {
  await registry.stop()
  await wipe(installation, volumesDirectory)
  const images = (await run('docker', ['images', '--no-trunc', '--format', '{{.Repository}} {{.ID}}'])).stdout.split('\n').filter((line) => line.includes(team))
  if (images.length > 0) await run('docker', ['rmi', '-f', ...new Set(images.map((line) => line.split(' ')[1] ?? ''))])
  await rm(volumesDirectory, { recursive: true, force: true })
})

/** Pushes an image that says a word; gives NAME@sha256:…. The engine has it under no name afterwards. */
async function push(name: string, word: string): Promise<string> {
  const { stdout } = await run('docker', ['images', '--format', '{{.Repository}}:{{.Tag}}', 'lockgate/base'])
  await run('docker', ['build', '-q', '-t', name, '-'], { input: `FROM ${stdout.split('\n')[0]}\nRUN echo ${word} > /word\nCMD ["cat", "/word"]\n` })
  await run('docker', ['push', '-q', name])
  const digest = (await run('docker', ['inspect', '--format', '{{index .RepoDigests 0}}', name])).stdout.trim()
  await run('docker', ['rmi', name])
  return digest
}

/** Builds on an image, and gives what the result says with what the build logged. */
async function onto(image: string): Promise<{ said: string; log: string }> {
  const { request, lines } = aBuild({ Dockerfile: `FROM ${image}\nRUN true\n` })
  const { digest } = await builder.build(request)
  return { said: (await run('docker', ['run', '--rm', '--network', 'none', digest])).stdout.trim(), log: lines.join('\n') }
}

test('an image of a registry is fetched, again when its tag names another one, and used as it is here while the registry is away', async () => {
  const name = `${registry.host}/${team}/base:1`
  const recipe = (): Promise<string | null> => builder.recipe(aBuild({ Dockerfile: `FROM ${name}\n` }).request)
  await push(name, 'one')
  const first = await onto(name)
  const before = await recipe()
  // Somewhere else somebody pushes another one: this engine still has the first by that name.
  const kept = (await run('docker', ['inspect', '--format', '{{.Id}}', name])).stdout.trim()
  await push(name, 'two')
  await run('docker', ['tag', kept, name])
  const second = await onto(name)
  const after = await recipe()
  await registry.halt()
  const third = await onto(name)
  await registry.resume()

  expect([first.said, second.said, third.said]).toEqual(['one', 'two', 'two'])
  expect(third.log).toContain('its registry does not give it now')
  expect(before).not.toEqual(after)
})

test('a name of Docker Hub is asked of the mirrors first, and a digest is what it says', async () => {
  const digest = await push(`${registry.host}/${team}/hub:1`, 'mirrored')

  expect((await onto(`${team}/hub:1`)).said).toEqual('mirrored')
  expect((await onto(digest)).said).toEqual('mirrored')
})

test('what a registry gives to us alone is for trusted builds of the app that names it', async () => {
  const name = `${registry.host}/${team}/private:1`
  await push(name, 'private')
  const registryCredential = async (host: string) => ({ host, username: 'us', password: 'x' })
  const registryLevel = async () => 'ordinary' as const
  const parts = await docker.create(docker.Config.parse({ installation, volumesDirectory }), { registryCredential, registryLevel })
  const known = await box.create(box.Config.parse({ installation }), { boxes: parts.boxes, log: silentLog })
  const onIt = aBuild({ Dockerfile: `FROM ${name}\n` }).request
  // Written so that nobody sees the name before the build does.
  const hidden = `FROM lockgate/base\nENV NAME=${name}\nCOPY --from=\${NAME:-lockgate/base} /word /word\nCMD ["cat", "/word"]\n`
  const thief = aBuild({ Dockerfile: hidden })

  expect((await known.build(onIt)).digest).toMatch(/^sha256:/)
  expect((await known.build(onIt)).digest).toMatch(/^sha256:/)
  await expect(known.build({ ...onIt, trust: 'untrusted' })).rejects.toMatchObject({
    code: 'build.base_unreachable',
    message: expect.stringContaining('not trusted'),
  })
  await expect(known.build(thief.request)).rejects.toMatchObject({ code: 'build.exit_code' })
})

test('images of a registry for protected environments are for no lower level, in FROM, as builder, as runner and by another name', async () => {
  const name = `${registry.host}/${team}/secret:1`
  await push(name, 'secret')
  const registryCredential = async (host: string) => (host === registry.host ? { host, username: 'us', password: 'x' } : null)
  const registryLevel = async (host: string) => (host === registry.host ? ('protected' as const) : ('untrusted' as const))
  const parts = await docker.create(docker.Config.parse({ installation, volumesDirectory }), { registryCredential, registryLevel })
  const known = await box.create(box.Config.parse({ installation }), { boxes: parts.boxes, log: silentLog })
  const appId = `a-${randomWord(8)}`
  const protectedOne = aBuild({ Dockerfile: `FROM ${name}\n` }, { appId })
  await known.build(protectedOne.request)
  const { stdout: digest } = await run('docker', ['inspect', '--format', '{{index .RepoDigests 0}}', name])
  const other = `lockgate-test/from-${installation}-other:1`
  await run('docker', ['tag', name, other])

  for (const image of [name, digest.trim(), other]) {
    const refused = {
      code: 'build.base_unreachable',
      message: expect.stringMatching(/gives it to (protected environments only, and this build is for one that is ordinary|Lockgate)/),
    }
    for (const trust of ['ordinary', 'untrusted'] as const) {
      const manifest = { build: { kind: 'static' as const, runner: image }, processes: { web: { command: ['true'] } } }
      const steps = { build: { kind: 'steps' as const, builder: image, steps: [['true']] }, processes: { web: { command: ['true'] } } }
      await expect(known.build(aBuild({ Dockerfile: `FROM ${image}\n` }, { trust }).request), `FROM ${image}`).rejects.toMatchObject(refused)
      await expect(known.build(aBuild({ 'index.html': '' }, { trust, manifest }).request), `runner ${image}`).rejects.toMatchObject(refused)
      await expect(known.build(aBuild({ 'index.html': '' }, { trust, manifest: steps }).request), `builder ${image}`).rejects.toMatchObject(refused)
      await expect(parts.runtime.resolveImage(image, { id: appId, trust }), image).rejects.toMatchObject({ code: 'image.not_trusted' })
    }
    expect((await parts.runtime.resolveImage(image, { id: appId, trust: 'protected' })).digest).toMatch(/^sha256:/)
  }
  const { stdout: id } = await run('docker', ['inspect', '--format', '{{.Id}}', name])
  await expect(parts.runtime.resolveImage(id.trim(), { id: appId, trust: 'ordinary' })).rejects.toMatchObject({ code: 'image.not_trusted' })
  await run('docker', ['rmi', other])
})

test('the name that Lockgate gives to an image which it pulled makes the image of a public registry no less public', async () => {
  const name = `${registry.host}/${team}/public:1`
  await push(name, 'public')
  const registryCredential = async (host: string) => (host === 'docker.io' ? { host, username: 'us', password: 'x' } : null)
  const registryLevel = async (host: string) => (host === 'docker.io' ? ('ordinary' as const) : ('untrusted' as const))
  const config = docker.Config.parse({ installation, volumesDirectory, registryNetworks: ['127.0.0.0/8'] })
  const parts = await docker.create(config, { registryCredential, registryLevel })
  const known = await box.create(box.Config.parse({ installation }), { boxes: parts.boxes, log: silentLog })
  await parts.runtime.resolveImage(name, { id: 'a-any', trust: 'ordinary' })
  expect((await run('docker', ['inspect', '--format', '{{.RepoTags}}', name])).stdout).toContain(`lockgate-${installation}/pulled`)

  const built = await known.build(aBuild({ Dockerfile: `FROM ${name}\n` }, { trust: 'untrusted' }).request)

  expect(built.digest).toMatch(/^sha256:/)
})

test('a base of ours comes in the version its tag names, and one there is not says which there are', async () => {
  const { request } = aBuild({ Dockerfile: 'FROM lockgate/node:22\nCMD ["node", "--version"]\n' })
  const { digest } = await builder.build(request)

  expect((await run('docker', ['run', '--rm', digest])).stdout).toMatch(/^v22\./)
  await expect(onto('lockgate/node:7')).rejects.toMatchObject({ code: 'build.not_understood', message: expect.stringContaining('18 to 26') })
})

test('a key for ssh reaches the RUN that asks for it and nothing else', async () => {
  const path = join(volumesDirectory, 'key')
  await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', path])
  const key = await readFile(path, 'utf8')
  const { request, lines } = aBuild({
    Dockerfile: 'FROM lockgate/base\nRUN --mount=type=ssh [ -S "$SSH_AUTH_SOCK" ] && echo has-agent\nRUN [ -z "$SSH_AUTH_SOCK" ] && echo none\nCMD ["true"]\n',
  })

  await builder.build({ ...request, secrets: { ssh: key } })

  expect(lines).toContain('has-agent')
  expect(lines).toContain('none')
})
