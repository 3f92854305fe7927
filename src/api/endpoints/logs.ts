import { EVERYTHING } from '../../core/actor/actor.ts'
import { may, mustBeAllowed } from '../../core/actor/may.ts'
import { isOneOffFinished } from '../../core/one-off/one-off.ts'
import { cancelOneOff, openOneOff } from '../../core/one-off/open.ts'
import type { Call, Handler, Handling } from '../call.ts'
import { endpoints } from '../contract/endpoints.ts'
import { showOneOff } from '../show.ts'
import { environmentOf } from './given.ts'
import { linesUntil } from './lines.ts'

async function oneOffOf(handling: Handling, call: Call) {
  return handling.store.read.oneOffs.get({ projectId: call.actor.projectId }, call.params['id'] ?? '')
}

function runOnce(call: Call): { readonly command: readonly string[]; readonly input: string | null } {
  const { command, input } = endpoints.runOneOff.body.parse(call.body)
  return { command, input: input ?? null }
}

function programOf([program = '', ...rest]: readonly string[]): string[] {
  return rest.length === 0 ? [program] : [program, '…']
}

export const logs = {
  readLogs: async (handling, call) => handling.book.tail(`environment/${environmentOf(call).id}`, endpoints.readLogs.query.parse(call.query).lines),
  followLogs: (handling, call) =>
    linesUntil(handling, { key: `environment/${environmentOf(call).id}`, call, ended: null, lines: endpoints.followLogs.query.parse(call.query).lines }),
  runOneOff: async (handling, call) => showOneOff(await openOneOff(handling, { actor: call.actor, environment: environmentOf(call), ...runOnce(call) })),
  readOneOff: async (handling, call) => {
    const oneOff = await oneOffOf(handling, call)
    const environment = await handling.store.read.environments.get(EVERYTHING, oneOff.environmentId)
    // Arguments may hold what is not for everybody who may look.
    return showOneOff(may(call.actor, 'environment.operate', environment) ? oneOff : { ...oneOff, command: programOf(oneOff.command) })
  },
  cancelOneOff: async (handling, call) => {
    const oneOff = await oneOffOf(handling, call)
    mustBeAllowed(call.actor, 'environment.operate', await handling.store.read.environments.get(EVERYTHING, oneOff.environmentId))
    return showOneOff(await cancelOneOff(handling, { actor: call.actor, id: oneOff.id }))
  },
  followOneOffLog: async function* (handling, call) {
    const oneOff = await oneOffOf(handling, call)
    const ended = async (): Promise<boolean> => isOneOffFinished(await oneOffOf(handling, call))
    yield* linesUntil(handling, { key: `one-off/${oneOff.id}`, call, ended, lines: endpoints.followOneOffLog.query.parse(call.query).lines })
  },
} satisfies Record<string, Handler>
