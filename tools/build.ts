// sources -> dist/: compiled, with migrations, and the CLI as a tarball for other machines. Does nothing when nothing changed.
import { createHash } from 'node:crypto'
import { cp, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { run } from '../src/lib/run.ts'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const DIST = join(ROOT, 'dist')

async function fingerprint(): Promise<string> {
  const hash = createHash('sha256')
  const files = (await readdir(join(ROOT, 'src'), { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
  for (const file of [...files.sort(), join(ROOT, 'package-lock.json'), join(ROOT, 'tsconfig.build.json'), join(ROOT, 'tools/build.ts')]) {
    hash
      .update(file.slice(ROOT.length))
      .update('\0')
      .update(await readFile(file))
      .update('\0')
  }
  return hash.digest('hex').slice(0, 8)
}

/** What the CLI needs of the build, and of other people's packages. */
const CLI_PARTS = ['cli', 'api/contract', 'core', 'lib', 'version.js', 'build-id'] as const
const CLI_PACKAGES = ['commander', 'zod'] as const

async function packCli(dist: string): Promise<void> {
  const stage = join(dist, 'cli-stage')
  const folder = join(stage, 'lockgate-cli')
  await mkdir(join(folder, 'bin'), { recursive: true })
  for (const part of CLI_PARTS) await cp(join(dist, part), join(folder, 'dist', part), { recursive: true })
  for (const name of CLI_PACKAGES) await cp(join(ROOT, 'node_modules', name), join(folder, 'node_modules', name), { recursive: true })
  await cp(join(ROOT, 'bin/lockgate'), join(folder, 'bin/lockgate'))
  await cp(join(ROOT, 'package.json'), join(folder, 'package.json'))
  await run('tar', ['--sort=name', '--owner=0', '--group=0', '-czf', join(dist, 'cli.tgz'), '-C', stage, 'lockgate-cli'], { timeoutMs: 300_000 })
  await rm(stage, { recursive: true })
}

const mark = await fingerprint()
const present = await readFile(join(DIST, 'build-id'), 'utf8').catch(() => '')
if (present.trim() !== mark) {
  process.stderr.write('· building\n')
  const fresh = join(ROOT, 'dist.new')
  await rm(fresh, { recursive: true, force: true })
  const tsc = await run(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.build.json', '--outDir', fresh], {
    cwd: ROOT,
    anyStatus: true,
    // Seconds on a server. Types are not looked at here: bin/check does that.
    timeoutMs: 900_000,
  })
  if (tsc.status !== 0) {
    process.stderr.write(tsc.stdout + tsc.stderr)
    process.exit(1)
  }
  await cp(join(ROOT, 'src/store/migrations'), join(fresh, 'store/migrations'), { recursive: true })
  await writeFile(join(fresh, 'build-id'), `${mark}\n`)
  await packCli(fresh)
  // The running server keeps what it has loaded; what it loads later must not be half of one build and half of another.
  await rm(join(ROOT, 'dist.old'), { recursive: true, force: true })
  await rename(DIST, join(ROOT, 'dist.old')).catch(() => undefined)
  await rename(fresh, DIST)
  await rm(join(ROOT, 'dist.old'), { recursive: true, force: true })
}
