import { Duplex, type Readable } from 'node:stream'
import type { Header } from 'tar-stream'
import { NotFoundError, RejectedError, UnavailableError } from '../../../lib/errors.ts'
import { ownedBy, tarStream } from '../../../lib/tar.ts'
import type { BoxEnd, Boxes, BoxSpec } from '../types.ts'
import { commitBox, describeImage, envList, imageLabels, importRootfs, loadImage, pulls, pushImage, TRANSFER_MS } from './box-images.ts'
import { translated } from './client.ts'
import { inspect, inspectOurs, type Place, removeContainer } from './containers.ts'
import { wasOutOfMemory } from './events.ts'
import { levelOfNames } from './image-level.ts'
import { findImage } from './images.ts'
import { LABEL, labelFilter } from './labels.ts'
import { frames, LineCutter } from './lines.ts'
import { nestedSecurity } from './nested.ts'
import { wallTime } from './observe.ts'
import { parseReference } from './reference.ts'
import { Listed } from './schema.ts'
import { freeBytes } from './storage.ts'

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
        await unpackInto(place, { id: await ours(box), folder, tar })
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
    describeImage: (reference) => translated('look at an image', () => describeImage(place, reference)),
    saveImage: (image) => translated(`save ${image}`, () => client.stream({ path: `/images/${encodeURI(image)}/get`, timeoutMs: TRANSFER_MS })),
    loadImage: (archive) => translated('load an image', () => loadImage(place, archive)),
    imageLabels: (labels) => imageLabels(installation, labels),
    remove: (box) => translated(`remove ${box}`, () => removeBox(place, box)),
    removeAll: (owner) =>
      translated(`remove the boxes of ${owner}`, async () => {
        const query = { all: 'true', ...labelFilter(installation, { [LABEL.kind]: BOX, [LABEL.owner]: owner }) }
        const listed = await client.json(Listed, { path: '/containers/json', query })
        await Promise.all(listed.map((container) => removeContainer(client, container.Id)))
        await place.volumes.sweep(owner)
      }),
    removeVolume: (name) => translated(`remove volume ${name}`, () => place.volumes.remove(name)),
    volumeUse: (name) => place.volumes.use(name),
    gaps: async () => ({ disk: await place.volumes.unbounded(), network: await place.filter.missing() }),
    pull: (reference, answerMs, isOurs = false) => pulls(place, reference, { answerMs, isOurs }),
    levelOf: (reference) => levelOfNames(place, [reference]),
    tag: (image, reference) => {
      const { name, tag } = parseReference(reference)
      return translated(`tag ${image}`, () => client.send({ method: 'POST', path: `/images/${encodeURI(image)}/tag`, query: { repo: name, tag } }))
    },
    push: (reference) => translated(`push ${reference}`, async () => void (await pushImage(place, reference))),
    freeBytes: () => freeBytes(place, place.volumes.directory === null ? [] : [place.volumes.directory]),
  }
}

async function createBox(place: Place, spec: BoxSpec): Promise<string[]> {
  await removeBox(place, spec.name)
  const network = await networkFor(place, spec)
  const body = await boxBody(place, spec, network)
  const user = spec.user ?? '0:0'
  const fresh = await place.volumes.with(Object.values(spec.volumes ?? {}), { owner: spec.owner, user }, () =>
    place.client.send({ method: 'POST', path: '/containers/create', query: { name: spec.name }, body }),
  )
  if ((await place.volumes.unbounded()) !== null) await giveVolumes(place, spec, Number.parseInt(user, 10))
  return fresh
}

/** A plain volume of the engine belongs to root, or to whom the image's folder belongs to: its root is given to the box's user. */
async function giveVolumes(place: Place, spec: BoxSpec, uid: number): Promise<void> {
  const paths = Object.entries(spec.volumes ?? {}).flatMap(([path, { readOnly }]) => (readOnly === true ? [] : [path]))
  if (paths.length === 0) return
  const tar = tarStream(async (pack) => {
    for (const path of paths) pack.entry({ name: path.slice(1), type: 'directory', mode: 0o755, ...ownedBy(uid) } as Header)
  })
  await unpackInto(place, { id: spec.name, folder: '/', tar })
}

