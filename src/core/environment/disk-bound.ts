// An instance writes into itself until the disk of the machine is full: measured now and then, and replaced when it has more than its limit.
import { messageOf } from '../../lib/errors.ts'
import type { PassResult } from '../../lib/work-queue.ts'
import { EVERYTHING, PLATFORM } from '../actor/actor.ts'
import { DEFAULT_DISK_MB } from '../artifact/artifact.ts'
import type { Context } from '../context.ts'
import { type Instance, labelOf } from '../instance/instance.ts'

const EVERY_MS = 60_000
const MB = 1024 ** 2

/** Marks every instance that has written more than its limit: the environment's reconciler replaces it in place, drained. */
export async function boundDisks(context: Pick<Context, 'store' | 'runtime' | 'log'>): Promise<PassResult> {
  const { read } = context.store
  const written = await context.runtime.writtenBytes().catch((error: unknown) => {
    context.log.warn('what instances have written could not be measured', { error: messageOf(error) })
    return new Map<string, number>()
  })
  for (const instance of await read.instances.list(EVERYTHING, { where: { removedAt: null } })) {
    const bytes = written.get(instance.name)
    if (bytes === undefined || instance.fault !== null) continue
    const { runSpec } = await read.releases.get(EVERYTHING, instance.releaseId)
    const limitMb = runSpec.limits.diskMb ?? DEFAULT_DISK_MB
    if (bytes > limitMb * MB) await mark(context, instance, { writtenMb: Math.round(bytes / MB), limitMb })
  }
  return { afterMs: EVERY_MS }
}

interface Excess {
  readonly writtenMb: number
  readonly limitMb: number
}

async function mark(context: Pick<Context, 'store'>, instance: Instance, { writtenMb, limitMb }: Excess): Promise<void> {
  const fault = `it wrote ${writtenMb} MB of files, and ${limitMb} MB is its limit (limits.disk in lockgate.yaml)`
  await context.store.transaction(async (tx) => {
    const environment = await tx.environments.get(EVERYTHING, instance.environmentId)
    await tx.instances.save(instance, { ...instance, fault })
    await tx.record({
      kind: 'instance.disk_exceeded',
      actor: PLATFORM,
      projectId: instance.projectId,
      appId: environment.appId,
      environmentId: instance.environmentId,
      subject: instance.name,
      data: { instance: labelOf(instance), writtenMb, limitMb },
    })
  })
}
