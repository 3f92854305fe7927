import { Resolver } from 'node:dns/promises'

const TIMEOUT_MS = 3_000

/** The TXT records of a name, each as one text. No record is an empty list. Throws what the resolver throws when no server answers. */
export async function textRecords(name: string, servers: readonly string[]): Promise<string[]> {
  const resolver = new Resolver({ timeout: TIMEOUT_MS, tries: 2 })
  if (servers.length > 0) resolver.setServers(servers)
  try {
    return (await resolver.resolveTxt(name)).map((parts) => parts.join(''))
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENODATA' || error.code === 'ENOTFOUND')) return []
    throw error
  }
}