async function unpackInto({ client }: Place, into: { readonly id: string; readonly folder: string; readonly tar: Readable }): Promise<void> {
  const { id, folder, tar } = into
  await client.send({ method: 'PUT', path: `/containers/${id}/archive`, query: { path: folder }, tar, timeoutMs: TRANSFER_MS })
}

/** The rules stand before the box can send anything. */
async function networkFor(place: Place, spec: BoxSpec): Promise<string> {
  if (spec.network === 'none') return 'none'
  const missing = await place.filter.stand()
  if (missing !== null && spec.network === 'filtered')
    throw new RejectedError('box.unfiltered', `A build must not reach private networks, and what forbids it cannot be put in force here: ${missing}`)
  return place.networks.ensureForBuilds()
}

async function boxBody(place: Place, spec: BoxSpec, network: string): Promise<Readonly<Record<string, unknown>>> {
  const memory = spec.limits.memoryMb * 1024 * 1024
  const hasInput = spec.readsInput === true
  const hasSize = (await place.volumes.unbounded()) === null
  return {
    Image: spec.image,
    // Empty and not left out: the image's entrypoint is not wanted, and is not to be in an image made of this box.
    Entrypoint: [],
    Cmd: spec.command,
    Labels: { [LABEL.installation]: place.installation, [LABEL.kind]: BOX, [LABEL.owner]: spec.owner },
    Env: envList(spec.env),
    Healthcheck: { Test: ['NONE'] },
    ...(hasInput ? { OpenStdin: true, StdinOnce: true, AttachStdin: true } : {}),
    ...(spec.user === undefined ? {} : { User: spec.user }),
    ...(spec.workdir === undefined ? {} : { WorkingDir: spec.workdir }),
    HostConfig: {
      Init: true,
      ...(spec.nested === true ? await nestedSecurity(place.client) : { CapDrop: ['ALL'], SecurityOpt: ['no-new-privileges'] }),
      Memory: memory,
      MemorySwap: memory,
      NanoCpus: Math.round(spec.limits.cpus * 1e9),
      // Where all want the processor, what serves gets it: an instance's weight is 1024.
      CpuShares: 64,
      PidsLimit: spec.limits.processes,
      // On a machine that runs out of memory a build dies before an instance does.
      OomScoreAdj: 500,
      // The output is read live and kept by who asked for it; a flood must not fill the engine's disk.
      LogConfig: { Type: 'none' },
      NetworkMode: network,
      Tmpfs: Object.fromEntries(Object.entries(spec.tmpfs ?? {}).map(([path, mb]) => [path, `size=${mb}m,mode=1777,exec`])),
      Mounts: Object.entries(spec.volumes ?? {}).map(([path, volume]) => ({
        Type: 'volume',
        Source: volume.name,
        Target: path,
        ReadOnly: volume.readOnly === true,
        // Else the engine gives an empty one the owner and the files of the image's folder.
        VolumeOptions: { NoCopy: hasSize },
      })),
    },
  }
}

async function removeBox(place: Place, name: string): Promise<void> {
  const present = await inspectOurs(place, name)
  if (present && present.Config.Labels[LABEL.kind] !== BOX) throw new RejectedError('runtime.not_ours', `${name} is not a box`)
  if (present) await removeContainer(place.client, present.Id)
}

async function runBox(place: Place, id: string, options: Parameters<Boxes['run']>[1]): Promise<BoxEnd> {
  const { client } = place
  const { signal } = options
  const closed = new AbortController()
  // Attached before the start, so that the first line is not lost.
  const stream = await client.stream({
    method: 'POST',
    path: `/containers/${id}/attach`,
    query: { stream: 'true', stdout: 'true', stderr: 'true', ...(options.input === undefined ? {} : { stdin: 'true' }) },
    signal: closed.signal,
    isTwoWay: options.input !== undefined,
  })
  if (options.input !== undefined && stream instanceof Duplex) stream.write(options.input)
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
    State.OOMKilled ||
    (State.ExitCode !== 0 &&
      startedAt !== null &&
      (await wasOutOfMemory(place.client, id, { sinceMs: startedAt, untilMs: Math.max(startedAt, wallTime(State.FinishedAt) ?? 0) + OOM_NEWS_MS })))
  return { status: State.ExitCode, oomKilled }
}
