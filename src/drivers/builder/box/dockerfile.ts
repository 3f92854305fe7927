import { BuildFailure } from '../../../core/build/build-failure.ts'
import type { DockerfilePlan } from '../../../core/build/build-plan.ts'
import { imagesFor, readDockerfile } from '../../../core/build/dockerfile.ts'
import { volumesLeftOut } from '../../../core/build/left-out.ts'
import { InvalidError, messageOf } from '../../../lib/errors.ts'
import { sha256 } from '../../../lib/hash.ts'
import { IMAGE_BUILD_ENV, IMAGES_FOLDER } from '../bases/image-build-files.ts'
import type { BuildRequest, BuildResult } from '../types.ts'
import { passImage } from './docker-archive.ts'
import { IMAGE_BOX } from './dockerfile-check.ts'
import { type FoundImage, findImages } from './from-images.ts'
import { CA_ENV, CA_PATH } from './host-settings.ts'
import { IMAGE_FILE, IMAGE_PROGRAM, ImageReader, imageArguments, RUN_CA_PATH, secretsInput } from './image-program.ts'
import { ImageStore } from './image-store.ts'
import { onlyFile } from './steps.ts'
import type { Workshop } from './workshop.ts'
import { cacheOf, cacheVolume, type Yard } from './yard.ts'

/** As an engine's builder calls the processor. */
const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' }
/** A variable of every RUN that changes with the values of the secrets. */
const VALUES = 'LOCKGATE_BUILD_VALUES'
const SECRET_ID = /^[A-Za-z0-9_.-]{1,128}$/

/**
 * Builds a Dockerfile in a box: buildah as nobody, in a user namespace of its own, without the engine. The images it begins from
 * are brought in before, what it made is taken out after.
 */
export async function buildDockerfile(yard: Yard, workshop: Workshop, plan: DockerfilePlan): Promise<Pick<BuildResult, 'digest' | 'runSpec' | 'ports'>> {
  const { request } = workshop
  const wanted = { images: await writtenImages(request, plan), trust: request.trust, note: (line: string) => workshop.note(line) }
  const images = await workshop.orCancelled(findImages(yard, wanted))
  const box = await workshop.orCancelled(yard.bases.image(IMAGE_BOX, (line) => workshop.note(line)))
  const labels = yard.boxes.imageLabels(workshop.labels)
  const secrets = request.trust !== 'untrusted' ? request.secrets : {}
  const ids = Object.keys(secrets).filter((id) => SECRET_ID.test(id))
  const caPath = yard.caBundle === null ? null : CA_PATH
  // Layers are found again by their instructions: one that read a secret must not be found with another value of it.
  const values = ids.length === 0 ? {} : { [VALUES]: sha256(JSON.stringify(request.values)).slice(0, 32) }
  const env = { ...values, ...yard.env, ...(caPath === null ? {} : Object.fromEntries(Object.keys(CA_ENV).map((name) => [name, RUN_CA_PATH]))) }
  const pinned = Object.fromEntries(images.filter(({ written }) => written.includes('@')).map(({ written, name }) => [written, name]))
  const words = imageArguments({ ...plan, labels, env, secrets: ids, caPath, pinned })
  const hasOwn = images.some(({ isPrivate }) => isPrivate)
  // Twice: a store of images that is too full is thrown away when a box wants it.
  for (let tries = 0; tries < 2; tries++) {
    await workshop.orCancelled(bringIn(yard, request, { box, images }))
    const fresh = await workshop.open(
      {
        image: box,
        command: ['sh', '-c', IMAGE_PROGRAM, 'lockgate-image', ...words],
        env: { ...yard.env, ...IMAGE_BUILD_ENV, TMPDIR: '/work/tmp', ...(caPath === null ? {} : { SSL_CERT_FILE: CA_PATH }) },
        tmpfs: { '/tmp': 64, '/var/tmp': 16 },
        nested: true,
        readsInput: true,
      },
      { work: '/work', also: { [IMAGES_FOLDER]: yard.images.volume } },
    )
    if (fresh.includes(yard.images.volume.name)) yard.images.forget()
    else if (!hasOwn || !fresh.includes(cacheOf(yard, request))) break
  }
  await workshop.fill('work/context')
  const reader = new ImageReader(Object.keys(env), { line: (text) => workshop.output(text), step: request.step })
  await workshop.watch(reader, await secretsInput(Object.fromEntries(ids.map((id) => [id, secrets[id] ?? '']))))
  const { volumes, ...made } = await take(yard, workshop, labels)
  for (const sentence of volumesLeftOut(volumes, (await request.readFile(plan.file)) ?? '')) workshop.note(sentence)
  return made
}

