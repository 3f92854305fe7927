import { readFile } from 'node:fs/promises'
import { formatAddress } from '../../../lib/ipv4.ts'
import type { Listening } from '../types.ts'

const LISTEN = '0A'

/** Listening TCP sockets in the network of a process, read from /proc; null when we may not see it. */
export async function listeningOf(pid: number): Promise<Listening[] | null> {
  try {
    const [four, six] = await Promise.all([readFile(`/proc/${pid}/net/tcp`, 'utf8'), readFile(`/proc/${pid}/net/tcp6`, 'utf8').catch(() => '')])
    return [...parseSockets(four), ...parseSockets(six)]
  } catch {
    return null
  }
}

/**
 * The listening ones of /proc/net/tcp and tcp6 (proc(5)): addresses are hex, in groups of 32 bits of the host's byte order.
 * The engine's own resolver (127.0.0.11) is left out.
 */
export function parseSockets(text: string): Listening[] {
  const found: Listening[] = []
  for (const line of text.split('\n').slice(1)) {
    const [, local = '', , state] = line.trim().split(/\s+/)
    const [address = '', port = ''] = local.split(':')
    if (state !== LISTEN) continue
    const listening = { address: parseHexAddress(address), port: Number.parseInt(port, 16) }
    if (listening.address !== '127.0.0.11') found.push(listening)
  }
  return found
}

function parseHexAddress(hex: string): string {
  const words = hex.match(/.{8}/g)?.map((word) => Buffer.from(word, 'hex').readUInt32LE()) ?? []
  if (words.length === 1) return formatAddress(words[0] ?? 0)
  if (words.every((word) => word === 0)) return '::'
  if (words[0] === 0 && words[1] === 0 && words[2] === 0xffff) return formatAddress(words[3] ?? 0)
  if (words[0] === 0 && words[1] === 0 && words[2] === 0 && words[3] === 1) return '::1'
  return words.map((word) => `${(word >>> 16).toString(16)}:${(word & 0xffff).toString(16)}`).join(':')
}
