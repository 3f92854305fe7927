import { EVERYTHING } from '../../core/actor/actor.ts'
import { may, mustBeAllowed } from '../../core/actor/may.ts'
import { isOneOffFinished } from '../../core/one-off/one-off.ts'
import { cancelOneOff, openOneOff } from '../../core/one-off/open.ts'
import type { Handlers, Handling, Named } from '../call.ts'
import { showOneOff } from '../show.ts'
import { linesUntil } from './lines.ts'

async function oneOffOf(handling: Handling, { actor, params }: Named) {
  return handling.store.read.oneOffs.get({ projectId: actor.projectId }, params.id)
}

function programOf([program = '', ...rest]: readonly string[]): string[] {
  return rest.length === 0 ? [program] : [program, '…']
}

export const logs = {
  readLogs: async (handling, call) => handling.book.tail(`environment/${call.environment.id}`, call.query.lines),
  followLogs: (handling, call) => linesUntil(handling, { key: `environment/${call.environment.id}`, call, ended: null, lines: call.query.lines }),
  runOneOff: async (handling, { actor, environment, body: { command, input } }) =>
    showOneOff(await openOneOff(handling, { actor, environment, command, input: input ?? null })),
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
    yield* linesUntil(handling, { key: `one-off/${oneOff.id}`, call, ended, lines: call.query.lines })
  },
} satisfies Partial<Handlers>
