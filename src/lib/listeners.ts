// Sockets that listen on a TCP port of this machine, from /proc/net/tcp (proc_pid_net(5)).
import { readFile } from 'node:fs/promises'

const LISTEN = '0A'

/**
 * The most sockets that listen on one address with this port. More than one: programs share the port (SO_REUSEPORT), and the kernel
 * deals connections out among them.
 */
export async function listenersOn(port: number): Promise<number> {
  const tables = await Promise.all(['/proc/net/tcp', '/proc/net/tcp6'].map((path) => readFile(path, 'utf8').catch(() => '')))
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  const counts = new Map<string, number>()
  for (const line of tables.join('\n').split('\n')) {
    const [, local = '', , state] = line.trim().split(/\s+/)
    if (state === LISTEN && local.endsWith(suffix)) counts.set(local, (counts.get(local) ?? 0) + 1)
  }
  return Math.max(0, ...counts.values())
}
