import type { BaseChoice, BaseName } from '../../../core/build/build-plan.ts'
import { sha256 } from '../../../lib/hash.ts'
import type { BaseFile } from './base-file.ts'
import { IMAGE_BUILD_PACKAGES, imageBuildFiles, imageBuildSuite } from './image-build-files.ts'
import { APACHE_FILES, PHP_BUILD_FILES, PHP_ENV, PHP_PACKAGES, SERVER_PACKAGES } from './php-files.ts'

/**
 * `app` of base images, and who builds Dockerfiles; what a project builds otherwise runs as the project's own user (`userOf`). Nobody on any
 * host has this number: a process that gets out of its container owns nothing.
 */
export const APP_USER = 700_000

const PACKAGES: readonly string[] = ['libc-bin', 'busybox-static', 'ca-certificates', 'make', 'tzdata', 'libstdc++6', 'libatomic1', 'base-files', 'netbase']
// Some packages come from git, and Makefiles are written for the GNU tools; busybox's shell would run its own instead.
const TOOLS: readonly string[] = ['git', 'dash', 'bash', 'coreutils', 'findutils', 'grep', 'gzip', 'sed', 'tar', 'unzip']
// 280 MB that only packages without a prebuilt part need; python3 is what node-gyp is written in.
const COMPILERS: readonly string[] = ['gcc', 'g++', 'python3', 'pkg-config']
const PYTHON_COMPILERS: readonly string[] = ['gcc', 'g++', 'python3-dev', 'pkg-config', 'libpq-dev', 'libffi-dev']

/** Programs of busybox that become links; what a Debian package brings itself wins. */
export const APPLETS: readonly string[] = (
  'ash awk base64 basename bc bunzip2 bzip2 cat chgrp chmod chown clear cmp cp cpio cut date dc dd df diff dirname du echo egrep env expand expr ' +
  'factor false fgrep find fold free getopt grep groups gunzip gzip head hexdump hostname httpd id ip kill killall less link ln ls lzcat md5sum ' +
  'mkdir mkfifo mktemp more mv nc nl nproc nslookup od paste patch pidof ping printf ps pwd readlink realpath renice ' +
  'reset rev rm rmdir sed seq sh sha1sum sha256sum sha512sum shred shuf sleep sort stat strings stty sync tac tail tar tee telnet test time ' +
  'timeout top touch tr true truncate tty uname unexpand uniq unlink unxz unzip uptime usleep uudecode uuencode vi watch wc wget which who whoami ' +
  'xargs xxd xz xzcat yes zcat'
).split(' ')

/** Folders of packages that no program of an app reads. */
export const LEFT_OUT =
  /^(dev\/.|boot\/.|usr\/share\/(doc|man|locale|info|lintian|bash-completion|gdb|initramfs-tools|pixmaps|gitweb)\/.|usr\/share\/zoneinfo\/(right|posix)\/|var\/(cache|lib\/(apt|dpkg))\/.|etc\/apt\/.|etc\/(hosts|hostname|resolv\.conf|fstab)$)/

/** Grows with every change of how a root file system is put together that the other parts of the recipe do not show. */
const EDITION = 6

/** Which Debian has a version of a language. */
const PYTHON_SUITES: Readonly<Record<string, string>> = { '3.11': 'bookworm', '3.13': 'trixie' }
const PHP_SUITES: Readonly<Record<string, string>> = { '8.2': 'bookworm', '8.4': 'trixie' }
const GO_SUITE = 'trixie'

const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
const SYSTEM_ENV = { LANG: 'C.UTF-8', PATH }
// npm would write below a home that may not be writable, and ask the internet whether it is the newest.
const NODE_ENV = { npm_config_cache: '/tmp/.npm', npm_config_update_notifier: 'false', npm_config_fund: 'false', npm_config_audit: 'false' }

/** Debian packages of a suite, and what goes in beside them. */
export interface Packages {
  readonly suite: string
  readonly packages: readonly string[]
  /** Where no package has it. */
  readonly files: readonly BaseFile[]
  /** Folders of the packages that are left out. */
  readonly without?: readonly string[]
  /** Programs of the packages that get a right from their file; no other has one. */
  readonly capabilities?: Readonly<Record<string, 'setuid' | 'setgid'>>
}

/** How a base is made: of Debian packages or on another base, then what is added. */
export interface Recipe {
  readonly from: Packages | BaseChoice
  /** This Node with npm; with its headers, which are 60 MB, where something is compiled against them. */
  readonly node?: { readonly version: string; readonly hasHeaders: boolean }
  readonly staticServer?: boolean
  /** A program of the base that is run once, as root; `isOnline` when it fetches something. */
  readonly run?: { readonly command: readonly string[]; readonly env: Readonly<Record<string, string>>; readonly isOnline: boolean }
  readonly env: Readonly<Record<string, string>>
}

export interface RecipeFacts {
  readonly suite: string
  readonly arch: string
  /** What runs us. */
  readonly node: string
  readonly npm: string
  readonly staticServer: string
}

