import { statfs } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { z } from 'zod'
import { NotFoundError, PlatformError, RejectedError, UnavailableError } from '../../../lib/errors.ts'
import type { BoxEnd, Boxes, BoxSpec, ImageConfig } from '../types.ts'
import { EngineRefusal, translated } from './client.ts'
import { inspect, inspectOurs, type Place, removeContainer } from './containers.ts'
import { wasOutOfMemory } from './events.ts'
import { findImage, followProgress, parseReference, pullImage } from './images.ts'
import { LABEL, labelFilter } from './labels.ts'
import { frames, LineCutter } from './lines.ts'
import { wallTime } from './observe.ts'
import { Listed } from './schema.ts'

const TRANSFER_MS = 10 * 60_000
const BOX = 'box'
const OOM_NEWS_MS = 300

/** Boxes for builds, in the same engine. */
export function openBoxes(place: Place): Boxes {
  const { client, installation } = place
  const ours = async (box: string): Promise<string> => {
    const present = await inspectOurs(place, box)
    if (present?.Config.Labels[LABEL.kind] !== BOX) throw new NotFoundError('box.not_found', `There is no box ${box}`)
    return present.Id
  }
  return {
    findImage: (reference) => translated('look for an image', async () => (await findImage(client, reference))?.Id ?? null),
    create: (spec) => translated(`create ${spec.name}`, () => createBox(place, spec)),
    put: (box, folder, tar) =>
      translated(`fill ${box}`, async () => {
        const id = await ours(box)
        await client.send({ method: 'PUT', path: `/containers/${id}/archive`, query: { path: folder }, tar, timeoutMs: TRANSFER_MS })
      }),
    run: (box, options) => translated(`run ${box}`, async () => runBox(place, await ours(box), options)),
    get: (box, path) =>
      translated(
        `read from ${box}`,
        async () => client.stream({ path: `/containers/${await ours(box)}/archive`, query: { path } }),
        () => new NotFoundError('box.path_not_found', `There is no ${path} in ${box}`),
      ),
    commit: (box, config) => translated(`make an image of ${box}`, async () => commitBox(place, await ours(box), config)),
    importImage: (rootfs, config) => translated(`import ${config.tag}`, () => importRootfs(place, rootfs, config)),
    remove: (box) => translated(`remove ${box}`, () => removeBox(place, box)),
    removeAll: (owner) =>
      translated(`remove the boxes of ${owner}`, async () => {
        const query = { all: 'true', ...labelFilter(installation, { [LABEL.kind]: BOX, [LABEL.owner]: owner }) }
        const listed = await client.json(Listed, { path: '/containers/json', query })
        await Promise.all(listed.map((container) => removeContainer(client, container.Id)))
      }),
    removeVolume: (name) =>
      translated(
        `remove volume ${name}`,
        () => removeVolume(place, name),
        () => undefined,
      ),
    pull: (reference, answerMs) => pulls(place, reference, answerMs),
    tag: (image, reference) => {
      const { name, tag } = parseReference(reference)
      return translated(`tag ${image}`, () => client.send({ method: 'POST', path: `/images/${encodeURI(image)}/tag`, query: { repo: name, tag } }))
    },
    push: (reference) => translated(`push ${reference}`, () => pushImage(place, reference)),
    freeBytes: async () => {
      const { info } = await client.connect()
      const space = await statfs(info.DockerRootDir).catch(() => null)
      return space === null ? null : space.bavail * space.bsize
    },
  }
}

