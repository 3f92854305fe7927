import type { z } from 'zod'
import { LEAST_FREE_BYTES } from '../../core/build/reconciler.ts'
import { cleanDisk } from '../../core/disk/clean.ts'
import { seenBy } from '../../core/disk/disk.ts'
import { surveyDisk } from '../../core/disk/survey.ts'
import type { Event } from '../../core/event/event.ts'
import { pause } from '../../lib/clock.ts'
import type { CallOf, Handlers, Handling } from '../call.ts'
import type * as resource from '../contract/resources.ts'
import { examine } from '../doctor.ts'
import type { LiveMessage } from '../live.ts'
import { namesById } from './apps.ts'

type Names = Awaited<ReturnType<typeof namesById>>

function show(event: Event, names: Names): z.input<typeof resource.Event> {
  return {
    seq: event.seq,
    at: event.at,
    kind: event.kind,
    actor: event.actor,
    app: event.appId && (names.apps.get(event.appId) ?? event.appId),
    environment: event.environmentId && (names.environments.get(event.environmentId) ?? event.environmentId),
    subject: event.subject,
    data: { ...event.data },
    hash: event.hash,
  }
}

async function listEvents(handling: Handling, call: CallOf<'listEvents'>): Promise<z.input<typeof resource.Event>[]> {
  const { after, limit, app } = call.query
  const { read } = handling.store
  const scope = { projectId: call.actor.projectId }
  const names = await namesById(handling)
  const appId = app === undefined ? undefined : (await read.apps.list(scope, { where: { name: app }, orderBy: 'createdAt', descending: true, limit: 1 }))[0]?.id
  if (app !== undefined && appId === undefined) return []
  const of = appId === undefined ? {} : { appId }
  const events =
    after === undefined
      ? (await read.events.list(scope, { where: of, orderBy: 'seq', descending: true, limit })).toReversed()
      : await read.eventsAfter({ ...scope, ...of }, after, limit)
  return events.map((event) => show(event, names))
}

async function* followEvents(handling: Handling, call: CallOf<'followEvents'>): AsyncGenerator<LiveMessage<z.input<typeof resource.Event>>> {
  const scope = { projectId: call.actor.projectId }
  const newest = (await handling.store.read.events.list(scope, { orderBy: 'seq', descending: true, limit: 1 }))[0]?.seq ?? 0
  // A reader whose last event has a higher number than the newest event read it before an older database was put back.
  let seq = Math.min(call.lastEventId ?? newest, newest)
  while (!call.signal.aborted) {
    const names = await namesById(handling)
    for (const event of await handling.store.read.eventsAfter(scope, seq, 500)) {
      seq = event.seq
      yield { id: seq, data: show(event, names) }
    }
    await pause(200, call.signal)
  }
}

export const installation = {
  health: async (handling) => ({ status: 'ok' as const, version: handling.version }),
  installation: async (handling) => ({
    version: handling.version,
    appsDomain: handling.settings.appsDomain,
    edgePort: handling.edgePort,
    api: handling.apiUrl,
  }),
  listEvents,
  followEvents,
  disk: async (handling, { actor }) => ({
    items: [...seenBy(await surveyDisk(handling, handling.disk), actor.projectId)],
    freeBytes: await handling.freeBytes(),
    leastFreeBytes: LEAST_FREE_BYTES,
  }),
  cleanDisk: async (handling, { actor }) => ({ removed: await cleanDisk(handling, handling.disk, actor), freeBytes: await handling.freeBytes() }),
  doctor: async (handling, { actor }) => examine(handling, { projectId: actor.projectId }),
} satisfies Partial<Handlers>
