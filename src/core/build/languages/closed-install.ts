import { z } from 'zod'
import type { Checkout } from '../build-plan.ts'

// An install is kept from one build to the next only where its result follows from the files in its key alone. Each
// function answers yes only for forms that it knows: everything else runs again in every build.

/** Packages whose install script writes in their own folder only, at the registry's address of that package. */
const CONFINED: readonly string[] = ['esbuild', 'core-js', 'core-js-pure', '@swc/core', 'unrs-resolver', '@parcel/watcher']
/** Settings of an .npmrc that name no file and no program, and move nothing out of node_modules. */
const NPM_SETTING =
  /^(registry|@[\w.-]+:registry|\/\/\S+:(_auth|_authToken|_password|username|email|always-auth)|always-auth|legacy-peer-deps|strict-peer-deps|save-\w+|engine-strict|fund|audit|progress|loglevel|update-notifier|package-lock|omit|include|ignore-scripts)\s*=/

const NpmLock = z.object({
  lockfileVersion: z.number().min(2),
  packages: z.record(
    z.string(),
    z.object({
      name: z.string().optional(),
      resolved: z.string().optional(),
      integrity: z.string().optional(),
      link: z.boolean().optional(),
      inBundle: z.boolean().optional(),
      hasInstallScript: z.boolean().optional(),
      os: z.array(z.string()).optional(),
    }),
  ),
})
type NpmPackage = z.infer<typeof NpmLock>['packages'][string]

/**
 * What `npm ci` makes follows from package.json, the lock file and .npmrc: no script of a package, no folder and no archive of
 * the app takes part. Other package managers do not record in their lock files which packages have scripts.
 */
