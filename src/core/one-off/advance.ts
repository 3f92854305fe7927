import { messageOf, RejectedError } from '../../lib/errors.ts'
import type { PassResult } from '../../lib/work-queue.ts'
import { EVERYTHING } from '../actor/actor.ts'
import type { Context } from '../context.ts'
import type { Snapshot } from '../environment/snapshot.ts'
import { subnetOf } from '../instance/address.ts'
import { variablesOf } from '../secret/variables.ts'
import { givenOf } from './given.ts'
import { LONGEST_COMMAND_MS, moveOneOff, type OneOff } from './one-off.ts'

const LOOK_MS = 250

type Advancing = Pick<Context, 'store' | 'runtime' | 'sealer' | 'settings' | 'clock' | 'logs'>

/** One step for every command of the environment that is not finished. Part of the environment's pass: it calls the runtime. */
export async function advanceOneOffs(context: Advancing, snapshot: Snapshot): Promise<PassResult> {
  const open = await context.store.read.oneOffs.list(EVERYTHING, { where: { environmentId: snapshot.environment.id, status: ['queued', 'running'] } })
  for (const oneOff of open) await advance(context, snapshot, oneOff)
  await clean(context, snapshot, open)
  return open.length > 0 ? { afterMs: LOOK_MS } : {}
}

/** The container of a one-off, by its id. */
export function oneOffName(installation: string, oneOff: Pick<OneOff, 'id'>): string {
  return `lockgate-${installation}-${oneOff.id}`
}

async function advance(context: Advancing, snapshot: Snapshot, oneOff: OneOff): Promise<void> {
  const name = oneOffName(context.store.installation, oneOff)
  const observed = snapshot.observed.get(name)
  if (oneOff.status === 'queued') return begin(context, snapshot, oneOff)
  // What must not run twice: the container made for this record is the proof that it ran. Only we remove it, after the result.
  if (!observed) return begin(context, snapshot, oneOff)
  if (observed.state === 'created') return startWith(context, oneOff, name)
  if (observed.state === 'exited') {
    // Its output is kept before its end is written: who follows it stops at the end.
    await context.logs.finished(observed)
    const exitCode = observed.exitCode ?? 1
    const message = observed.oomKilled ? 'it was killed because it used more memory than its limit' : `exit code ${exitCode}`
    await save(
      context,
      oneOff,
      moveOneOff(oneOff, oneOff.cancelRequested ? 'cancelled' : exitCode === 0 ? 'succeeded' : 'failed', {
        exitCode,
        message,
        finishedAt: context.clock.now(),
      }),
    )
    return
  }
  const late = oneOff.budgetUsedMs > LONGEST_COMMAND_MS
  if (oneOff.cancelRequested || late) return context.runtime.stop(name)
  // Every look counts for the time between two looks, so an outage of ours uses nothing up.
  await context.store.transaction((tx) => tx.oneOffs.set(oneOff.id, { budgetUsedMs: oneOff.budgetUsedMs + LOOK_MS }))
}

/** Intent, then the container under the record's own name, then its start. */
async function begin(context: Advancing, snapshot: Snapshot, oneOff: OneOff): Promise<void> {
  const running = oneOff.status === 'running' ? oneOff : await save(context, oneOff, moveOneOff(oneOff, 'running'))
  const release = await context.store.read.releases.get(EVERYTHING, oneOff.releaseId)
  const artifact = await context.store.read.artifacts.get(EVERYTHING, release.artifactId)
  const name = oneOffName(context.store.installation, oneOff)
  const given = givenOf(context, oneOff)
  try {
    await context.runtime.ensure({
      name,
      kind: 'one-off',
      projectId: oneOff.projectId,
      environmentId: oneOff.environmentId,
      set: 0,
      ordinal: 0,
      key: oneOff.id,
      digest: artifact.digest,
      reference: artifact.reference,
      command: given.command,
      inputFile: given.input === null ? null : INPUT,
      env: {
        ...(await variablesOf(context, release)),
        PORT: String(release.runSpec.port),
        LOCKGATE_APP: snapshot.app.name,
        LOCKGATE_ENVIRONMENT: snapshot.environment.name,
        LOCKGATE_RELEASE: `r${release.number}`,
      },
      address: null,
      subnet: subnetOf(snapshot.environment, context.settings.instanceRange),
      limits: release.runSpec.limits,
      stopSignal: release.runSpec.stopSignal,
      stopGraceMs: release.runSpec.stopGraceMs,
      keepAlive: false,
    })
    await startWith(context, running, name)
  } catch (error) {
    if (!(error instanceof RejectedError)) throw error
    await save(context, running, moveOneOff(running, 'failed', { message: messageOf(error), finishedAt: context.clock.now() }))
  }
}

/** A file of the container as standard input: unlike a stream it is whole after a restart of the server, too. */
const INPUT = '.lockgate-input'

async function startWith(context: Advancing, oneOff: OneOff, name: string): Promise<void> {
  const { input } = givenOf(context, oneOff)
  if (input !== null) await context.runtime.putFile(name, { name: INPUT, bytes: Buffer.from(input, 'base64') })
  await context.runtime.start(name)
}

/** Containers of finished commands go; their output is on disk. */
async function clean(context: Advancing, snapshot: Snapshot, open: readonly OneOff[]): Promise<void> {
  const needed = new Set(open.map((oneOff) => oneOffName(context.store.installation, oneOff)))
  for (const observed of snapshot.observed.values()) {
    if (observed.kind !== 'one-off' || observed.state !== 'exited' || needed.has(observed.name)) continue
    await context.runtime.remove(observed.name)
  }
}

async function save(context: Advancing, before: OneOff, after: OneOff): Promise<OneOff> {
  return context.store.transaction(async (tx) => {
    const saved = await tx.oneOffs.save(before, after)
    const environment = await tx.environments.get(EVERYTHING, saved.environmentId)
    await tx.record({
      kind: `one_off.${saved.status}`,
      actor: saved.actor,
      projectId: saved.projectId,
      appId: environment.appId,
      environmentId: saved.environmentId,
      subject: saved.id,
      data: { exitCode: saved.exitCode },
    })
    return saved
  })
}
