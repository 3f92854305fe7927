import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { extract } from 'tar-stream'
import { BuildFailure } from '../../../core/build/build-failure.ts'
import type { Detected } from '../../../core/build/detect.ts'
import { STATIC_SERVER } from '../bases/node-files.ts'
import type { BuildResult } from '../types.ts'
import { repack } from './unpack.ts'
import type { Workshop } from './workshop.ts'

type Made = Pick<BuildResult, 'digest' | 'runSpec' | 'ports'>
type Of<Kind extends Detected['kind']> = Extract<Detected, { readonly kind: Kind }>

const ARCHIVE = '/app/code.tar.gz'
const SERVE = ['node', STATIC_SERVER, '/app']
// What the image says is what runs: the release's command stays free for lockgate.yaml.
const AS_THE_IMAGE_SAYS = { runSpec: { command: null }, ports: [] }

/** The Makefile contract: `make build`, `make test` where there is one, then code.tar.gz is the app. */
export async function makefileBuild(workshop: Workshop, detected: Of<'makefile'>): Promise<Made> {
  await workshop.run(['make build', ...(detected.hasTest ? ['make test'] : [])])
  const archive = await workshop.raw(ARCHIVE)
  if (archive === null) throw new BuildFailure('no_artifact', 'make build ended well but left no code.tar.gz in the folder of the repository')
  const files = repack(gunzip(await onlyFile(archive)), workshop.appFiles(''))
  return { digest: await workshop.makeImage({ base: 'node', files, command: ['make', 'run'] }), ...AS_THE_IMAGE_SAYS }
}

/** npm: what the lock file says, the build script, then without what only the build needed. */
export async function nodeBuild(workshop: Workshop, detected: Of<'node'>): Promise<Made> {
  const { hasBuild, result } = detected
  const isServed = result.kind === 'folder'
  await workshop.run(['npm ci', ...(hasBuild ? ['npm run build'] : []), ...(isServed ? [] : ['npm prune --omit=dev'])])
  const files = await workshop.result(isServed ? `/app/${result.folder}` : '/app')
  if (files === null)
    throw new BuildFailure('no_artifact', `The build left no folder ${isServed ? result.folder : '/app'}: check build.publish in lockgate.yaml`)
  if (isServed) return { digest: await workshop.makeImage({ base: 'static', files, command: SERVE }), ...AS_THE_IMAGE_SAYS }
  const image = { base: 'node', files, command: result.command, env: { NODE_ENV: 'production' } } as const
  return { digest: await workshop.makeImage(image), ...AS_THE_IMAGE_SAYS }
}

/** Static files: nothing is run at all. */
export async function staticBuild(workshop: Workshop, detected: Of<'static'>): Promise<Made> {
  const files = workshop.checkout(detected.folder)
  return { digest: await workshop.makeImage({ base: 'static', files, command: SERVE }), ...AS_THE_IMAGE_SAYS }
}

/** The one file in a tar that the engine made of a path; the app may have put anything there. */
async function onlyFile(tar: Readable): Promise<AsyncIterable<unknown>> {
  const entries = extract()
  entries.on('error', () => undefined)
  pipeline(tar, entries, () => undefined)
  // Not `for await`: leaving it would destroy the archive, and the entry with it, before anybody has read it.
  const { value: entry } = await entries[Symbol.asyncIterator]().next()
  if (entry?.header.type === 'file') return entry
  entries.destroy()
  throw new BuildFailure('no_artifact', `code.tar.gz is a ${entry?.header.type ?? 'nothing'}, not a file`)
}

function gunzip(bytes: AsyncIterable<unknown>): Readable {
  const unzipped = createGunzip()
  pipeline(bytes as AsyncIterable<Uint8Array>, unzipped, () => undefined)
  return unzipped
}
