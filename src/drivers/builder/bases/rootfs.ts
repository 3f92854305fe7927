import { createReadStream } from 'node:fs'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { extract, type Header, type Pack } from 'tar-stream'
import { codeOf, hasCode, messageOf, RejectedError, UnavailableError } from '../../../lib/errors.ts'
import { readIfThere } from '../../../lib/files.ts'
import { run } from '../../../lib/run.ts'
import { addEntry, type Bytes, ownedBy, tarStream } from '../../../lib/tar.ts'
import { distributionSources, downloadOptions, mirrored, suiteSources } from './apt-sources.ts'
import { addBaseFile, userFiles } from './base-file.ts'
import { fileCapability } from './file-capability.ts'
import { APP_USER, APPLETS, LEFT_OUT, type Packages } from './recipe.ts'

const MAKE_MS = 10 * 60_000
const PASSED_ON = ['http_proxy', 'https_proxy', 'no_proxy', 'HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY', 'SSL_CERT_FILE', 'TMPDIR']

/** `bookworm`: the suite of this host, from os-release(5). */
export async function suiteOfHost(): Promise<string> {
  const text = (await readIfThere('/etc/os-release')) ?? ''
  const suite = /^VERSION_CODENAME=["']?([a-z]+)/m.exec(text)?.[1]
  if (!suite)
    throw new RejectedError(
      'bases.no_suite',
      'Base images can only be made on Debian or Ubuntu: set a registry that has them (bases registry in the builder settings)',
    )
  return suite
}

/**
 * Makes a root file system of Debian packages from the mirrors of the host's own apt sources, and gives it as a tar to `use`. Throws
 * RejectedError `bases.mmdebstrap_missing`, UnavailableError `bases.failed`.
 */
export async function withRootfs<T>(wanted: Packages & { readonly mirror: string | null }, use: (tar: Readable) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'lockgate-base-'))
  try {
    const file = join(folder, 'rootfs.tar')
    await debootstrap(wanted, file)
    return await use(tarStream((tar) => refine(createReadStream(file), tar, wanted)))
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function debootstrap({ packages, suite, mirror }: Packages & { readonly mirror: string | null }, file: string): Promise<void> {
  const host = await suiteOfHost()
  const known = suiteSources(distributionSources(await aptFiles(), host), host, suite)
  const sources = mirror === null ? known : mirrored(known, mirror)
  if (sources.length === 0) throw new RejectedError('bases.no_sources', `No apt source of this host has the suite ${host} with the component main`)
  const dump = await run('apt-config', ['dump']).catch(() => ({ stdout: '' }))
  const env = Object.fromEntries(PASSED_ON.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])))
  const options = downloadOptions(dump.stdout).map((line) => `--aptopt=${line}`)
  try {
    await run('mmdebstrap', ['--variant=extract', `--include=${packages.join(',')}`, ...options, suite, file, ...sources], {
      env: { ...env, LC_ALL: 'C.UTF-8' },
      timeoutMs: MAKE_MS,
    })
  } catch (error) {
    if (error instanceof Error && hasCode(error.cause, 'ENOENT'))
      throw new RejectedError(
        'bases.mmdebstrap_missing',
        'Base images are made with mmdebstrap, which is not installed: run "apt install mmdebstrap", or set a registry that has the images',
        { cause: error },
      )
    throw new UnavailableError('bases.failed', `A base image could not be made from the host's apt sources (${codeOf(error)}): ${messageOf(error)}`, {
      cause: error,
    })
  }
}

async function aptFiles(): Promise<Readonly<Record<string, string>>> {
  const folder = '/etc/apt/sources.list.d'
  const names = await readdir(folder).catch(() => [])
  const paths = ['/etc/apt/sources.list', ...names.filter((name) => /\.(list|sources)$/.test(name)).map((name) => join(folder, name))]
  const files: Record<string, string> = {}
  for (const path of paths) files[path] = await readFile(path, 'utf8').catch(() => '')
  return files
}

/**
 * Turns extracted packages, whose install scripts nobody ran, into a system: links for busybox, users, one file of
 * certificates; without devices, setuid bits and what no program reads.
 */
async function refine(source: Readable, target: Pack, wanted: Packages): Promise<void> {
  const names = new Set<string>()
  const certificates: string[] = []
  const entries = extract()
  const fed = pipeline(source, entries)
  for await (const entry of entries) {
    const header = entry.header
    const name = header.name.replace(/^\.?\/+/, '').replace(/\/$/, '')
    const kept =
      name !== '' &&
      !LEFT_OUT.test(name) &&
      !wanted.without?.some((folder) => name.startsWith(folder)) &&
      ['file', 'directory', 'symlink', 'link'].includes(header.type ?? '')
    if (!kept) {
      entry.resume()
      continue
    }
    names.add(name)
    const refined: Header = { ...header, name, mode: (header.mode ?? 0o644) & 0o1777, ...ownedBy(0) }
    if (header.type === 'link') refined.linkname = (header.linkname ?? '').replace(/^\.?\/+/, '')
    if (header.type !== 'file') {
      target.entry(refined)
      entry.resume()
    } else if (name.startsWith('usr/share/ca-certificates/') && name.endsWith('.crt')) {
      const text = await textOf(entry)
      certificates.push(text.trim())
      target.entry(refined, text)
    } else {
      const right = wanted.capabilities?.[name]
      if (right) target.push(fileCapability(right))
      await addEntry(target, { ...refined, size: header.size ?? 0 }, entry)
    }
  }
  await fed
  addSystem(target, names, certificates)
  for (const file of wanted.files) if (!names.has(file.name)) addBaseFile(target, file)
}

function addSystem(target: Pack, names: ReadonlySet<string>, certificates: readonly string[]): void {
  const folder = (name: string, mode: number, uid = 0): void => {
    if (!names.has(name)) target.entry({ name, type: 'directory', mode, ...ownedBy(uid) })
  }
  // The engine refuses a path that comes twice.
  const file = (name: string, text: string, mode = 0o644): void => {
    if (!names.has(name)) target.entry({ name, mode }, text)
  }
  for (const name of ['root', 'run', 'proc', 'sys', 'usr/local/bin', 'usr/local/lib']) folder(name, 0o755)
  for (const name of ['tmp', 'var/tmp']) folder(name, 0o1777)
  for (const name of ['app', 'cache']) folder(name, 0o755, APP_USER)
  for (const { name, text = '' } of userFiles(APP_USER)) file(name, text)
  file('etc/nsswitch.conf', 'passwd: files\ngroup: files\nhosts: files dns\n')
  file('etc/ssl/certs/ca-certificates.crt', `${certificates.join('\n')}\n`)
  const busybox = names.has('bin/busybox') ? 'bin/busybox' : 'usr/bin/busybox'
  const home = busybox.slice(0, busybox.lastIndexOf('/'))
  for (const applet of APPLETS)
    if (!['bin', 'usr/bin'].some((path) => names.has(`${path}/${applet}`)))
      target.entry({ name: `${home}/${applet}`, type: 'symlink', linkname: `/${busybox}` })
  // Where the first line of scripts looks for it.
  if (home === 'bin' && !names.has('usr/bin/env')) target.entry({ name: 'usr/bin/env', type: 'symlink', linkname: `/${busybox}` })
}

async function textOf(stream: Bytes): Promise<string> {
  const chunks: Uint8Array[] = []
  for await (const chunk of stream) chunks.push(chunk as Uint8Array)
  return Buffer.concat(chunks).toString('utf8')
}