async function createBox(place: Place, spec: BoxSpec): Promise<void> {
  await removeBox(place, spec.name)
  const network = spec.network === 'none' ? 'none' : await place.networks.ensureForBuilds()
  const labels = { [LABEL.installation]: place.installation, [LABEL.kind]: BOX, [LABEL.owner]: spec.owner }
  for (const volume of Object.values(spec.volumes ?? {}))
    await place.client.send({
      method: 'POST',
      path: '/volumes/create',
      body: { Name: volume, Labels: { [LABEL.installation]: place.installation, [LABEL.kind]: 'cache' } },
    })
  const memory = spec.limits.memoryMb * 1024 * 1024
  const body = {
    Image: spec.image,
    // Empty and not left out: the image's entrypoint is not wanted, and is not to be in an image made of this box.
    Entrypoint: [],
    Cmd: spec.command,
    Labels: labels,
    Env: envList(spec.env),
    Healthcheck: { Test: ['NONE'] },
    ...(spec.user === undefined ? {} : { User: spec.user }),
    ...(spec.workdir === undefined ? {} : { WorkingDir: spec.workdir }),
    HostConfig: {
      Init: true,
      CapDrop: ['ALL'],
      SecurityOpt: ['no-new-privileges'],
      Memory: memory,
      MemorySwap: memory,
      NanoCpus: Math.round(spec.limits.cpus * 1e9),
      PidsLimit: spec.limits.processes,
      // On a machine that runs out of memory a build dies before an instance does.
      OomScoreAdj: 500,
      // The output is read live and kept by who asked for it; a flood must not fill the engine's disk.
      LogConfig: { Type: 'none' },
      NetworkMode: network,
      Tmpfs: Object.fromEntries(Object.entries(spec.tmpfs ?? {}).map(([path, mb]) => [path, `size=${mb}m,mode=1777,exec`])),
      Mounts: Object.entries(spec.volumes ?? {}).map(([path, volume]) => ({ Type: 'volume', Source: volume, Target: path })),
    },
  }
  await place.client.send({ method: 'POST', path: '/containers/create', query: { name: spec.name }, body })
}

async function removeBox(place: Place, name: string): Promise<void> {
  const present = await inspectOurs(place, name)
  if (present && present.Config.Labels[LABEL.kind] !== BOX) throw new RejectedError('runtime.not_ours', `${name} is not a box`)
  if (present) await removeContainer(place.client, present.Id)
}

async function removeVolume(place: Place, name: string): Promise<void> {
  const path = `/volumes/${encodeURIComponent(name)}`
  const { Labels } = await place.client.json(z.object({ Labels: z.record(z.string(), z.string()).nullish() }), { path })
  if (Labels?.[LABEL.installation] !== place.installation)
    throw new RejectedError('runtime.not_ours', `A volume named ${name} exists that Lockgate did not make`)
  await place.client.send({ method: 'DELETE', path })
}

async function runBox(place: Place, id: string, options: Parameters<Boxes['run']>[1]): Promise<BoxEnd> {
  const { client } = place
  const { signal } = options
  const closed = new AbortController()
  // Attached before the start, so that the first line is not lost.
  const stream = await client.stream({
    method: 'POST',
    path: `/containers/${id}/attach`,
    query: { stream: 'true', stdout: 'true', stderr: 'true' },
    signal: closed.signal,
  })
  const output = readOutput(stream, options.line)
  const kill = (): void => void client.send({ method: 'POST', path: `/containers/${id}/kill` }).catch(() => undefined)
  signal.addEventListener('abort', kill, { once: true })
  try {
    if (!signal.aborted) await client.send({ method: 'POST', path: `/containers/${id}/start` })
    if (signal.aborted) kill()
    await output
    return await endOf(place, id)
  } finally {
    signal.removeEventListener('abort', kill)
    closed.abort()
    await output.catch(() => undefined)
  }
}

async function readOutput(stream: Readable, line: (text: string) => void): Promise<void> {
  const cutters = { stdout: new LineCutter(line), stderr: new LineCutter(line) }
  try {
    for await (const frame of frames(stream)) cutters[frame.stream].push(frame.bytes)
  } finally {
    cutters.stdout.end()
    cutters.stderr.end()
  }
}

