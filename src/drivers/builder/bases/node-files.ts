import { createReadStream } from 'node:fs'
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, extname, join, relative } from 'node:path'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import type { Pack } from 'tar-stream'
import { run } from '../../../lib/run.ts'
import { addEntry, tarStream } from '../../../lib/tar.ts'

const require = createRequire(import.meta.url)
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

/** A tar of Node (the one that runs us, without symbols) and npm, for `/usr/local`. */
export async function withNodeFiles<T>(use: (tar: Readable) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'lockgate-node-'))
  try {
    const binary = await stripped(process.execPath, join(folder, 'node'))
    return await use(tarStream((tar) => fill(tar, binary)))
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function fill(tar: Pack, binary: string): Promise<void> {
  await addFile(tar, binary, 'usr/local/bin/node')
  const npm = dirname(require.resolve('npm/package.json'))
  for (const path of await filesBelow(npm)) await addFile(tar, path, `${NPM_FOLDER}/${relative(npm, path)}`)
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
