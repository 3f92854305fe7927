// What a box needs in which images are built: user namespaces and mounts inside them, and no right outside of them.
import { messageOf, RejectedError } from '../../../lib/errors.ts'
import { run } from '../../../lib/run.ts'
import type { EngineClient } from './client.ts'
import { NESTED_SECCOMP } from './nested-seccomp.ts'

const PROFILE = 'lockgate-nested'

// The engine's own profile denies every mount. `userns` is a word of AppArmor 4 only, and needed there.
const appArmorProfile = (userns: string): string => `
profile ${PROFILE} flags=(attach_disconnected,mediate_deleted) {
  file,
  network,
  capability,
  mount,
  umount,
  pivot_root,
  signal,
  ptrace,
  unix,
  ${userns}
  deny @{PROC}/sysrq-trigger rwklx,
  deny @{PROC}/kcore rwklx,
  deny /sys/kernel/security/** rwklx,
  deny /sys/firmware/** rwklx,
}
`

/**
 * The part of a container's HostConfig. SETUID and SETGID are for newuidmap, which gets its right from its file and not from the
 * setuid bit; that is also why no-new-privileges cannot be set. Throws RejectedError `box.no_profile`.
 */
export async function nestedSecurity(client: EngineClient): Promise<Readonly<Record<string, unknown>>> {
  const { info } = await client.connect()
  const options = [`seccomp=${JSON.stringify(NESTED_SECCOMP)}`]
  if (info.SecurityOptions.some((option) => option.includes('apparmor'))) {
    await loadProfile()
    options.push(`apparmor=${PROFILE}`)
  }
  if (info.SecurityOptions.some((option) => option.includes('selinux'))) options.push('label=disable')
  return { CapDrop: ['ALL'], CapAdd: ['SETUID', 'SETGID'], SecurityOpt: options, Ulimits: [{ Name: 'nofile', Soft: 4096, Hard: 4096 }] }
}

async function loadProfile(): Promise<void> {
  const load = (userns: string) => run('apparmor_parser', ['--replace', '--skip-cache'], { input: appArmorProfile(userns) })
  try {
    await load('userns,').catch(() => load(''))
  } catch (error) {
    throw new RejectedError('box.no_profile', `The AppArmor profile of boxes that build images cannot be loaded: ${messageOf(error)}`, { cause: error })
  }
}
