import { EVERYTHING } from '../../core/actor/actor.ts'
import { headRevision, revise } from '../../core/config-revision/revise.ts'
import { revokeSecret } from '../../core/secret/revoke.ts'
import { NotFoundError } from '../../lib/errors.ts'
import type { Handlers } from '../call.ts'
import { showDeployment } from '../show.ts'

export const config = {
  readConfig: async (handling, call) => {
    const environment = call.environment
    const { revision: number } = call.query
    const revision =
      number === undefined
        ? await headRevision(handling.store.read, environment)
        : (await handling.store.read.configRevisions.list(EVERYTHING, { where: { environmentId: environment.id, number }, limit: 1 }))[0]
    if (!revision && number !== undefined) throw new NotFoundError('config.no_revision', `There is no configuration revision ${number} here.`)
    const entries = Object.entries(revision?.values ?? {}).map(([key, value]) =>
      value.kind === 'plain'
        ? { key, kind: value.kind, value: value.value, secretVersion: null }
        : { key, kind: value.kind, value: null, secretVersion: value.secretVersion },
    )
    return { revision: revision?.number ?? null, entries: entries.toSorted((a, b) => (a.key < b.key ? -1 : 1)) }
  },
  changeConfig: async (handling, call) => {
    const { set, secret, unset } = call.body
    const { revision, deployment, builtIn } = await revise(handling, { actor: call.actor, environment: call.environment, set, secret, unset })
    return { revision: revision.number, builtIn: [...builtIn], deployment: deployment && (await showDeployment(handling.store.read, deployment)) }
  },
  revokeSecret: async (handling, call) => {
    const { name, version, revokedAt } = await revokeSecret(handling, { actor: call.actor, environment: call.environment, ...call.body })
    return { key: name, version, revokedAt: revokedAt ?? 0 }
  },
  configHistory: async (handling, call) => {
    const { limit } = call.query
    const list = await handling.store.read.configRevisions.list(EVERYTHING, {
      where: { environmentId: call.environment.id },
      orderBy: 'number',
      descending: true,
      limit,
    })
    return list.map((one) => ({ number: one.number, note: one.note, actor: one.actor, createdAt: one.createdAt, keys: Object.keys(one.values).sort() }))
  },
} satisfies Partial<Handlers>
