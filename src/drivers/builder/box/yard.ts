import type { Boxes, BoxSpec, BoxVolume } from '../../runtime/types.ts'
import type { BaseFile } from '../bases/base-file.ts'
import type { Bases } from '../bases/index.ts'
import type { BuildRequest } from '../types.ts'
import type { ImageStore } from './image-store.ts'

/** What all builds of this server share. */
export interface Yard {
  readonly boxes: Boxes
  readonly bases: Bases
  readonly installation: string
  readonly env: Readonly<Record<string, string>>
  /** Certificates and settings of package managers, put into every box of a build. */
  readonly files: readonly BaseFile[]
  readonly caBundle: string | null
  readonly freeDiskMb: number
  /** Build nothing where the network of builds has no filter. */
  readonly requireFilter: boolean
  /** Registries that hold what Docker Hub holds, asked before it. */
  readonly registryMirrors: readonly string[]
  /** What Dockerfiles begin from. */
  readonly images: ImageStore
  /** Most an app may be, unpacked. */
  readonly appMb: number
}

/** The volume in which builds of an app keep what makes the next one faster: a build can write anything there, so each level has its own. */
export function cacheOf(yard: Pick<Yard, 'installation'>, who: Pick<BuildRequest, 'appId' | 'trust'>): string {
  return `lockgate-${yard.installation}-cache-${who.trust}-${who.appId}`
}

/** The volume of one build's files. */
export function workspaceOf(yard: Pick<Yard, 'installation'>, buildId: string): string {
  return `lockgate-${yard.installation}-work-${buildId}`
}

/** A cache is thrown away at 70 %, so that what is left of this is never less than half of a build's disk. */
function cacheMb(diskMb: number): number {
  return diskMb * 2
}

/** The cache of a build's app as a volume. */
export function cacheVolume(yard: Pick<Yard, 'installation'>, request: BuildRequest): BoxVolume {
  return { name: cacheOf(yard, request), sizeMb: cacheMb(request.limits.diskMb), keep: true }
}

/** The network of a build: whoever may not see what trusted builds leave is not let into private networks either. */
export async function networkFor(yard: Yard, request: BuildRequest, note: (line: string) => void): Promise<BoxSpec['network']> {
  const { manifest, trust } = request
  if (manifest.build?.network === 'none') return 'none'
  if (trust !== 'untrusted') return yard.requireFilter ? 'filtered' : 'open'
  const { network } = await yard.boxes.gaps()
  if (network === null) return 'filtered'
  note('This change is not trusted, and what keeps builds out of private networks cannot be put in force here: its build has no network')
  return 'none'
}
