// The disk of a test's own Debian 13: as the installer leaves a server, with what this network needs to reach its registries.
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { run } from '../../src/lib/run.ts'

/** What a Debian server has before anything is installed on it; git and curl are typed by hand before `bin/up`. */
const PACKAGES = [
  'linux-image-cloud-amd64',
  'systemd-sysv',
  'systemd-resolved',
  'dbus',
  'udev',
  'kmod',
  'iproute2',
  'procps',
  'ca-certificates',
  'openssh-server',
  'curl',
  'git',
]
const DISK_BYTES = 24 * 1024 ** 3
const AUTHORITIES = '/etc/ssl/certs/ca-certificates.crt'

/** Files in the folder that a machine boots from; `key` opens it for root. */
export interface Image {
  readonly disk: string
  readonly kernel: string
  readonly initrd: string
  readonly key: string
}

/** Makes the disk in a folder: about a minute. Throws with the program's words when a package cannot be fetched. */
export async function makeImage(folder: string): Promise<Image> {
  const root = join(folder, 'root')
  const image = { disk: join(folder, 'disk.raw'), kernel: join(folder, 'vmlinuz'), initrd: join(folder, 'initrd'), key: join(folder, 'key') }
  const env = proxies()
  await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', image.key])
  await run('mmdebstrap', ['--quiet', '--variant=minbase', `--include=${PACKAGES.join(',')}`, 'trixie', root], { timeoutMs: 900_000, env })
  const write = writerIn(root)
  write('etc/systemd/network/20-dhcp.network', '[Match]\nName=en* eth0\n[Network]\nDHCP=yes\n')
  write('etc/fstab', '/dev/vda / ext4 defaults,errors=remount-ro 0 1\n')
  write('etc/hostname', 'machine\n')
  mkdirSync(join(root, 'root/.ssh'), { recursive: true, mode: 0o700 })
  writeFileSync(join(root, 'root/.ssh/authorized_keys'), readFileSync(`${image.key}.pub`), { mode: 0o600 })
  await run('chroot', [root, 'systemctl', 'enable', 'systemd-networkd', 'systemd-resolved', 'ssh'])
  await copyNetworkSettings(root, env)
  for (const [name, path] of [
    ['vmlinuz-', image.kernel],
    ['initrd.img-', image.initrd],
  ] as const)
    renameSync(join(root, 'boot', readdirSync(join(root, 'boot')).find((file) => file.startsWith(name)) ?? name), path)
  writeFileSync(image.disk, '')
  truncateSync(image.disk, DISK_BYTES)
  await run('mkfs.ext4', ['-q', '-F', '-d', root, image.disk], { timeoutMs: 300_000 })
  rmSync(root, { recursive: true })
  return image
}

/** The authorities this host trusts, its proxies and its npm registry; nothing that signs in anywhere. */
async function copyNetworkSettings(root: string, env: Readonly<Record<string, string>>): Promise<void> {
  const write = writerIn(root)
  const own = '/usr/local/share/ca-certificates'
  if (existsSync(own)) cpSync(own, join(root, own), { recursive: true })
  await run('chroot', [root, 'update-ca-certificates'])
  // Also those that this host trusts without that folder.
  if (existsSync(AUTHORITIES)) write(AUTHORITIES, readFileSync(AUTHORITIES, 'utf8'))
  const npm = [join(homedir(), '.npmrc'), '/etc/npmrc'].filter(existsSync).flatMap((path) => readFileSync(path, 'utf8').match(/^registry\s*=.*$/gm) ?? [])
  const registry = process.env['npm_config_registry']
  if (registry !== undefined) npm.unshift(`registry=${registry}`)
  if (npm[0] !== undefined) write('etc/npmrc', `${npm[0]}\n`)
  write(
    'etc/environment',
    Object.entries(env)
      .map(([name, value]) => `${name}=${value}\n`)
      .join(''),
  )
}

/** The proxies of this host, as its environment names them. */
export function proxies(): Record<string, string> {
  return Object.fromEntries(Object.entries(process.env).flatMap(([name, value]) => (/^(https?|no)_proxy$/i.test(name) && value ? [[name, value]] : [])))
}

function writerIn(root: string): (path: string, text: string) => void {
  return (path, text) => {
    const file = join(root, path)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, text)
  }
}
