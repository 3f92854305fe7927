import { createReadStream } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, extname, join, relative } from 'node:path'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import type { Pack } from 'tar-stream'
import { z } from 'zod'
import { messageOf, RejectedError, UnavailableError } from '../../../lib/errors.ts'
import { run } from '../../../lib/run.ts'
import { addEntry, tarStream } from '../../../lib/tar.ts'

const require = createRequire(import.meta.url)
const FETCH_MS = 5 * 60_000
const Packed = z.array(z.object({ filename: z.string() })).min(1)
const NPM_FOLDER = 'usr/local/lib/node_modules/npm'

/** Where the program of `lockgate/static` stands in its image. */
export const STATIC_SERVER = `/usr/local/lib/lockgate/static-server${extname(import.meta.url)}`

/** The text of that program: the file beside this one, as it is here (Node strips its types in the image too). */
export function staticServerSource(): Promise<string> {
  return readFile(fileURLToPath(new URL(`./static-server${extname(import.meta.url)}`, import.meta.url)), 'utf8')
}

/** The version of npm we were installed with: the one that goes into the base of Node. */
export async function npmVersion(): Promise<string> {
  const { version } = JSON.parse(await readFile(require.resolve('npm/package.json'), 'utf8')) as { version: string }
  return version
}

/** npm before this cannot be run by every Node we have: it comes with those up to 22. */
const OLDER_NPM = '10.9.9'

export interface NodeWanted {
  readonly version: string
  readonly hasHeaders: boolean
  /** Where the npm registry is, if not where this host says. */
  readonly env: Readonly<Record<string, string>>
}

/**
 * A tar of a Node without symbols, its headers and npm, for `/usr/local`: the Node that runs us from here, any other from
 * the npm registry, which says what its bytes must be. Throws RejectedError `bases.no_such_version`.
 */
export async function withNodeFiles<T>(node: NodeWanted, use: (tar: Readable) => Promise<T>): Promise<T> {
  const { version, hasHeaders } = node
  const env = Object.fromEntries(Object.entries(node.env).filter(([name]) => /^npm_config_.*registry$/i.test(name)))
  const folder = await mkdtemp(join(tmpdir(), 'lockgate-node-'))
  try {
    const isOurs = `v${version}` === process.version
    const home = isOurs ? dirname(dirname(process.execPath)) : await packed(`node-linux-${process.arch}@${version}`, join(folder, 'node-package'), env)
    const npm =
      Number(version.split('.')[0]) > 22 ? dirname(require.resolve('npm/package.json')) : await packed(`npm@${OLDER_NPM}`, join(folder, 'npm-package'), env)
    const binary = await stripped(join(home, 'bin', 'node'), join(folder, 'node'))
    return await use(tarStream((tar) => fill(tar, { binary, headers: hasHeaders ? join(home, 'include', 'node') : null, npm })))
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** The unpacked files of a package of the npm registry; npm refuses bytes that are not what the registry has published. */
async function packed(name: string, folder: string, env: Readonly<Record<string, string>>): Promise<string> {
  await mkdir(folder)
  const cli = join(dirname(require.resolve('npm/package.json')), 'bin', 'npm-cli.js')
  try {
    const { stdout } = await run(process.execPath, [cli, 'pack', '--json', `--pack-destination=${folder}`, '--', name], {
      env: { ...passedOn(), ...env, npm_config_cache: join(folder, 'cache') },
      timeoutMs: FETCH_MS,
    })
    const [described] = Packed.parse(JSON.parse(stdout))
    await run('tar', ['-xzf', join(folder, described?.filename ?? ''), '-C', folder])
  } catch (error) {
    if (/E404|ETARGET|notarget/i.test(messageOf(error))) throw new RejectedError('bases.no_such_version', `The npm registry has no ${name}`, { cause: error })
    throw new UnavailableError('bases.failed', `${name} could not be fetched from the npm registry: ${messageOf(error)}`, { cause: error })
  }
  return join(folder, 'package')
}

/** npm asks the registry that this host is set up with, and trusts the authorities that the host trusts. */
function passedOn(): Record<string, string> {
  const names = Object.keys(process.env).filter((name) => /^(HOME|NODE_EXTRA_CA_CERTS|SSL_CERT_FILE|(https?|no)_proxy|npm_config_.*registry)$/i.test(name))
  return { NODE_USE_SYSTEM_CA: '1', ...Object.fromEntries(names.map((name) => [name, process.env[name] ?? ''])) }
}

async function fill(tar: Pack, from: { readonly binary: string; readonly headers: string | null; readonly npm: string }): Promise<void> {
  await addFile(tar, from.binary, 'usr/local/bin/node')
  for (const path of await filesBelow(from.npm)) await addFile(tar, path, `${NPM_FOLDER}/${relative(from.npm, path)}`)
  const { headers } = from
  if (headers !== null) for (const path of await filesBelow(headers)) await addFile(tar, path, `usr/local/include/node/${relative(headers, path)}`)
  for (const name of ['npm', 'npx']) tar.entry({ name: `usr/local/bin/${name}`, type: 'symlink', linkname: `../lib/node_modules/npm/bin/${name}-cli.js` })
}

async function addFile(tar: Pack, path: string, name: string): Promise<void> {
  const { size, mode } = await stat(path)
  await addEntry(tar, { name, size, mode: mode & 0o111 ? 0o755 : 0o644 }, createReadStream(path))
}

async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
  return paths.filter((path) => !/^(docs|man)\//.test(relative(folder, path))).toSorted()
}

/** 15 MB of symbols less; without binutils on the host the binary is taken as it is. */
async function stripped(binary: string, target: string): Promise<string> {
  try {
    await run('strip', ['-s', '-o', target, '--', binary])
    return target
  } catch {
    return binary
  }
}