async function endOf(place: Place, id: string): Promise<BoxEnd> {
  await place.client.send({ method: 'POST', path: `/containers/${id}/wait` })
  const ended = await inspect(place.client, id)
  if (!ended) throw new UnavailableError('box.lost', 'The box was removed while it ran')
  const { State } = ended
  const startedAt = wallTime(State.StartedAt)
  const oomKilled =
    State.OOMKilled || (State.ExitCode !== 0 && startedAt !== null && (await wasOutOfMemory(place.client, id, { sinceMs: startedAt, waitMs: OOM_NEWS_MS })))
  return { status: State.ExitCode, oomKilled }
}

const Made = z.object({ Id: z.string() })

async function commitBox(place: Place, id: string, config: ImageConfig): Promise<string> {
  const { name, tag } = parseReference(config.tag)
  const body = {
    ...(config.command === undefined ? {} : { Cmd: config.command, Entrypoint: [] }),
    ...(config.workdir === undefined ? {} : { WorkingDir: config.workdir }),
    ...(config.user === undefined ? {} : { User: config.user }),
    Env: envList(config.env),
    Labels: imageLabels(place.installation, config),
  }
  const query = { container: id, repo: name, tag, pause: 'false' }
  const { Id } = await place.client.json(Made, { method: 'POST', path: '/commit', query, body, timeoutMs: TRANSFER_MS })
  return Id
}

async function importRootfs(place: Place, rootfs: Readable, config: ImageConfig): Promise<string> {
  const { name, tag } = parseReference(config.tag)
  const changes = [
    ...(config.command === undefined ? [] : [`CMD ${JSON.stringify(config.command)}`]),
    ...(config.workdir === undefined ? [] : [`WORKDIR ${config.workdir}`]),
    ...(config.user === undefined ? [] : [`USER ${config.user}`]),
    ...Object.entries(config.env ?? {}).map(([key, value]) => `ENV ${key}=${JSON.stringify(value)}`),
    ...Object.entries(imageLabels(place.installation, config)).map(([key, value]) => `LABEL ${key}=${JSON.stringify(value)}`),
  ]
  const call = { method: 'POST', path: '/images/create', query: { fromSrc: '-', repo: name, tag, changes }, tar: rootfs, timeoutMs: TRANSFER_MS } as const
  await followProgress(place.client, call, { answerMs: TRANSFER_MS, allMs: TRANSFER_MS })
  const image = await findImage(place.client, config.tag)
  if (!image) throw new RejectedError('runtime.refused', `The engine imported ${config.tag} but does not have it`)
  return image.Id
}

/**
 * A container inherits the labels of its image, and an image those of the box it was made of: they are emptied, so that a
 * container somebody starts by hand from an image of ours is never taken for one of ours.
 */
function imageLabels(installation: string, config: ImageConfig): Readonly<Record<string, string>> {
  return { [LABEL.installation]: '', [LABEL.kind]: '', [LABEL.owner]: '', [LABEL.image]: installation, ...config.labels }
}

async function pulls(place: Place, text: string, answerMs: number): Promise<boolean> {
  try {
    await pullImage(place.client, parseReference(text), answerMs)
    return true
  } catch (error) {
    if (error instanceof PlatformError && (error.code.startsWith('image.') || error.code === 'runtime.unreachable')) return false
    throw error
  }
}

async function pushImage(place: Place, text: string): Promise<void> {
  const { name, tag } = parseReference(text)
  try {
    await followProgress(
      place.client,
      { method: 'POST', path: `/images/${encodeURI(name)}/push`, query: { tag }, isAnonymous: true, timeoutMs: TRANSFER_MS },
      { answerMs: 60_000, allMs: TRANSFER_MS },
    )
  } catch (error) {
    if (error instanceof EngineRefusal) throw new RejectedError('image.push_failed', `${text} could not be pushed: ${error.message}`, { cause: error })
    throw error
  }
}

function envList(env: Readonly<Record<string, string>> | undefined): string[] {
  return Object.entries(env ?? {}).map(([name, value]) => `${name}=${value}`)
}
