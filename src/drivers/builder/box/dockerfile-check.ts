import { readIfThere } from '../../../lib/files.ts'
import type { Builder } from '../types.ts'
import type { Yard } from './yard.ts'

type Check = Awaited<ReturnType<Builder['checks']>>[number]

/** What Dockerfiles are built in. */
export const IMAGE_BOX = { base: 'image-build', version: null } as const

/** Switches of the kernel without which nobody but root makes a user namespace; the value that forbids it. */
const SWITCHES: Readonly<Record<string, string>> = {
  '/proc/sys/user/max_user_namespaces': '0',
  '/proc/sys/kernel/unprivileged_userns_clone': '0',
}

/** Whether Dockerfiles can be built here, as far as that is seen without building one. */
export async function dockerfileCheck(yard: Yard): Promise<Check> {
  const name = 'dockerfile'
  for (const [path, forbidding] of Object.entries(SWITCHES)) {
    const value = (await readIfThere(path).catch(() => null))?.trim()
    if (value === forbidding)
      return {
        name,
        ok: false,
        sentence: `Dockerfiles cannot be built here: ${path} is ${value}, which forbids user namespaces; other builds are not concerned`,
      }
  }
  const failure = yard.bases.failureOf(IMAGE_BOX)
  if (failure !== null)
    return {
      name,
      ok: false,
      sentence: `Dockerfiles could not be built: buildah 1.39 or newer comes from Debian 13, and ${failure}. A registry that has lockgate/image-build (basesRegistry) helps too`,
    }
  const there = (await yard.boxes.findImage(await yard.bases.tag(IMAGE_BOX)).catch(() => null)) !== null
  return {
    name,
    ok: true,
    sentence: there ? 'Dockerfiles are built in lockgate/image-build, as nobody' : 'What Dockerfiles are built in is made with the first one, in about 10 s',
  }
}
