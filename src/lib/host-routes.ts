import { readFile } from 'node:fs/promises'
import type { Range } from './ipv4.ts'

/** Flag of a route that refuses (route.h). */
const REJECT = 0x200

/** IPv4 routes of this machine, the default route among them; none where the kernel does not say. */
export async function hostRoutes(): Promise<Range[]> {
  return parseRoutes(await readFile('/proc/net/route', 'utf8').catch(() => ''))
}

/** The destinations in the text of `/proc/net/route` (proc(5)): hexadecimal, least significant byte first. */
export function parseRoutes(text: string): Range[] {
  return text
    .split('\n')
    .slice(1)
    .flatMap((line): Range[] => {
      const [, destination, , flags, , , , mask] = line.trim().split(/\s+/)
      // Ours for the whole instance range leads nowhere, and takes no address from anybody.
      if ((Number.parseInt(flags ?? '', 16) & REJECT) !== 0) return []
      if (destination?.length !== 8 || mask?.length !== 8) return []
      return [{ first: littleEndian(destination), prefix: littleEndian(mask).toString(2).replaceAll('0', '').length }]
    })
}

function littleEndian(hex: string): number {
  return Buffer.from(hex, 'hex').readUInt32LE()
}