export function isNpmInstallClosed({ files, texts }: Checkout, lock: string): boolean {
  // A binding.gyp is an install script without a line in package.json.
  if (files.includes('binding.gyp')) return false
  const settings = files.includes('.npmrc') ? (texts['.npmrc'] ?? null) : ''
  if (settings === null || !linesOf(settings, /^[#;]/).every((line) => NPM_SETTING.test(line))) return false
  const parsed = NpmLock.safeParse(jsonOf(texts[lock] ?? ''))
  if (!parsed.success) return false
  const { '': root, ...packages } = parsed.data.packages
  return root?.hasInstallScript !== true && Object.entries(packages).every(([path, one]) => isFromRegistry(path, one))
}

function isFromRegistry(path: string, one: NpmPackage): boolean {
  if (!path.startsWith('node_modules/') || one.link === true) return false
  if (one.hasInstallScript === true && (one.os === undefined || one.os.includes('linux')) && !isConfined(one)) return false
  if (one.inBundle === true) return true
  return one.resolved === undefined ? one.integrity !== undefined : /^https?:/.test(one.resolved)
}

function isConfined({ resolved = '' }: NpmPackage): boolean {
  return CONFINED.some((name) => resolved.includes(`/${name}/-/`))
}

/**
 * The lock file of any manager of Node names an archive or a folder of the app that is copied, not linked: managers find
 * what they kept of it by its name or by the old hash of the lock, whatever the file holds today.
 */
export function copiesLocalFiles(lock: string): boolean {
  return /@(file:|\.{1,2}\/|\/)|(resolved|version)"?:?\s?"?file:|tarball: ['"]?(file:|\.)/.test(lock)
}

const UV_SETTINGS = [
  'package',
  'managed',
  'default-groups',
  'dev-dependencies',
  'required-version',
  'environments',
  'resolution',
  'prerelease',
  'exclude-newer',
]
const UV_SOURCE = z.strictObject({
  git: z
    .string()
    .regex(/^(https|ssh):/)
    .optional(),
  url: z
    .string()
    .regex(/^https?:/)
    .optional(),
  index: z.string().optional(),
  rev: z.string().optional(),
  tag: z.string().optional(),
  branch: z.string().optional(),
  subdirectory: z.string().optional(),
  marker: z.string().optional(),
  extra: z.string().optional(),
  group: z.string().optional(),
})
const UvProject = z.object({
  tool: z
    .object({
      uv: z
        .looseObject({ sources: z.record(z.string(), z.union([UV_SOURCE, z.array(UV_SOURCE)])).optional(), package: z.literal(false).optional() })
        .optional(),
    })
    .optional(),
})
const REMOTE = z.string().regex(/^(https?|git\+https|git\+ssh|ssh):/)
const UvLock = z.object({
  package: z
    .array(
      z.object({
        name: z.string(),
        source: z.union([
          z.strictObject({ registry: REMOTE }),
          z.strictObject({ git: REMOTE }),
          z.strictObject({ url: REMOTE, subdirectory: z.string().optional() }),
          z.strictObject({ virtual: z.literal('.') }),
        ]),
      }),
    )
    .default([]),
})

/** What `uv sync` makes follows from pyproject.toml and uv.lock: the project is no package, and none comes from a folder or file of the app. */
export function isUvInstallClosed({ files }: Checkout, given: { readonly project: unknown; readonly lock: unknown }): boolean {
  const project = UvProject.safeParse(given.project)
  if (files.includes('uv.toml') || !project.success) return false
  const settings = Object.keys(project.data.tool?.uv ?? {}).filter((key) => key !== 'sources')
  return settings.every((key) => UV_SETTINGS.includes(key)) && UvLock.safeParse(given.lock).success
}

const AnyUvLock = z.object({
  package: z.array(z.object({ name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/), source: z.record(z.string(), z.unknown()).optional() })).default([]),
})

/** Packages of a uv.lock that come from a folder or a file of the app: uv's own cache knows them by their times only. */
export function localUvPackages(lock: unknown): string[] {
  const packages = AnyUvLock.safeParse(lock).data?.package ?? []
  return packages.filter(({ source }) => source !== undefined && !UvLock.safeParse({ package: [{ name: 'x', source }] }).success).map(({ name }) => name)
}

const PoetryLock = z.object({
  package: z.array(z.object({ name: z.string(), source: z.object({ type: z.enum(['git', 'url', 'legacy']), url: REMOTE }).optional() })).default([]),
})

/** What `poetry install --no-root` makes follows from pyproject.toml and poetry.lock. */
export function isPoetryInstallClosed({ files }: Checkout, lock: unknown): boolean {
  return !files.includes('poetry.toml') && PoetryLock.safeParse(lock).success
}

/** A package at an exact version, or at an address elsewhere. */
const PIP_PACKAGE = /^[A-Za-z0-9][A-Za-z0-9._-]*(\[[\w.,\s-]*\])?\s*(===?\s*[\w.!+-]+|@\s*(https?|git\+https|git\+ssh):\S+)\s*(;[^#]*)?(\s--hash=\S+)*$/
const PIP_OPTION =
  /^(-i|--index-url|--extra-index-url)[ =]\s*https?:\S+$|^--(no-binary|only-binary|trusted-host)[ =]\s*\S+$|^--(pre|prefer-binary|require-hashes|no-index)$/

/** What `pip install -r` makes follows from the lines of the file: each names one version, and none a folder or file of the app. */
export function isPipInstallClosed(lines: readonly string[]): boolean {
  return lines.every((line) => PIP_PACKAGE.test(line) || PIP_OPTION.test(line))
}

/** Lines that may name a folder or an archive of the app, of which pip could keep what it made. */
export function mayNameLocalFiles(lines: readonly string[]): boolean {
  return lines.some(
    (line) => !PIP_OPTION.test(line) && !/^[A-Za-z0-9][A-Za-z0-9._-]*\s*(\[[\w.,\s-]*\])?\s*([=<>!~;(].*|@\s*(https?|git\+https|git\+ssh):\S+.*)?$/.test(line),
  )
}

/** Whether a checkout holds anything that pip could install from a folder or an archive. */
export function hasLocalPackage(files: readonly string[]): boolean {
  return files.some((file) => /(^|\/)(pyproject\.toml|setup\.(py|cfg))$|\.(whl|zip|tar(\.\w+)?|tgz)$/.test(file))
}

function linesOf(text: string, comment: RegExp): string[] {
  return text
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '' && !comment.test(line))
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
