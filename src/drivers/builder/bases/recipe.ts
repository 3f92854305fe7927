import { createHash } from 'node:crypto'
import type { BaseName } from '../../../core/build/build-plan.ts'

/** Nobody on any host has this number: a process that gets out of its container owns nothing. */
export const APP_USER = 700_000

export const PACKAGES: readonly string[] = ['libc-bin', 'busybox-static', 'ca-certificates', 'make', 'tzdata', 'libstdc++6', 'base-files', 'netbase']
// Some npm packages come from git, and Makefiles are written for the GNU tools; compilers would be 280 MB more, and what
// ordinary packages need is prebuilt.
export const BUILD_PACKAGES: readonly string[] = [...PACKAGES, 'git', 'bash', 'coreutils', 'findutils', 'grep', 'gzip', 'sed', 'tar']

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
const EDITION = 5

export interface RecipeFacts {
  readonly suite: string
  readonly arch: string
  readonly node: string
  readonly npm: string
  readonly staticServer: string
}

/** Tag of a base: equal recipes are equal images, another recipe is another image. */
export function recipeTag(name: BaseName, facts: RecipeFacts): string {
  const system = [EDITION, facts.suite, facts.arch, PACKAGES, APPLETS, LEFT_OUT.source, APP_USER]
  const parts: Readonly<Record<BaseName, readonly unknown[]>> = {
    base: system,
    node: [...system, facts.node, facts.npm],
    'node-build': [...system, facts.node, facts.npm, BUILD_PACKAGES],
    static: [...system, facts.node, facts.npm, facts.staticServer],
  }
  return createHash('sha256').update(JSON.stringify(parts[name])).digest('hex').slice(0, 16)
}