/** How a base is made in a version; null is the one that Lockgate or Debian has itself. */
export function recipeOf({ base, version }: BaseChoice, facts: RecipeFacts): Recipe {
  const node = { version: version ?? facts.node, hasHeaders: base === 'node-native' }
  const python = version ?? '3.13'
  const php = version ?? '8.4'
  const recipes: Readonly<Record<BaseName, () => Recipe>> = {
    base: () => system(facts.suite, []),
    build: () => system(facts.suite, TOOLS),
    native: () => system(facts.suite, [...TOOLS, ...COMPILERS], CC_FILES),
    node: () => ({ from: { base: 'base', version: null }, node, env: NODE_ENV }),
    'node-build': () => ({ from: { base: 'build', version: null }, node, env: NODE_ENV }),
    'node-native': () => ({ from: { base: 'native', version: null }, node, env: { ...NODE_ENV, npm_config_nodedir: '/usr/local' } }),
    static: () => ({ from: { base: 'node', version: null }, staticServer: true, env: {} }),
    python: () => pythonOf(python, []),
    'python-build': () => pythonOf(python, [...TOOLS, 'python3-venv']),
    'python-native': () => pythonOf(python, [...TOOLS, 'python3-venv', ...PYTHON_COMPILERS]),
    'go-build': () => goOf(version, facts.arch),
    php: () => ({ ...system(suiteIn(PHP_SUITES, php), [...PHP_PACKAGES, ...SERVER_PACKAGES], APACHE_FILES(php)), env: { ...SYSTEM_ENV, ...PHP_ENV } }),
    'php-build': () => ({
      ...system(suiteIn(PHP_SUITES, php), [...TOOLS, ...PHP_PACKAGES, 'composer'], PHP_BUILD_FILES(php)),
      env: { ...SYSTEM_ENV, ...PHP_ENV },
    }),
    'image-build': () => imageBuild(facts.suite),
  }
  return recipes[base]()
}

const CC_FILES: readonly BaseFile[] = [
  { name: 'usr/bin/cc', link: 'gcc' },
  { name: 'usr/bin/c++', link: 'g++' },
]

function system(suite: string, packages: readonly string[], files: readonly BaseFile[] = []): Recipe & { readonly from: Packages } {
  return { from: { suite, packages: [...PACKAGES, ...packages], files }, env: SYSTEM_ENV }
}

function imageBuild(host: string): Recipe {
  const { from, env } = system(imageBuildSuite(host), IMAGE_BUILD_PACKAGES, imageBuildFiles(APP_USER))
  return { from: { ...from, without: ['usr/libexec/buildah/'], capabilities: { 'usr/bin/newuidmap': 'setuid', 'usr/bin/newgidmap': 'setgid' } }, env }
}

function pythonOf(version: string, packages: readonly string[]): Recipe {
  return {
    ...system(suiteIn(PYTHON_SUITES, version), ['python3', 'libpq5', ...packages], [{ name: 'usr/bin/python', link: 'python3' }, ...CC_FILES]),
    // No install script compiled the library, and nobody of an app may write beside it: each start would compile it again.
    run: { command: ['python3', '-m', 'compileall', '-q', `/usr/lib/python${version}`, '-x', '/(test|idlelib|lib2to3)/'], env: {}, isOnline: false },
  }
}

function goOf(version: string | null, arch: string): Recipe {
  const env = { ...SYSTEM_ENV, GOTOOLCHAIN: 'local' }
  if (version === null) return { ...system(GO_SUITE, [...TOOLS, 'golang-go']), env }
  const home = '/usr/local/go-toolchain'
  const bin = `${home}/pkg/mod/golang.org/toolchain@v0.0.1-go${version}.linux-${arch === 'x64' ? 'amd64' : arch}/bin`
  return {
    from: { base: 'go-build', version: null },
    run: { command: ['go', 'version'], env: { GOTOOLCHAIN: `go${version}`, GOPATH: home, GOFLAGS: '-modcacherw', HOME: '/tmp' }, isOnline: true },
    env: { ...env, PATH: `${bin}:${PATH}` },
  }
}

function suiteIn(suites: Readonly<Record<string, string>>, version: string): string {
  const suite = suites[version]
  if (suite === undefined) throw new Error(`No Debian suite is known for ${version}`)
  return suite
}

/** Tag of a base: equal recipes are equal images, another recipe is another image. */
export function recipeTag(choice: BaseChoice, facts: RecipeFacts): string {
  const recipe = recipeOf(choice, facts)
  const below = 'base' in recipe.from ? recipeTag(recipe.from, facts) : [EDITION, APPLETS, LEFT_OUT.source, APP_USER]
  const parts = [recipe, below, facts.arch, recipe.node === undefined ? '' : facts.npm, recipe.staticServer ? facts.staticServer : '']
  return sha256(JSON.stringify(parts)).slice(0, 16)
}
