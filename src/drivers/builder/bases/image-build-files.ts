// What the image in which Dockerfiles are built has beside its packages.
import type { BaseFile } from './base-file.ts'

/** buildah before 1.39 shows the box what chroot isolation is to hide; Debian 13 has the first that does not. */
const SUITES = ['trixie', 'forky', 'duke', 'sid']
/** How many users an image may have: those of Lockgate's own bases are among them. */
const USERS = 1_000_000

export const IMAGE_BUILD_PACKAGES: readonly string[] = ['buildah', 'crun', 'netavark', 'uidmap', 'tar']

/** The host's own suite where that is new enough. */
export function imageBuildSuite(host: string): string {
  return SUITES.includes(host) ? host : 'trixie'
}

/** Where the box keeps layers, and finds the images that all apps begin from. */
export const IMAGES_FOLDER = '/images'

const STORAGE = `[storage]
driver = "overlay"
runroot = "/tmp/run"
graphroot = "/cache/storage"
rootless_storage_path = "/cache/storage"
[storage.options]
additionalimagestores = ["${IMAGES_FOLDER}"]
`

// The usual ones without SYS_CHROOT, NET_RAW, MKNOD and AUDIT_WRITE.
const CONTAINERS = `[containers]
default_capabilities = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "NET_BIND_SERVICE", "SETFCAP", "SETGID", "SETPCAP", "SETUID"]
`

/** Environment of every program of buildah in the box. */
export const IMAGE_BUILD_ENV: Readonly<Record<string, string>> = {
  HOME: '/tmp/home',
  XDG_RUNTIME_DIR: '/tmp/xdg',
  BUILDAH_ISOLATION: 'chroot',
  CONTAINERS_STORAGE_CONF: '/etc/lockgate/storage.conf',
  CONTAINERS_CONF: '/etc/lockgate/containers.conf',
  CONTAINERS_REGISTRIES_CONF: '/etc/lockgate/registries.conf',
}

/** Its configuration, and the numbers a user namespace of `user` may use. */
export function imageBuildFiles(user: number): BaseFile[] {
  const range = `app:${user + 1}:${USERS}\n`
  return [
    { name: 'etc/subuid', text: range },
    { name: 'etc/subgid', text: range },
    { name: 'etc/lockgate/storage.conf', text: STORAGE },
    { name: 'etc/lockgate/containers.conf', text: CONTAINERS },
    { name: 'etc/lockgate/registries.conf', text: 'unqualified-search-registries = ["docker.io"]\n' },
    { name: 'etc/containers/policy.json', text: '{"default":[{"type":"insecureAcceptAnything"}]}\n' },
  ]
}