/** What everybody may have goes where every build reads, the rest to the app's own layers. */
async function bringIn(yard: Yard, request: BuildRequest, what: { readonly box: string; readonly images: readonly FoundImage[] }): Promise<void> {
  const own = what.images.filter(({ isPrivate }) => isPrivate)
  const by = { image: what.box, buildId: request.buildId, signal: request.signal }
  await yard.images.ensure(
    by,
    what.images.filter(({ isPrivate }) => !isPrivate),
  )
  const place = { volume: cacheVolume(yard, request), mount: '/cache', root: '/cache/storage' }
  if (own.length > 0) await new ImageStore(yard.boxes, place).ensure(by, own)
}

/** Takes the image out of the box into the engine. */
async function take(
  yard: Yard,
  workshop: Workshop,
  labels: Readonly<Record<string, string>>,
): Promise<Pick<BuildResult, 'digest' | 'runSpec' | 'ports'> & { readonly volumes: readonly string[] }> {
  const archive = await workshop.raw(IMAGE_FILE)
  if (archive === null) throw new BuildFailure('no_artifact', 'The build ended well but left no image')
  let command: readonly string[] = []
  const runs = (words: readonly string[]): void => {
    command = words
  }
  const image = passImage(await onlyFile(archive, 'The image'), { tag: workshop.tag, labels, maxBytes: yard.appMb * 1024 * 1024, runs })
  try {
    await workshop.orCancelled(yard.boxes.loadImage(image), image)
  } catch (error) {
    if (error instanceof InvalidError) throw new BuildFailure('no_artifact', `What the build made cannot be used: ${messageOf(error)}`)
    throw error
  }
  const made = await yard.boxes.describeImage(workshop.tag)
  if (!made) throw new BuildFailure('no_artifact', 'The engine did not take the image that the build made')
  if (command.length === 0 && workshop.request.manifest.processes?.web.command === undefined)
    throw new BuildFailure('no_artifact', 'The image does not say what to run: add CMD to the Dockerfile, or processes.web.command to lockgate.yaml')
  return { digest: made.digest, runSpec: { command: null }, ports: made.ports, volumes: made.volumes }
}

/** A hash of the plan, what builds it, and the images it begins from as they are now; null where one cannot be had. */
export async function dockerfileRecipe(yard: Yard, request: BuildRequest, plan: DockerfilePlan): Promise<string | null> {
  let images: FoundImage[]
  try {
    images = await findImages(yard, { images: await writtenImages(request, plan), trust: request.trust, note: () => undefined })
  } catch (error) {
    if (error instanceof BuildFailure) return null
    throw error
  }
  return sha256(JSON.stringify([plan, await yard.bases.tag(IMAGE_BOX), images, request.values])).slice(0, 16)
}

async function writtenImages(request: BuildRequest, plan: DockerfilePlan): Promise<string[]> {
  const text = await request.readFile(plan.file)
  if (text === null) throw new BuildFailure('not_understood', `${plan.file} cannot be read`)
  const arch = ARCHITECTURES[process.arch] ?? process.arch
  const given = { TARGETOS: 'linux', TARGETARCH: arch, TARGETPLATFORM: `linux/${arch}`, BUILDOS: 'linux', BUILDARCH: arch, BUILDPLATFORM: `linux/${arch}` }
  return imagesFor(readDockerfile(text, { ...given, ...plan.args }), plan.target)
}
