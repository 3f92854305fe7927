// What somebody gave a command: its arguments and its standard input. Both may hold secrets, and records outlive commands.
import { z } from 'zod'
import { Redactor } from '../../lib/sensitive.ts'
import { EVERYTHING } from '../actor/actor.ts'
import type { Context } from '../context.ts'
import type { SealedValue } from '../secret/secret.ts'
import { secretValuesOf } from '../secret/variables.ts'
import type { OneOff } from './one-off.ts'

const Given = z.object({ command: z.array(z.string()), input: z.string().nullable() })

/** Arguments, and the standard input as base64; null: none. */
export interface Given {
  readonly command: readonly string[]
  readonly input: string | null
}

/** How a record keeps it: the arguments without secrets of the release, and all of it sealed where that is not the whole. */
export async function keepGiven(
  context: Pick<Context, 'store' | 'sealer'>,
  where: { readonly id: string; readonly environmentId: string; readonly releaseId: string },
  given: Given,
): Promise<{ readonly command: readonly string[]; readonly sealed: SealedValue | null }> {
  const release = await context.store.read.releases.get(EVERYTHING, where.releaseId)
  const redactor = new Redactor(await secretValuesOf(context, release))
  const command = given.command.map((argument) => redactor.redact(argument))
  const isWhole = given.input === null && command.every((argument, at) => argument === given.command[at])
  return { command, sealed: isWhole ? null : context.sealer.seal(JSON.stringify(given), placeOf(where)) }
}

/** What was given, for its container. */
export function givenOf(context: Pick<Context, 'sealer'>, oneOff: OneOff): Given {
  if (oneOff.sealed === null) return { command: oneOff.command, input: null }
  return Given.parse(JSON.parse(context.sealer.open(oneOff.sealed, placeOf(oneOff))))
}

function placeOf(where: { readonly id: string; readonly environmentId: string }) {
  return { environmentId: where.environmentId, name: `one-off/${where.id}`, version: 1 }
}
